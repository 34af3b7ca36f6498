{#- Create the tables that Kigen's assets write beside dbt (what was scanned, traced and handed over), empty, from the
    columns their sources declare, where they are not there yet. Runs before every dbt run, so that a build without
    those assets has something to read. -#}
{%- macro create_own_tables() -%}
    {%- if execute and flags.WHICH in ['run', 'build', 'test', 'seed'] -%}
        {%- for source in graph.sources.values() if source.package_name == 'kigen' and source.source_name in ['tags', 'delivery'] -%}
            {%- set columns = [] -%}
            {%- for column in source.columns.values() -%}
                {%- do columns.append(column.name ~ ' ' ~ column.data_type) -%}
            {%- endfor -%}
            {%- do run_query('create schema if not exists ' ~ source.schema) -%}
            {%- do run_query('create table if not exists ' ~ source.schema ~ '.' ~ source.identifier ~ ' (' ~ columns | join(', ') ~ ')') -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro -%}
