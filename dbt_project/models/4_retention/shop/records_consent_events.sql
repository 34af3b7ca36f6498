-- One row per consent event: its clocks, deadlines and state. The proof of a consent is needed while
-- the contact point is written to: its clock is the latest of what it said and what it was sent.
with events as (

    select
        event_id,
        member_id,
        email,
        occurred_at,
        is_readable
    from {{ ref('stg_consent_events') }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

messages as (

    select
        messages.email,
        max(messages.sent_at) as last_sent_at
    from {{ ref('stg_messages') }} as messages
    cross join as_of
    where
        messages.message_class = 'marketing'
        and messages.sent_at <= as_of.as_of
        and messages.email is not null
    group by messages.email

),

existing as (

    select
        events.event_id,
        events.member_id,
        events.email,
        events.is_readable,
        events.occurred_at as dated_at,
        case when events.occurred_at <= as_of.as_of then events.occurred_at end as occurred_at
    from events
    cross join as_of

),

sayings as (

    select
        email,
        max(occurred_at) as last_occurred_at
    from existing
    where email is not null
    group by email

),

clocks as (

    select
        existing.event_id,
        existing.member_id as subject_key,
        existing.email as contact,
        existing.is_readable,
        existing.dated_at,
        case
            when existing.email is null then existing.occurred_at
            else greatest(sayings.last_occurred_at, messages.last_sent_at)
        end as consent_proof__clock_at,
        case
            when existing.email is null then 'occurred_at'
            when messages.last_sent_at > sayings.last_occurred_at or sayings.last_occurred_at is null
                then 'mailing.messages.sent_at of the address'
            else 'occurred_at of the address'
        end as consent_proof__clock_source
    from existing
    left join sayings on existing.email = sayings.email
    left join messages on existing.email = messages.email

),

{{ records_of('shop.consent_events', clocks='clocks', has_readable=true) }}
