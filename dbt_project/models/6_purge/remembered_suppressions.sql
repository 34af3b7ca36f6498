-- One row per suppression that this purge must add to the memory: the mailboxes of member rows that go,
-- where no other row that stays has them, since T; and whatever refusal goes with a purged row, or
-- reached its mailbox only through one, since the time of the refusal. A refusal without a time is the
-- latest there is: since T.
with due as (

    select * from {{ ref('purge_due') }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

pads as (

    select * from {{ pads() }}

),

subjects as (

    select
        subjects.table_name,
        cast(subjects.subject_key as varchar) as record_key,
        subjects.contact,
        due.deletion_class,
        due.deadline_at,
        due.record_key is not null as is_leaving
    from {{ ref('subjects') }} as subjects
    left join due
        on
            subjects.table_name = due.table_name
            and cast(subjects.subject_key as varchar) = due.record_key
            and due.action = 'delete'
    where subjects.contact is not null

),

purged_contacts as (

    select
        contact,
        min_by(deletion_class, row(deadline_at, deletion_class)) as deletion_class,
        min(deadline_at) as deadline_at
    from subjects
    group by contact
    having bool_and(is_leaving)

),

refusals as (

    select
        sayings.contact,
        sayings.purpose,
        sayings.reason,
        max(least(sayings.said_at, as_of.as_of)) as since
    from {{ ref('contact_sayings') }} as sayings
    cross join as_of
    left join due as own
        on
            sayings.table_name = own.table_name
            and sayings.record_key = own.record_key
    left join due as via
        on
            sayings.via_table = via.table_name
            and sayings.via_key = via.record_key
    where
        not sayings.is_granted
        and (own.record_key is not null or via.record_key is not null)
    group by sayings.contact, sayings.purpose, sayings.reason

),

verified as (

    select
        erasures.contact,
        max(erasures.verified_at) as since
    from {{ ref('erasure_contacts') }} as erasures
    left join due as own
        on
            erasures.table_name = own.table_name
            and erasures.request_key = own.record_key
    left join due as via
        on
            erasures.via_table = via.table_name
            and erasures.via_key = via.record_key
    where
        erasures.verified_at is not null
        and (own.record_key is not null or via.record_key is not null)
    group by erasures.contact

),

due_suppressions as (

    select
        purged_contacts.contact,
        cast(null as varchar) as purpose,
        'purge' as reason,
        as_of.as_of as since,
        purged_contacts.deletion_class,
        purged_contacts.deadline_at
    from purged_contacts
    cross join as_of

    union all

    select
        contact,
        purpose,
        reason,
        since,
        cast(null as varchar) as deletion_class,
        cast(null as timestamp) as deadline_at
    from refusals

    union all

    select
        contact,
        cast(null as varchar) as purpose,
        'erasure_verified' as reason,
        since,
        cast(null as varchar) as deletion_class,
        cast(null as timestamp) as deadline_at
    from verified

),

suppressions as (

    select
        {{ digest('due_suppressions.contact') }} as contact_digest,
        due_suppressions.purpose,
        due_suppressions.reason,
        due_suppressions.since,
        due_suppressions.deletion_class,
        due_suppressions.deadline_at,
        pads.key_id
    from due_suppressions
    cross join pads

)

select * from suppressions
