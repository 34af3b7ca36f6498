-- One row per legal hold: its clock, deadline and state. An open hold has no class.
with source as (

    select * from {{ ref('stg_holds') }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

clocks as (

    select
        source.hold_id,
        source.member_id as subject_key,
        source.email as contact,
        source.is_readable,
        cast(null as timestamp) as dated_at,
        case when source.released_at <= as_of.as_of then source.released_at end as hold_record__clock_at,
        case when source.released_at <= as_of.as_of then 'released_at' end as hold_record__clock_source
    from source
    cross join as_of

),

{{ records_of('legal.holds', clocks='clocks', has_readable=true) }}
