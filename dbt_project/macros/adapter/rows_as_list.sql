{#- Aggregate: the rows of a group as a list of records, in an order; null where there is none.

    relation: the alias of the rows; columns: the names of the fields; ordering: the names to order by. -#}
{%- macro rows_as_list(relation, columns, ordering) -%}
    {{- return(adapter.dispatch('rows_as_list', 'kigen')(relation, columns, ordering)) -}}
{%- endmacro -%}

{%- macro default__rows_as_list(relation, columns, ordering) -%}
    list({
        {%- for column in columns -%}'{{ column }}': {{ relation }}.{{ column }}{{ ', ' if not loop.last }}{%- endfor -%}
    } order by {% for column in ordering %}{{ relation }}.{{ column }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro -%}
