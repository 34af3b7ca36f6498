{#- What one governed table holds: a select of table_name, data_category, age_band, is_past_use, value_count and
    record_count. A key that stands twice, or is null, finds no record: its rows are of an unknown age.

    model: as judged_models() gives it; held: the relation of `personal_values`; as_of: the one with T. It reads the raw
    table once, by way of `held`, and the records once, and joins them before anything is laid out by category. -#}
{%- macro exposure_of(model, held, as_of) -%}
{%- set categories = model.table.categories -%}
select * from (
    with counted as (

        select
            case
                when records.clock_at is null then 'unknown'
                when records.clock_at > {{ kigen.moved_by('as_of.as_of', -12, 0) }} then 'under_1_year'
                when records.clock_at > {{ kigen.moved_by('as_of.as_of', -36, 0) }} then '1_to_3_years'
                when records.clock_at > {{ kigen.moved_by('as_of.as_of', -60, 0) }} then '3_to_5_years'
                else '5_years_and_more'
            end as age_band,
            coalesce(records.state in ('expired', 'held', 'floored'), false) as is_past_use,
            {%- for category in categories %}
            sum(held.{{ kigen.value_column(category) }}) as {{ kigen.value_column(category) }},
            sum(case when held.{{ kigen.value_column(category) }} > 0 then 1 else 0 end) as {{ kigen.value_column(category) }}_records,
            {%- endfor %}
            count(*) as row_count
        from {{ held }} as held
        cross join {{ as_of }} as as_of
        left join (
            select
                {{ kigen.record_key(model.table['keys']) }} as record_key,
                state,
                {{ kigen.record_clock(model.policies) }} as clock_at
            from {{ model.relation }}
            where state <> 'unclassed'
        ) as records on held.record_key = records.record_key
        where held.table_name = '{{ model.table.name }}'
        group by age_band, is_past_use

    )

    {% for category in categories -%}
    select
        '{{ model.table.name }}' as table_name,
        '{{ category }}' as data_category,
        age_band,
        is_past_use,
        {{ kigen.value_column(category) }} as value_count,
        {{ kigen.value_column(category) }}_records as record_count
    from counted
    {{ 'union all' if not loop.last }}
    {% endfor -%}
) as exposure_of_table
{%- endmacro -%}
