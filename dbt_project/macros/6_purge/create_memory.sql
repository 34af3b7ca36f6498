{#- Create what a purge writes to and the stages read, where it is not there yet: the tables of the
    schema `memory`, from their declared columns, and the guard's verdicts. Runs before every dbt run. -#}
{%- macro create_memory() -%}
    {%- if execute and flags.WHICH in ['run', 'build', 'test', 'seed'] -%}
        {%- do run_query('create schema if not exists memory') -%}
        {%- for source in graph.sources.values() if source.schema == 'memory' -%}
            {%- set columns = [] -%}
            {%- for column in source.columns.values() -%}
                {%- do columns.append(column.name ~ ' ' ~ column.data_type) -%}
            {%- endfor -%}
            {%- do run_query('create table if not exists memory.' ~ source.name ~ ' (' ~ columns | join(', ') ~ ')') -%}
        {%- endfor -%}
        {%- do run_query('create schema if not exists purge') -%}
        {%- do run_query('create table if not exists purge.guard_verdicts (plan_digest varchar, run_id varchar, decided_at timestamp)') -%}
    {%- endif -%}
{%- endmacro -%}
