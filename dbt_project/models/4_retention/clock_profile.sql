-- One row per governed table, class and day: how many records have a clock of that day. Clocks go forward; how many
-- went back since the last purge is read from this profile, without a memory of each (orchestration/baseline.py).
{{ config(materialized='view') }}

{%- set models = judged_models() %}

with profile as (

    {% for model in models -%}
    {%- set outer = loop %}
    {%- for policy in model.policies %}
    select
        '{{ model.table.name }}' as table_name,
        '{{ policy.deletion_class }}' as deletion_class,
        cast({{ policy.deletion_class }}__clock_at as date) as clock_day,
        count(*) as record_count
    from {{ model.relation }}
    where
        {{ policy.deletion_class }}__rank > 0
        and {{ policy.deletion_class }}__clock_at is not null
    group by cast({{ policy.deletion_class }}__clock_at as date)
    {% if not (outer.last and loop.last) %}
    union all
    {% endif %}
    {%- endfor %}
    {%- else -%}
    select
        cast(null as varchar) as table_name,
        cast(null as varchar) as deletion_class,
        cast(null as date) as clock_day,
        cast(null as bigint) as record_count
    where false
    {%- endfor %}

)

select * from profile
