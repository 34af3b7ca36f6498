-- One row per member with an order: the latest. What a purge took of it is remembered.
with orders as (

    select
        member_id,
        ordered_at
    from {{ ref('stg_orders') }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

seen as (

    select
        orders.member_id,
        orders.ordered_at
    from orders
    cross join as_of
    where
        orders.member_id is not null
        and orders.ordered_at <= as_of.as_of

    union all

    select
        member_id,
        last_ordered_at as ordered_at
    from {{ source('shop_memory', 'member_activity') }}

),

activity as (

    select
        member_id,
        max(ordered_at) as last_ordered_at
    from seen
    group by member_id

)

select * from activity
