-- One row per record of a governed table: its state, the furthest of its classes, and the class it has
-- it from. action: what a purge would do with it, where it is expired.
{{ config(materialized='view') }}

with records as (

    {% for model in judged_models() -%}
    select
        '{{ model.table.name }}' as table_name,
        {{ record_key(model.table['keys']) }} as record_key,
        cast(subject_key as varchar) as subject_key,
        state,
        deletion_class,
        deadline_at,
        action,
        contact
    from {{ model.relation }}
    {% if not loop.last %}
    union all

    {% endif %}
    {%- else -%}
    select
        cast(null as varchar) as table_name,
        cast(null as varchar) as record_key,
        cast(null as varchar) as subject_key,
        cast(null as varchar) as state,
        cast(null as varchar) as deletion_class,
        cast(null as timestamp) as deadline_at,
        cast(null as varchar) as action,
        cast(null as varchar) as contact
    where false
    {%- endfor %}

)

select * from records
