-- One row per deletion notice that was sent and has not come back: the last mail before deletion.
{{ config(materialized='view') }}

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
        messages.sent_at
    from messages
    cross join as_of
    left join bounced
        on
            messages.message_id = bounced.message_id
            and (bounced.bounced_at is null or as_of.as_of >= bounced.bounced_at)
    where
        messages.sent_at <= as_of.as_of
        and bounced.message_id is null

)

select * from notices
