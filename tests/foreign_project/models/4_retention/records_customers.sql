-- One row per customer: clocks, deadlines, state.
with standings as (

    select * from {{ ref('customer_standings') }}

),

clocks as (

    select
        customer_no,
        subject_key,
        contact,
        joined_at as dated_at,
        is_readable,
        left_at as customer_left__clock_at,
        case when has_left then 'left_on' end as customer_left__clock_source,
        acted_at as customer_lapsed__clock_at,
        case
            when has_left then null
            when acted_at = visited_at then 'last_visit_on'
            else 'joined_on'
        end as customer_lapsed__clock_source
    from standings

),

{{ kigen.records_of('crm.customers', clocks='clocks', has_readable=true) }}
