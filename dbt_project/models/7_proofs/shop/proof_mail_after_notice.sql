-- Mails that went to somebody after the notice which called itself the last: while its grace ran, or once it was
-- over. A mailbox that somebody uses who is here is none: their mail is theirs.
with messages as (

    select
        message_id,
        email,
        message_class,
        sent_at
    from {{ ref('stg_messages') }}
    where email is not null

),

as_of as (

    select * from {{ ref('as_of') }}

),

told as (

    select
        records.contact,
        min(states.notice_sent_at) as notice_sent_at
    from {{ ref('record_states') }} as states
    inner join {{ ref('records') }} as records
        on
            states.table_name = records.table_name
            and states.record_key = records.record_key
    where
        states.notice_sent_at is not null
        and states.state in ('in_grace', 'expired', 'held', 'floored')
        and records.contact is not null
    group by records.contact

),

here as (

    select distinct contact
    from {{ ref('records') }}
    where
        state = 'active'
        and table_name = 'shop.members'

),

violations as (

    select
        messages.message_id,
        messages.message_class,
        told.notice_sent_at
    from messages
    cross join as_of
    inner join told
        on
            messages.email = told.contact
            and messages.sent_at > told.notice_sent_at
    left join here on messages.email = here.contact
    where
        messages.sent_at <= as_of.as_of
        and messages.message_class is distinct from 'legal_notice'
        and here.contact is null

)

select * from violations
