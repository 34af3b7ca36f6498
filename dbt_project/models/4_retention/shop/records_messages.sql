-- One row per mail that was sent: its clock, deadline and state. A deletion notice stays while a record
-- it started the grace for is still there.
with source as (

    select * from {{ ref('stg_messages') }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

graces as (

    select
        contact,
        member_inactive__notice_sent_at as notice_sent_at
    from {{ ref('records_members') }}
    where
        state <> 'expired'
        and member_inactive__notice_sent_at is not null

    union

    select
        contact,
        guest_inactive__notice_sent_at as notice_sent_at
    from {{ ref('records_orders') }}
    where
        state <> 'expired'
        and guest_inactive__notice_sent_at is not null

),

clocks as (

    select
        source.message_id,
        cast(null as bigint) as subject_key,
        source.email as contact,
        source.is_readable,
        cast(null as timestamp) as dated_at,
        coalesce(source.kind = 'deletion_notice', false) and graces.contact is not null as starts_a_grace,
        case when source.sent_at <= as_of.as_of then source.sent_at end as message_log__clock_at,
        'sent_at' as message_log__clock_source
    from source
    cross join as_of
    left join graces
        on
            source.email = graces.contact
            and source.sent_at = graces.notice_sent_at

),

{{ records_of('mailing.messages', clocks='clocks', has_readable=true, kept_if='starts_a_grace') }}
