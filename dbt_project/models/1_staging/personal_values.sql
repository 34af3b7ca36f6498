-- One row per row of a governed raw table: how many of its personal columns hold a value, in a column per data
-- category (`user_contact_email`). Counts, and no value. Nothing of the hot path reads it.
{%- set categories = personal_categories() %}

{% for table in governed_tables() -%}
    select
        '{{ table.name }}' as table_name,
        {{ record_key(table['keys']) }} as record_key
        {%- for category in categories %},
        {% for column in table.categories.get(category, []) -%}
            case when {{ column }} is not null then 1 else 0 end{{ ' + ' if not loop.last }}
        {%- else -%}
            0
        {%- endfor %} as {{ value_column(category) }}
        {%- endfor %}
    from {{ table.relation }}
    {% if not loop.last %}union all{% endif %}
{% else -%}
    select
        cast(null as varchar) as table_name,
        cast(null as varchar) as record_key
    where false
{% endfor %}
