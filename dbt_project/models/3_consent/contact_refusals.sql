-- One row per contact point and purpose that was refused: when, at the latest; infinity where no time is
-- known. With the subjects' own grants (subject_grants) this is all that consent is judged by: a grant of its
-- own since the last refusal is the latest word of the mailbox, too. contact_words shows that word, with its
-- evidence.
with sayings as (

    select
        contact,
        purpose,
        said_at
    from {{ ref('contact_sayings') }}
    where not is_granted

),

remembered as (

    select
        contact,
        purpose,
        since as said_at
    from {{ ref('suppressed_contacts') }}
    where coalesce(reason, '') not in ('purge', 'erasure_verified')

),

said as (

    select * from sayings
    union all
    select * from remembered

),

-- A refusal that names no purpose refuses every marketing purpose.
reaches as (

    select
        purpose as said_purpose,
        purpose
    from {{ ref('purposes') }}

    union all

    select
        cast(null as varchar) as said_purpose,
        purpose
    from {{ ref('purposes') }}
    where is_marketing

),

refusals as (

    select
        said.contact,
        reaches.purpose,
        max(said.said_at) as refused_at
    from said
    inner join reaches on said.purpose is not distinct from reaches.said_purpose
    group by said.contact, reaches.purpose

)

select * from refusals
