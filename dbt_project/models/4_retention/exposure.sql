-- One row per governed table, data category and age of the record: how many personal values are held, how many of them
-- in records that are kept and not used any more, and in how many records. The age is T less the clock of the class the
-- record has its state from. Past use is expired, held or floored; a record in its grace is still waited for.
{%- set held = ref('personal_values') %}
{%- set as_of = ref('as_of') %}

with values_held as (

    {% for model in judged_models() if model.table.categories -%}
        {{ exposure_of(model, held, as_of) | indent(8) }}
        union all
    {% endfor -%}
    select
        cast(null as varchar) as table_name,
        cast(null as varchar) as data_category,
        cast(null as varchar) as age_band,
        false as is_past_use,
        cast(null as bigint) as value_count,
        cast(null as bigint) as record_count
    where false

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
