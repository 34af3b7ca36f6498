-- One row per mailbox with a guest order that stays, and whose latest activity is, or was, known from a
-- record that goes: all of what memory.contact_activity holds after this purge.
with due as (

    select * from {{ ref('purge_due') }}

),

pads as (

    select * from {{ pads() }}

),

staying as (

    select distinct orders.contact
    from {{ ref('records_orders') }} as orders
    left join due
        on
            due.table_name = 'shop.orders'
            and cast(orders.order_id as varchar) = due.record_key
    where
        orders.guest_inactive__clock_source is not null
        and due.record_key is null

),

touched as (

    select contact from due
    where
        table_name in ('shop.orders', 'shop.members')
        and contact is not null

    union

    select contact_points.contact
    from {{ source('memory', 'contact_activity') }} as memories
    inner join {{ ref('contact_points') }} as contact_points
        on memories.contact_digest = contact_points.contact_digest

),

remembered as (

    select
        {{ digest('staying.contact') }} as contact_digest,
        clocks.clock_at as last_acted_at,
        pads.key_id
    from staying
    inner join touched on staying.contact = touched.contact
    inner join {{ ref('guest_clocks') }} as clocks on staying.contact = clocks.email
    cross join pads
    where clocks.clock_at is not null

)

select * from remembered
