-- One row per consent event that exists at T, as the generic words read it. A grant exists only with
-- a known purpose and a time, and, where a machine wrote it, with evidence. A refusal always exists;
-- one whose purpose is unknown refuses every marketing purpose (null).
{{ config(materialized='view') }}

with events as (

    select * from {{ ref('stg_consent_events') }}

),

purposes as (

    select * from {{ ref('policy_purposes') }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

existing as (

    select
        'shop.consent_events' as table_name,
        cast(events.event_id as varchar) as record_key,
        events.member_id as subject_key,
        events.email as contact,
        purposes.purpose,
        events.is_granted,
        events.is_by_person,
        events.occurred_at,
        'refusal' as reason
    from events
    cross join as_of
    left join purposes on events.purpose = purposes.purpose
    where
        (events.occurred_at is null or events.occurred_at <= as_of.as_of)
        and (
            not events.is_granted
            or (
                purposes.purpose is not null
                and events.occurred_at is not null
                and (events.is_by_person or events.has_evidence)
            )
        )

)

select * from existing
