-- One row per request of a person: its clock, deadline and state. An open request has no class.
with source as (

    select * from {{ ref('stg_erasure_requests') }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

clocks as (

    select
        source.request_id,
        source.member_id as subject_key,
        source.email as contact,
        source.is_readable,
        cast(null as timestamp) as dated_at,
        case when source.closed_at <= as_of.as_of then source.closed_at end as request_record__clock_at,
        case when source.closed_at <= as_of.as_of then 'closed_at' end as request_record__clock_source
    from source
    cross join as_of

),

{{ records_of('shop.erasure_requests', clocks='clocks', has_readable=true) }}
