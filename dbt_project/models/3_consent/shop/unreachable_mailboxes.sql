-- One row per mailbox whose last deletion notice came back, and when that was sent. Whoever has not acted since is
-- not reached there.
with sent as (

    select * from {{ ref('sent_notices') }}
    where contact is not null

),

unreachable as (

    select
        contact,
        max(case when has_bounced then sent_at end) as sent_at
    from sent
    group by contact
    having max(case when has_bounced then sent_at end) = max(sent_at)

)

select * from unreachable
