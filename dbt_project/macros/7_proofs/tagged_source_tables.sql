{#- The sources with a personal column, as a select of table_name. -#}
{%- macro tagged_source_tables() -%}
    {%- set rows = [] -%}
    {%- if execute -%}
        {%- for source in graph.sources.values() | sort(attribute='unique_id') -%}
            {%- for column in source.columns.values() if kigen.node_meta(column).get('pii', 'none') != 'none' -%}
                {%- do rows.append("('" ~ source.source_name ~ '.' ~ source.name ~ "')") -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endif -%}
    select distinct table_name from (values {{ rows | unique | join(', ') or '(null)' }}) as tagged (table_name)
{%- endmacro -%}
