{#- The governed tables in the order a purge takes them: children before their parents; messages,
    requests and holds (purge_last) at the end. -#}
{%- macro purge_order() -%}
    {%- set tables = kigen.governed_tables() -%}
    {%- set order = [] -%}
    {%- for last in [false, true] -%}
        {%- for table in tables if table.parent and table.purge_last == last -%}{%- do order.append(table) -%}{%- endfor -%}
        {%- for table in tables if not table.parent and table.purge_last == last -%}{%- do order.append(table) -%}{%- endfor -%}
    {%- endfor -%}
    {{- return(order) -}}
{%- endmacro -%}
