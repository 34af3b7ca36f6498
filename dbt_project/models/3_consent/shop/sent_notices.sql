-- One row per deletion notice that was sent by T, and whether it came back by T.
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
        messages.sent_at,
        bounced.message_id is not null as has_bounced
    from messages
    cross join as_of
    left join bounced
        on
            messages.message_id = bounced.message_id
            and (bounced.bounced_at is null or as_of.as_of >= bounced.bounced_at)
    where messages.sent_at <= as_of.as_of

)

select * from notices
