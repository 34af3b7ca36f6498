-- One row per thing said about a contact point and a purpose: by whatever account it came, and by
-- either way a row is about a mailbox, its own address and the current address of its subject.
-- A refusal without a purpose is here once for every marketing purpose; without a time, at infinity.
{{ config(materialized='view') }}

with events as (

    {{ contributed('consent_events', sayings_columns()) }}

    union all

    {{ contributed('refusals', sayings_columns()) }}

),

subjects as (

    select * from {{ ref('subjects') }}

),

marketing as (

    select purpose from {{ ref('purposes') }}
    where is_marketing

),

-- "A row with a member_id and an e-mail is about both" (DESIGN section 5).
about as (

    select
        events.*,
        cast(null as varchar) as via_table,
        cast(null as varchar) as via_key
    from events
    where contact is not null

    union all

    select
        events.table_name,
        events.record_key,
        events.subject_key,
        subjects.contact,
        events.purpose,
        events.is_granted,
        events.is_by_person,
        events.occurred_at,
        events.reason,
        subjects.table_name as via_table,
        cast(subjects.subject_key as varchar) as via_key
    from events
    inner join subjects on events.subject_key = subjects.subject_key
    where
        subjects.contact is not null
        and subjects.contact is distinct from events.contact

),

sayings as (

    select
        contact,
        subject_key,
        purpose,
        is_granted,
        is_by_person,
        coalesce(occurred_at, cast('infinity' as timestamp)) as said_at,
        reason,
        table_name,
        record_key,
        via_table,
        via_key
    from about
    where purpose is not null

    union all

    select
        about.contact,
        about.subject_key,
        marketing.purpose,
        about.is_granted,
        about.is_by_person,
        coalesce(about.occurred_at, cast('infinity' as timestamp)) as said_at,
        about.reason,
        about.table_name,
        about.record_key,
        about.via_table,
        about.via_key
    from about
    cross join marketing
    where about.purpose is null

)

select * from sayings
