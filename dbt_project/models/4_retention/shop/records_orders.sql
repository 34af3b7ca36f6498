-- One row per order: its clocks, deadlines and state.
-- order_ledger: 00:00 business time on the day after the filing period of the fiscal year the order
-- falls in (DESIGN section 5; Corporation Tax Act of Japan art. 74).
{%- set periods = ['fiscal_filing_period', 'order_open_after_delivery', 'order_open_undelivered'] %}

with orders as (

    select * from {{ ref('stg_orders') }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

guest_clocks as (

    select * from {{ ref('guest_clocks') }}

),

settings as (

    select
        max(case when setting = 'business_time_zone' then value end) as zone,
        {% for setting in periods -%}
            max(case when setting = '{{ setting }}' then {{ period_months('value') }} end) as {{ setting }}_months,
            max(case when setting = '{{ setting }}' then {{ period_days('value') }} end) as {{ setting }}_days,
        {% endfor -%}
        max(case when setting = 'fiscal_year_first_month' then cast(value as integer) end) as first_month
    from {{ ref('policy_settings') }}

),

existing as (

    select
        orders.order_id,
        orders.member_id,
        orders.email,
        orders.is_still_personal,
        orders.is_readable,
        orders.ordered_at as dated_at,
        settings.zone,
        settings.first_month,
        {% for setting in periods -%}
            settings.{{ setting }}_months,
            settings.{{ setting }}_days,
        {% endfor -%}
        case when orders.ordered_at <= as_of.as_of then orders.ordered_at end as ordered_at,
        case when orders.delivered_at <= as_of.as_of then orders.delivered_at end as delivered_at
    from orders
    cross join settings
    cross join as_of

),

-- Months are counted from year 0, so that the fiscal year is one division.
calendar as (

    select
        *,
        12 * extract(year from {{ utc_to_zone('ordered_at', 'zone') }})
        + extract(month from {{ utc_to_zone('ordered_at', 'zone') }}) - first_month as months_from_start
    from existing

),

fiscal as (

    select
        *,
        cast(months_from_start - months_from_start % 12 + 12 + first_month - 1 as integer) as next_fiscal_month
    from calendar

),

clocks as (

    select
        fiscal.order_id,
        fiscal.member_id as subject_key,
        fiscal.email as contact,
        fiscal.is_readable,
        fiscal.dated_at,
        fiscal.is_still_personal,
        guest_clocks.clock_at as guest_inactive__clock_at,
        case
            when
                fiscal.member_id is null
                and fiscal.email is not null
                and fiscal.is_still_personal
                and not coalesce(guest_clocks.is_unreachable, false)
                then guest_clocks.clock_source
        end as guest_inactive__clock_source,
        coalesce(fiscal.delivered_at, fiscal.ordered_at) as order_personal_data__clock_at,
        case
            when not fiscal.is_still_personal then null
            when fiscal.delivered_at is not null then 'delivered_at'
            else 'ordered_at'
        end as order_personal_data__clock_source,
        coalesce(
            {{ moved_by(
                'fiscal.delivered_at',
                'fiscal.order_open_after_delivery_months', 'fiscal.order_open_after_delivery_days'
            ) }},
            {{ moved_by(
                'fiscal.ordered_at',
                'fiscal.order_open_undelivered_months', 'fiscal.order_open_undelivered_days'
            ) }}
        ) as order_open__clock_at,
        case
            when not fiscal.is_still_personal then null
            when fiscal.delivered_at is not null then 'delivered_at'
            else 'ordered_at'
        end as order_open__clock_source,
        {{ zone_to_utc(
            moved_by(
                'cast(make_date(fiscal.next_fiscal_month // 12, fiscal.next_fiscal_month % 12 + 1, 1) as timestamp)',
                'fiscal.fiscal_filing_period_months', 'fiscal.fiscal_filing_period_days'
            ),
            'fiscal.zone'
        ) }} as order_ledger__clock_at,
        'ordered_at' as order_ledger__clock_source
    from fiscal
    left join guest_clocks
        on guest_clocks.email = case when fiscal.member_id is null then fiscal.email end

),

{{ records_of(
    'shop.orders', clocks='clocks', has_readable=true,
    register=ref('records_members'), follows_if='due.is_still_personal'
) }}
