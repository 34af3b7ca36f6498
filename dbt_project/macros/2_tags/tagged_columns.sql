{#- Every column of a source, seed, model or snapshot that carries a tag, as a list of dicts: schema_name,
    table_name, column_name, data_category, resource_type. Empty while dbt parses.

    with_none: those too that say, with a reason, that they hold nothing personal (data_category 'none'). -#}
{%- macro tagged_columns(with_none=false) -%}
    {%- set tagged = [] -%}
    {%- if execute -%}
        {%- for node in (graph.sources.values() | list) + (graph.nodes.values() | list) if node.resource_type in ['source', 'seed', 'model', 'snapshot'] -%}
            {%- for column in node.columns.values() -%}
                {%- set meta = kigen.node_meta(column) -%}
                {%- set category = meta.get('pii', 'none') -%}
                {%- if category != 'none' or (with_none and 'pii' in meta and meta.get('reason')) -%}
                    {%- do tagged.append({
                        'schema_name': node.schema,
                        'table_name': node.get('identifier') or node.get('alias') or node.name,
                        'column_name': column.name,
                        'data_category': category,
                        'resource_type': node.resource_type,
                    }) -%}
                {%- endif -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endif -%}
    {{- return(tagged) -}}
{%- endmacro -%}
