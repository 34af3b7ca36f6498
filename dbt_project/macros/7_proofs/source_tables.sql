{#- The tables the project declares as sources, as a select of schema_name and table_name.

    with_nodes: its seeds, models and snapshots, too. -#}
{%- macro source_tables(with_nodes=false) -%}
    {%- set rows = [] -%}
    {%- if execute -%}
        {%- set nodes = graph.nodes.values() | list if with_nodes else [] -%}
        {%- for node in (graph.sources.values() | list) + nodes if node.resource_type in ['source', 'seed', 'model', 'snapshot'] -%}
            {%- do rows.append("('" ~ node.schema ~ "', '" ~ (node.get('identifier') or node.get('alias') or node.name) ~ "')") -%}
        {%- endfor -%}
    {%- endif -%}
    select * from (values {{ rows | join(', ') or '(null, null)' }}) as declared_tables (schema_name, table_name)
{%- endmacro -%}
