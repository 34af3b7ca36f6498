-- One row per customer of the old site a member was made from, or whom a purge remembers: what its
-- flags say. Where rows of one key disagree, a flag says nothing, nor does the date they were made on; of the
-- dates they were changed on the latest that exists at T counts; last_ is the latest of all, for the memory.
-- is_readable: every date of it could be read.
with customers as (

    select
        customer_id,
        departure,
        mail_word,
        created_at,
        updated_at,
        is_readable
    from {{ ref('stg_legacy_customers') }}

    union all

    select
        customer_id,
        departure,
        mail_word,
        created_at,
        updated_at,
        true as is_readable
    from {{ source('shop_memory', 'legacy_customers') }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

sayings as (

    select
        customers.customer_id,
        case
            when count(*) = count(customers.departure) and min(customers.departure) = max(customers.departure)
                then min(customers.departure)
        end as departure,
        case
            when count(*) = count(customers.mail_word) and min(customers.mail_word) = max(customers.mail_word)
                then min(customers.mail_word)
        end as mail_word,
        max(customers.created_at) as last_created_at,
        max(customers.updated_at) as last_updated_at,
        case
            when count(*) = count(customers.created_at) and min(customers.created_at) = max(customers.created_at)
                then max(case when customers.created_at <= as_of.as_of then customers.created_at end)
        end as created_at,
        max(case when customers.updated_at <= as_of.as_of then customers.updated_at end) as updated_at,
        bool_and(customers.is_readable) as is_readable
    from customers
    cross join as_of
    where customers.customer_id is not null
    group by customers.customer_id

)

select * from sayings
