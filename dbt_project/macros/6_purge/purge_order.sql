{#- The governed tables in the order a purge takes them: children before their parents; messages,
    requests and holds (purge_last) at the end. -#}
{%- macro purge_order() -%}
    {%- set tables = kigen.governed_tables() -%}
    {%- set parents = {} -%}
    {%- for table in tables -%}{%- do parents.update({table.name: table.parent}) -%}{%- endfor -%}
    {%- set placed = [] -%}
    {%- for table in tables -%}
        {#- How many ancestors; a table among its own is refused when the declarations are read. -#}
        {%- set walk = namespace(at=table.parent, depth=0) -%}
        {%- for _ in tables if walk.at -%}
            {%- set walk.at, walk.depth = parents.get(walk.at), walk.depth + 1 -%}
        {%- endfor -%}
        {%- do placed.append({'table': table, 'place': [table.purge_last, -walk.depth, table.name]}) -%}
    {%- endfor -%}
    {{- return(placed | sort(attribute='place') | map(attribute='table') | list) -}}
{%- endmacro -%}
