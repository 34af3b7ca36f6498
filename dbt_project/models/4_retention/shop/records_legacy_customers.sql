-- One row per customer of the old site: its clock, deadline and state.
with source as (

    select * from {{ ref('stg_legacy_customers') }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

clocks as (

    select
        source.customer_id,
        cast(null as bigint) as subject_key,
        source.email as contact,
        source.is_readable,
        source.created_at as dated_at,
        case when source.updated_at <= as_of.as_of then source.updated_at end as legacy_customer__clock_at,
        'update_date' as legacy_customer__clock_source
    from source
    cross join as_of

),

{{ records_of('legacy_shop.customers', clocks='clocks', has_readable=true) }}
