{#- The names of all raw tables that are declared, as a list of SQL strings. -#}
{%- macro known_tables() -%}
    {%- set names = [] -%}
    {%- if execute -%}
        {%- for source in graph.sources.values() | sort(attribute='unique_id') if source.schema != 'memory' -%}
            {%- do names.append("'" ~ source.source_name ~ '.' ~ source.name ~ "'") -%}
        {%- endfor -%}
    {%- endif -%}
    {{- (names or ['null']) | join(', ') -}}
{%- endmacro -%}
