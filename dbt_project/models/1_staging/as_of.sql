-- One row: T, the moment this build judges by, in UTC. An event later than T does not exist yet.
-- It is a table, and stands until the next build, so every stage and every reader has the same T.
{{ config(materialized='table') }}

{%- set moment = env_var('KIGEN_AS_OF', '') %}
{%- set date = '[0-9]{4}-[0-9]{2}-[0-9]{2}' %}
{%- set time = '[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?' %}
{%- if moment and not modules.re.fullmatch(date ~ '([T ]' ~ time ~ ')?', moment) %}
    {{- exceptions.raise_compiler_error(
        "KIGEN_AS_OF is '" ~ moment ~ "', which is no ISO 8601 time; write, say, 2026-01-31T02:00:00+09:00"
    ) }}
{%- endif %}

select
    {% if moment -%}
        timezone('UTC', cast('{{ moment }}' as timestamp with time zone)) as as_of
    {%- else -%}
        timezone('UTC', current_timestamp) as as_of
    {%- endif %}
