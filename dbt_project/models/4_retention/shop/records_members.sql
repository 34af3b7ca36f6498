-- One row per row of the member register: its clocks, deadlines and state.
with standings as (

    select * from {{ ref('member_standings') }}

),

told as (

    select
        *,
        is_withdrawn or has_left_unseen as is_leaver,
        email is not null and not is_unreachable as is_reachable,
        case
            when last_acted_at is null then 'registered_at'
            when last_acted_at = last_login_at then 'last_login_at'
            when last_acted_at = last_ordered_at then 'shop.orders.ordered_at'
            when has_clock_jump then 'legacy_shop.customers.create_date'
            else 'registered_at'
        end as activity_source
    from standings

),

clocks as (

    select
        member_id,
        member_id as subject_key,
        email as contact,
        dated_at,
        is_readable,
        case
            when withdrawn_at is not null then withdrawn_at
            when status = 'withdrawn' then updated_at
            else legacy_updated_at
        end as member_withdrawn__clock_at,
        case
            when not is_leaver then null
            when withdrawn_at is not null then 'withdrawn_at'
            when status = 'withdrawn' then 'updated_at'
            else 'legacy_shop.customers.update_date'
        end as member_withdrawn__clock_source,
        case when is_activity_known then last_acted_at end as member_inactive__clock_at,
        case
            when status = 'active' and not is_leaver and is_reachable then activity_source
        end as member_inactive__clock_source,
        case when is_activity_known then last_acted_at end as member_unreachable__clock_at,
        case
            when status = 'active' and not is_leaver and not is_reachable then activity_source
        end as member_unreachable__clock_source,
        registered_at as member_provisional__clock_at,
        case
            when status <> 'provisional' or status is null or is_leaver then null
            when has_clock_jump then 'legacy_shop.customers.create_date'
            else 'registered_at'
        end as member_provisional__clock_source
    from told

),

{{ records_of('shop.members', clocks='clocks', has_readable=true) }}
