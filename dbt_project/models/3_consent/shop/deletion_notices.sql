-- One row per deletion notice that was sent and has not come back: the last mail before deletion.
{{ config(materialized='view') }}

with sent as (

    select * from {{ ref('sent_notices') }}

),

notices as (

    select
        contact,
        sent_at
    from sent
    where not has_bounced

)

select * from notices
