-- One row per customer of the old site whose row goes, or went, while a member made from it stays: all
-- of what memory.legacy_customers holds after this purge.
with due as (

    select * from {{ ref('purge_due') }}

),

staying as (

    select distinct standings.legacy_customer_id as customer_id
    from {{ ref('member_standings') }} as standings
    left join due
        on
            due.table_name = 'shop.members'
            and cast(standings.member_id as varchar) = due.record_key
    where
        due.record_key is null
        and standings.legacy_customer_id is not null

),

going as (

    select cast(record_key as bigint) as customer_id
    from due
    where table_name = 'legacy_shop.customers'

    union

    select customer_id from {{ source('shop_memory', 'legacy_customers') }}

),

remembered as (

    select
        sayings.customer_id,
        sayings.departure,
        sayings.mail_word,
        sayings.last_created_at as created_at,
        sayings.last_updated_at as updated_at
    from {{ ref('legacy_sayings') }} as sayings
    inner join staying on sayings.customer_id = staying.customer_id
    inner join going on sayings.customer_id = going.customer_id

)

select * from remembered
