-- One row per member who has withdrawn: a refusal of every marketing purpose, at its time, or the
-- latest of all where no time is known. It is about the address of its own row.
{{ config(materialized='view') }}

with standings as (

    select * from {{ ref('member_standings') }}
    where is_withdrawn

),

withdrawals as (

    select
        'shop.members' as table_name,
        cast(member_id as varchar) as record_key,
        cast(null as bigint) as subject_key,
        email as contact,
        cast(null as varchar) as purpose,
        false as is_granted,
        true as is_by_person,
        withdrawn_at as occurred_at,
        'withdrawal' as reason
    from standings

)

select * from withdrawals
