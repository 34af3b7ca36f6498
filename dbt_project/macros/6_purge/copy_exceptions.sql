{#- The places whose copies somebody excepts for a time (`exception` of `meta.kigen`, with `reason` and `until`), as a
    select of schema_name, table_name and column_name, or else location (the name of an exposure), with reason and
    excepted_until: 00:00 UTC of the day from which on it does not hold any more. -#}
{%- macro copy_exceptions() -%}
    {%- set rows = [] -%}
    {%- if execute -%}
        {%- for node in (graph.sources.values() | list) + (graph.nodes.values() | list) if node.resource_type in ['source', 'seed', 'model', 'snapshot'] -%}
            {%- for column in node.columns.values() -%}
                {%- set given = (kigen.node_meta(column).get('kigen') or {}).get('exception') -%}
                {%- if given -%}
                    {%- do rows.append([node.schema, node.get('identifier') or node.get('alias') or node.name, column.name, none, given]) -%}
                {%- endif -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- for exposure in graph.exposures.values() -%}
            {%- set given = (kigen.node_meta(exposure).get('kigen') or {}).get('exception') -%}
            {%- if given -%}{%- do rows.append([none, none, none, exposure.name, given]) -%}{%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {%- set selects = [] -%}
    {%- for row in rows -%}
        {%- set values = [] -%}
        {%- for value in row[:4] + [row[4].reason] -%}
            {%- do values.append('cast(null as varchar)' if value is none else kigen.text_literal(value)) -%}
        {%- endfor -%}
        {%- do selects.append(
            'select ' ~ values[0] ~ ' as schema_name, ' ~ values[1] ~ ' as table_name, ' ~ values[2] ~ ' as column_name, ' ~ values[3] ~ ' as location, '
            ~ values[4] ~ ' as reason, cast(' ~ kigen.text_literal(row[4].until | string) ~ ' as timestamp) as excepted_until'
        ) -%}
    {%- endfor -%}
    {{- selects | join('\nunion all\n') or 'select cast(null as varchar) as schema_name, cast(null as varchar) as table_name, cast(null as varchar) as column_name, cast(null as varchar) as location, cast(null as varchar) as reason, cast(null as timestamp) as excepted_until where false' -}}
{%- endmacro -%}
