{#- Aggregate: the texts of a group, each once, in order, with a comma between; null for none.

    column: a varchar expression. -#}
{%- macro listed(column) -%}
    {{- return(adapter.dispatch('listed', 'kigen')(column)) -}}
{%- endmacro -%}

{%- macro default__listed(column) -%}
    string_agg(distinct {{ column }}, ',' order by {{ column }})
{%- endmacro -%}
