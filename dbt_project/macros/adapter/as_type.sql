{#- A raw value as a type, or null where it cannot be read as one. A cast that fails would stop the
    pipeline and print the value. A timestamp before the year 1 or after 9999, or an infinite one, is not read:
    no period could be added to it.

    column: an expression; type: a SQL type name. -#}
{%- macro as_type(column, type) -%}
    {{- return(adapter.dispatch('as_type', 'kigen')(column, type)) -}}
{%- endmacro -%}

{%- macro default__as_type(column, type) -%}
    {%- set read = 'try_cast(' ~ column ~ ' as ' ~ type ~ ')' -%}
    {%- if type == 'timestamp' -%}
        case when {{ read }} >= timestamp '0001-01-01' and {{ read }} < timestamp '10000-01-01' then {{ read }} end
    {%- else -%}
        {{ read }}
    {%- endif -%}
{%- endmacro -%}


{#- Whether raw values are what as_type() makes of them: no value is lost, and a number
    that is not kept as one is written as we would write it ('7', not '07' or '7.0'), for two keys must not
    be read as one. Null and the empty text are no values.

    columns: a list of [expression, type]. -#}
{%- macro are_readable(columns) -%}
    {{- return(adapter.dispatch('are_readable', 'kigen')(columns)) -}}
{%- endmacro -%}

{%- macro default__are_readable(columns) -%}
    {%- for column in columns -%}
        case
            when {{ column[0] }} is null then true
            when {{ kigen.as_type(column[0], column[1]) }} is null then cast({{ column[0] }} as varchar) = ''
            {%- if column[1] == 'bigint' %}
            when typeof({{ column[0] }}) not in ('BIGINT', 'INTEGER', 'SMALLINT', 'TINYINT')
                then cast({{ kigen.as_type(column[0], column[1]) }} as varchar) = cast({{ column[0] }} as varchar)
            {%- endif %}
            else true
        end
        {{- ' and ' if not loop.last }}
    {%- endfor -%}
{%- endmacro -%}
