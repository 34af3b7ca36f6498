-- One row per mailbox with a guest order: the latest that exists at T, null where none has a time.
-- is_readable: false where an order has a value that cannot be read, for then the latest is not known.
with orders as (

    select
        member_id,
        email,
        ordered_at,
        is_readable
    from {{ ref('stg_orders') }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

activity as (

    select
        orders.email,
        max(case when orders.ordered_at <= as_of.as_of then orders.ordered_at end) as last_ordered_at,
        bool_and(orders.is_readable) as is_readable
    from orders
    cross join as_of
    where
        orders.member_id is null
        and orders.email is not null
    group by orders.email

)

select * from activity
