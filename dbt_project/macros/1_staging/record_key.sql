{#- The key of a record as text: the parts of a composite key joined by `|`; null if any part is.

    columns: a list of expressions. -#}
{%- macro record_key(columns) -%}
    {%- for column in columns -%}
        cast({{ column }} as varchar){% if not loop.last %} || '|' || {% endif %}
    {%- endfor -%}
{%- endmacro -%}
