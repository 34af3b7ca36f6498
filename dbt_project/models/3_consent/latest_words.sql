-- One row per contact point and purpose: when it last said yes and no, and which of the two counts.
-- A tie is a no: of two answers given in the same second we cannot know which came last. A machine's
-- grant counts only where nobody ever refused. contact_words shows the same with its evidence.
with sayings as (

    select
        contact,
        purpose,
        is_granted,
        is_by_person,
        said_at
    from {{ ref('contact_sayings') }}

),

remembered as (

    select
        contact,
        purpose,
        false as is_granted,
        true as is_by_person,
        since as said_at
    from {{ ref('suppressed_contacts') }}
    where coalesce(reason, '') not in ('purge', 'erasure_verified')

),

said as (

    select * from sayings
    union all
    select * from remembered

),

times as (

    select
        contact,
        purpose,
        max(case when not is_granted then said_at end) as refused_at,
        max(case when is_granted and is_by_person then said_at end) as granted_in_person_at,
        max(case when is_granted and not is_by_person then said_at end) as granted_by_machine_at
    from said
    group by contact, purpose

),

-- A refusal of every marketing purpose, spread over them.
spread as (

    select
        times.contact,
        purposes.purpose,
        times.refused_at
    from times
    cross join {{ ref('purposes') }} as purposes
    where
        times.purpose is null
        and purposes.is_marketing

),

known as (

    select
        coalesce(times.contact, spread.contact) as contact,
        coalesce(times.purpose, spread.purpose) as purpose,
        greatest(times.refused_at, spread.refused_at) as refused_at,
        times.granted_in_person_at,
        times.granted_by_machine_at
    from (
        select * from times
        where purpose is not null
    ) as times
    full outer join spread
        on
            times.contact = spread.contact
            and times.purpose = spread.purpose

),

words as (

    select
        contact,
        purpose,
        refused_at,
        granted_in_person_at,
        granted_by_machine_at,
        refused_at is null or coalesce(granted_in_person_at > refused_at, false) as is_granted
    from known

)

select * from words
