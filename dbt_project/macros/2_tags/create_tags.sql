{#- Create the tables of the schema `tags` that the scan and the lineage write, empty, from their declared columns,
    where they are not there yet. Runs before every dbt run, so that a build without a scan has something to read. -#}
{%- macro create_tags() -%}
    {%- if execute and flags.WHICH in ['run', 'build', 'test', 'seed'] -%}
        {%- for source in graph.sources.values() if source.package_name == 'kigen' and source.source_name == 'tags' -%}
            {%- set columns = [] -%}
            {%- for column in source.columns.values() -%}
                {%- do columns.append(column.name ~ ' ' ~ column.data_type) -%}
            {%- endfor -%}
            {%- do run_query('create schema if not exists ' ~ source.schema) -%}
            {%- do run_query('create table if not exists ' ~ source.schema ~ '.' ~ source.identifier ~ ' (' ~ columns | join(', ') ~ ')') -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro -%}
