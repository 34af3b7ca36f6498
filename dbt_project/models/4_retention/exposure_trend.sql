-- One row per day of T, governed table and data category: how many personal values were held, and how many of them past
-- use. A second run on a day replaces what that day had; no full refresh takes the days before away. Counts only.
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    full_refresh=false,
    on_schema_change='append_new_columns',
    pre_hook="{{ kigen.forget_day('judged_on', ref('as_of')) }}"
) }}

with as_of as (

    select * from {{ ref('as_of') }}

),

exposure as (

    select * from {{ ref('exposure') }}

),

today as (

    select
        cast(as_of.as_of as date) as judged_on,
        exposure.table_name,
        exposure.data_category,
        cast(sum(exposure.value_count) as bigint) as value_count,
        cast(sum(exposure.past_use_count) as bigint) as past_use_count,
        cast(sum(exposure.record_count) as bigint) as record_count
    from exposure
    cross join as_of
    group by
        as_of.as_of,
        exposure.table_name,
        exposure.data_category

)

select * from today
