{#- Two fragments on lists of timestamps, kept together for they mean something only together. -#}

{#- Aggregate: all moments of a group, earliest first. -#}
{%- macro moments(column) -%}
    {{- return(adapter.dispatch('moments', 'kigen')(column)) -}}
{%- endmacro -%}

{%- macro default__moments(column) -%}
    list({{ column }} order by {{ column }})
{%- endmacro -%}


{#- The earliest of a list of moments for which `condition` holds; null if none.

    list: a list of timestamps, or null; condition: SQL over `moment`. -#}
{%- macro earliest_moment(list, condition) -%}
    {{- return(adapter.dispatch('earliest_moment', 'kigen')(list, condition)) -}}
{%- endmacro -%}

{%- macro default__earliest_moment(list, condition) -%}
    list_min(list_filter({{ list }}, lambda moment: {{ condition }}))
{%- endmacro -%}
