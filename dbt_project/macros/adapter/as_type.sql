{#- A raw value as a type, or null where it cannot be read as one. A cast that fails would stop the
    pipeline and print the value.

    column: an expression; type: a SQL type name. -#}
{%- macro as_type(column, type) -%}
    {{- return(adapter.dispatch('as_type', 'kigen')(column, type)) -}}
{%- endmacro -%}

{%- macro default__as_type(column, type) -%}
    try_cast({{ column }} as {{ type }})
{%- endmacro -%}
