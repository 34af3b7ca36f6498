-- One row per governed table, data category and age of the record: how many personal values are held, how many of them
-- in records that are kept and not used any more, and in how many records. The age is T less the clock of the class the
-- record has its state from. Past use is expired, held or floored; a record in its grace is still waited for.
{%- set models = judged_models() %}

with as_of as (

    select * from {{ ref('as_of') }}

),

held as (

    select * from {{ ref('personal_values') }}

),

{% for model in models -%}
{%- set table = model.table %}
-- {{ table.name }}. A key that stands twice, or is null, finds no record: its rows are of an unknown age.
counted_{{ loop.index }} as (

    select
        case
            when records.clock_at is null then 'unknown'
            when records.clock_at > {{ moved_by('as_of.as_of', -12, 0) }} then 'under_1_year'
            when records.clock_at > {{ moved_by('as_of.as_of', -36, 0) }} then '1_to_3_years'
            when records.clock_at > {{ moved_by('as_of.as_of', -60, 0) }} then '3_to_5_years'
            else '5_years_and_more'
        end as age_band,
        coalesce(records.state in ('expired', 'held', 'floored'), false) as is_past_use,
        {%- for category in table.categories %}
        sum(held.{{ value_column(category) }}) as {{ value_column(category) }},
        sum(case when held.{{ value_column(category) }} > 0 then 1 else 0 end) as {{ value_column(category) }}_records,
        {%- endfor %}
        count(*) as row_count
    from held
    cross join as_of
    left join (
        select
            {{ record_key(table['keys']) }} as record_key,
            state,
            {{ record_clock(model.policies) }} as clock_at
        from {{ model.relation }}
        where state <> 'unclassed'
    ) as records on held.record_key = records.record_key
    where held.table_name = '{{ table.name }}'
    group by 1, 2

),

{% endfor -%}
values_held as (

    select
        cast(null as varchar) as table_name,
        cast(null as varchar) as data_category,
        cast(null as varchar) as age_band,
        false as is_past_use,
        cast(null as bigint) as value_count,
        cast(null as bigint) as record_count
    where false
    {%- for model in models %}
    {%- set number = loop.index %}
    {%- for category in model.table.categories %}

    union all

    select
        '{{ model.table.name }}' as table_name,
        '{{ category }}' as data_category,
        age_band,
        is_past_use,
        {{ value_column(category) }} as value_count,
        {{ value_column(category) }}_records as record_count
    from counted_{{ number }}
    {%- endfor %}
    {%- endfor %}

),

exposure as (

    select
        table_name,
        data_category,
        age_band,
        cast(sum(value_count) as bigint) as value_count,
        cast(sum(case when is_past_use then value_count else 0 end) as bigint) as past_use_count,
        cast(sum(record_count) as bigint) as record_count
    from values_held
    where value_count > 0
    group by
        table_name,
        data_category,
        age_band

)

select * from exposure
