-- One row per contact point whose copies must be nowhere: it was purged, its erasure was verified, or its person has
-- left. By keyed digest, for most of them stand in no table any more.
-- Not gone: one of a subject that is there and has not left, and one by which a person has acted since.
with pads as (

    select * from {{ pads() }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

subjects as (

    select * from {{ ref('subjects') }}

),

left_mailboxes as (

    select * from {{ ref('left_mailboxes') }}

),

remembered as (

    select
        contact_digest,
        case when reason = 'purge' then 'purged' else 'erased' end as reason,
        since
    from {{ source('memory', 'suppressions') }}
    where reason in ('purge', 'erasure_verified')

    union all

    select
        contact_digest,
        'purged' as reason,
        purged_at as since
    from {{ source('memory', 'purged_contacts') }}

    union all

    select
        contact_digest,
        'withdrawn' as reason,
        left_at as since
    from {{ source('memory', 'left_mailboxes') }}

),

-- Since when is not known of all who have left: then it is T, and nothing they did is later.
leavings as (

    select
        left_mailboxes.contact,
        least(coalesce(max(refusals.refused_at), max(as_of.as_of)), max(as_of.as_of)) as since
    from left_mailboxes
    cross join as_of
    left join {{ ref('contact_refusals') }} as refusals on left_mailboxes.contact = refusals.contact
    group by left_mailboxes.contact

),

live as (

    select
        contact,
        'withdrawn' as reason,
        since
    from leavings

    union all

    select
        contact,
        'erased' as reason,
        verified_at as since
    from {{ ref('erasure_contacts') }}
    where verified_at is not null

),

candidates as (

    select
        contact_points.contact,
        remembered.contact_digest,
        remembered.reason,
        remembered.since
    from remembered
    left join {{ ref('contact_points') }} as contact_points
        on remembered.contact_digest = contact_points.contact_digest

    union all

    select
        live.contact,
        {{ digest('live.contact') }} as contact_digest,
        live.reason,
        live.since
    from live
    cross join pads

),

staying as (

    select distinct contact from subjects
    where
        not coalesce(has_left, false)
        and contact in (select candidates.contact from candidates)

),

activities as (

    {{ contributed('activities', [['subject_key', 'varchar'], ['contact', 'varchar'], ['acted_at', 'timestamp']]) }}

),

-- Whoever has left and logs in once more has left all the same.
acts as (

    select
        activities.contact,
        max(activities.acted_at) as acted_at
    from activities
    cross join as_of
    left join subjects
        on
            activities.subject_key = subjects.subject_key
            and subjects.has_left
    where
        subjects.subject_key is null
        and activities.contact in (select candidates.contact from candidates)
        and activities.acted_at <= as_of.as_of
    group by activities.contact

),

gone as (

    select
        candidates.contact_digest,
        candidates.reason,
        candidates.since,
        case candidates.reason when 'erased' then 1 when 'purged' then 2 else 3 end as place
    from candidates
    left join staying on candidates.contact = staying.contact
    left join acts
        on
            candidates.contact = acts.contact
            and candidates.since < acts.acted_at
    where
        staying.contact is null
        and acts.contact is null

),

gone_contacts as (

    select
        gone.contact_digest,
        min_by(gone.reason, gone.place) as reason,
        max(gone.since) as since,
        bool_or(gone.reason = 'purged') as is_purged,
        max(pads.key_id) as key_id
    from gone
    cross join pads
    group by gone.contact_digest

)

select * from gone_contacts
