-- One row per raw row of the shop that could not be taken at its word, and why. Keys only.
{{ config(materialized='view') }}

with as_of as (

    select * from {{ ref('as_of') }}

),

members as (

    select * from {{ ref('stg_members') }}

),

orders as (

    select * from {{ ref('stg_orders') }}

),

events as (

    select * from {{ ref('stg_consent_events') }}

),

holds as (

    select * from {{ ref('stg_holds') }}

),

recipients as (

    select * from {{ ref('stg_delivery_list_recipients') }}

),

lists as (

    select * from {{ ref('stg_delivery_lists') }}

),

requests as (

    select * from {{ ref('stg_erasure_requests') }}

),

customers as (

    select * from {{ ref('stg_legacy_customers') }}

),

messages as (

    select * from {{ ref('stg_messages') }}

),

bounces as (

    select * from {{ ref('stg_bounces') }}

),

register as (

    select distinct member_id from members

),

faults as (

    {% for table in [
        ['shop.members', 'members', ['member_id']],
        ['shop.orders', 'orders', ['order_id']],
        ['shop.consent_events', 'events', ['event_id']],
        ['shop.erasure_requests', 'requests', ['request_id']],
        ['legacy_shop.customers', 'customers', ['customer_id']],
        ['mailing.delivery_lists', 'lists', ['list_id']],
        ['mailing.delivery_list_recipients', 'recipients', ['list_id', 'recipient_no']],
        ['mailing.messages', 'messages', ['message_id']],
        ['mailing.bounces', 'bounces', ['message_id']],
        ['legal.holds', 'holds', ['hold_id']]
    ] -%}
        select
            '{{ table[0] }}' as table_name,
            {{ record_key(table[2]) }} as record_key,
            'a key or a time that cannot be read' as fault
        from {{ table[1] }}
        where not is_readable

        union all

    {% endfor -%}
    select
        'shop.members' as table_name,
        cast(member_id as varchar) as record_key,
        'newsletter_flag without a meaning' as fault
    from members
    where not is_newsletter_flag_mapped

    union all

    select
        'shop.members' as table_name,
        cast(member_id as varchar) as record_key,
        'status without a meaning' as fault
    from members
    where not is_status_mapped

    union all

    select
        'shop.members' as table_name,
        cast(members.member_id as varchar) as record_key,
        'a time in the future' as fault
    from members
    cross join as_of
    where greatest(members.registered_at, members.last_login_at, members.withdrawn_at) > as_of.as_of

    union all

    select
        'shop.orders' as table_name,
        cast(orders.order_id as varchar) as record_key,
        'a time in the future' as fault
    from orders
    cross join as_of
    where greatest(orders.ordered_at, orders.delivered_at) > as_of.as_of

    union all

    select
        'shop.orders' as table_name,
        cast(orders.order_id as varchar) as record_key,
        'a member nobody knows' as fault
    from orders
    left join register on orders.member_id = register.member_id
    where
        orders.member_id is not null
        and register.member_id is null

    union all

    select
        'mailing.delivery_list_recipients' as table_name,
        cast(recipients.list_id as varchar) || '|' || cast(recipients.recipient_no as varchar) as record_key,
        'a member nobody knows' as fault
    from recipients
    left join register on recipients.member_id = register.member_id
    where
        recipients.member_id is not null
        and register.member_id is null

    union all

    select
        'shop.consent_events' as table_name,
        cast(events.event_id as varchar) as record_key,
        'a member nobody knows' as fault
    from events
    left join register on events.member_id = register.member_id
    where
        events.member_id is not null
        and register.member_id is null

    union all

    select
        'shop.consent_events' as table_name,
        cast(event_id as varchar) as record_key,
        'status without a meaning' as fault
    from events
    where not is_status_mapped

    union all

    select
        'shop.consent_events' as table_name,
        cast(events.event_id as varchar) as record_key,
        case when events.occurred_at is null then 'no time' else 'a time in the future' end as fault
    from events
    cross join as_of
    where
        events.occurred_at is null
        or events.occurred_at > as_of.as_of

    union all

    select
        'shop.erasure_requests' as table_name,
        cast(request_id as varchar) as record_key,
        'a request of a kind nobody knows: taken as one to stop' as fault
    from requests
    where coalesce(kind, '') not in ('erase', 'stop_use', 'disclose')

    union all

    select
        'legal.holds' as table_name,
        cast(hold_id as varchar) as record_key,
        'a hold without placed_at: taken as open' as fault
    from holds
    where placed_at is null

    union all

    select
        'legal.holds' as table_name,
        cast(hold_id as varchar) as record_key,
        'a hold on a table nobody knows: taken as all tables' as fault
    from holds
    where table_name not in ({{ known_tables() }})

    union all

    select
        'legal.holds' as table_name,
        cast(hold_id as varchar) as record_key,
        'a hold without member, e-mail and table: it covers everything' as fault
    from holds
    where
        member_id is null
        and email is null
        and table_name is null

)

select * from faults
