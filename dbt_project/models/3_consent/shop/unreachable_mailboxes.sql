-- One row per mailbox whose last deletion notice came back, and when that was sent. Whoever has not acted since is
-- not reached there.
with messages as (

    select * from {{ ref('stg_messages') }}
    where kind = 'deletion_notice'

),

bounced as (

    select * from {{ ref('bounced_notices') }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

notices as (

    select
        messages.email as contact,
        messages.sent_at,
        case when bounced.message_id is not null then messages.sent_at end as bounced_sent_at
    from messages
    cross join as_of
    left join bounced
        on
            messages.message_id = bounced.message_id
            and (bounced.bounced_at is null or as_of.as_of >= bounced.bounced_at)
    where
        messages.email is not null
        and messages.sent_at <= as_of.as_of

),

unreachable as (

    select
        contact,
        max(bounced_sent_at) as sent_at
    from notices
    group by contact
    having max(bounced_sent_at) = max(sent_at)

)

select * from unreachable
