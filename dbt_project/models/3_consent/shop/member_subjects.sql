-- The member register under the names the generic stages know: one row per row of it.
{{ config(materialized='view') }}

with standings as (

    select * from {{ ref('member_standings') }}

),

subjects as (

    select
        member_id,
        email,
        status,
        wants_newsletter,
        is_withdrawn,
        is_active,
        has_left,
        'shop.members' as table_name,
        member_id as subject_key,
        email as contact,
        case when not is_unreachable then email end as reachable_email,
        case when legacy_customer_id is not null then 'legacy_shop.customers' end as former_table,
        cast(legacy_customer_id as varchar) as former_key
    from standings

)

select * from subjects
