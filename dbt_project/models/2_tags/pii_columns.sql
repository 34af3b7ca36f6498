-- One row per personal column of a source, seed or model, and how we know: it is declared so.
-- The declarations are YAML, so the rows stand in this statement: the manifest is their only list.
{% for column in tagged_columns() if not column.data_category.startswith('system') -%}
    select
        '{{ column.schema_name }}' as schema_name,
        '{{ column.table_name }}' as table_name,
        '{{ column.column_name }}' as column_name,
        '{{ column.data_category }}' as data_category,
        'declared' as tagged_by
    {% if not loop.last %}union all{% endif %}
{% else -%}
    select
        cast(null as varchar) as schema_name,
        cast(null as varchar) as table_name,
        cast(null as varchar) as column_name,
        cast(null as varchar) as data_category,
        cast(null as varchar) as tagged_by
    where false
{% endfor %}
