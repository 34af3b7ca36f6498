-- One row per thing said about a contact point, by whatever account it came, and by either way a row is
-- about a mailbox: its own address, and the current address of its subject ("about both", DESIGN
-- section 5). purpose null: a refusal of every marketing purpose. Without a time: at infinity, for it
-- counts as the latest. via: the subject's row that leads to the mailbox, where its own address does not.
{{ config(materialized='view') }}

with subjects as (

    select * from {{ ref('subjects') }}

),

events as (

    {{ contributed('consent_events', sayings_columns()) }}
    union all
    {{ contributed('refusals', sayings_columns()) }}

),

-- One pass over the events: each is read once, and counted for either way to a mailbox that it has.
ways as (

    select false as is_via_subject
    union all
    select true as is_via_subject

),

sayings as (

    select
        case when ways.is_via_subject then subjects.contact else events.contact end as contact,
        events.subject_key,
        events.purpose,
        events.is_granted,
        events.is_by_person,
        coalesce(events.occurred_at, cast('infinity' as timestamp)) as said_at,
        events.reason,
        events.table_name,
        events.record_key,
        case when ways.is_via_subject then subjects.table_name end as via_table,
        case when ways.is_via_subject then cast(subjects.subject_key as varchar) end as via_key
    from events
    left join subjects on events.subject_key = subjects.subject_key
    cross join ways
    where
        (not ways.is_via_subject and events.contact is not null)
        or (ways.is_via_subject and subjects.contact is not null and subjects.contact is distinct from events.contact)

)

select * from sayings
