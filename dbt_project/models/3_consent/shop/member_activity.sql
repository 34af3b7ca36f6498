-- One row per member with an order: the latest. What a purge took of it is remembered. is_readable: false
-- where an order has a value that cannot be read, for then the latest is not known.
with orders as (

    select
        member_id,
        ordered_at,
        is_readable
    from {{ ref('stg_orders') }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

seen as (

    select
        orders.member_id,
        case when orders.ordered_at <= as_of.as_of then orders.ordered_at end as ordered_at,
        orders.is_readable
    from orders
    cross join as_of
    where orders.member_id is not null

    union all

    select
        member_id,
        last_ordered_at as ordered_at,
        true as is_readable
    from {{ source('shop_memory', 'member_activity') }}

),

activity as (

    select
        member_id,
        max(ordered_at) as last_ordered_at,
        bool_and(is_readable) as is_readable
    from seen
    group by member_id

)

select * from activity
