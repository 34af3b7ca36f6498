-- One row per deletion notice that was sent: the last mail before deletion.
{{ config(materialized='view') }}

with messages as (

    select * from {{ ref('stg_messages') }}
    where kind = 'deletion_notice'

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
    where messages.sent_at <= as_of.as_of

)

select * from notices
