-- One row per change of a request's standing: the record of what became of each. Written on from run to run, never made
-- anew, and forgotten only with the request's own row. change_no tells the order: a night judges before its purge
-- and after it, by one T. A T to come, or one before the last, asks what if, and is no outcome. Of two rows with one
-- key the one that is further from done counts.
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    full_refresh=false,
    on_schema_change='append_new_columns',
    pre_hook="{{ kigen.forget_purged_requests() }}"
) }}

{#- What the hook reads. #}
{%- set models = judged_models() %}

with standings as (

    select
        *,
        row_number() over (
            partition by table_name, request_key
            order by is_overdue desc, record_count desc nulls last, kind asc, standing asc
        ) as place
    from {{ ref('request_standings') }}
    where request_key is not null

),

as_of as (

    select * from {{ ref('as_of') }}

),

known as (

    {% if is_incremental() -%}
        select
            table_name,
            request_key,
            max(change_no) as change_no,
            max_by(standing, change_no) as standing,
            max(decided_at) as decided_at
        from {{ this }}
        group by table_name, request_key
    {%- else -%}
        select
            cast(null as varchar) as table_name,
            cast(null as varchar) as request_key,
            cast(null as bigint) as change_no,
            cast(null as varchar) as standing,
            cast(null as timestamp) as decided_at
        where false
    {%- endif %}

),

outcomes as (

    select
        standings.table_name,
        standings.request_key,
        cast(coalesce(known.change_no, 0) + 1 as bigint) as change_no,
        standings.kind,
        standings.standing,
        standings.kept_until,
        as_of.as_of as decided_at
    from standings
    cross join as_of
    left join known
        on
            standings.table_name = known.table_name
            and standings.request_key = known.request_key
    where
        standings.place = 1
        and standings.standing is distinct from known.standing
        and as_of.as_of <= {{ utc_now() }}
        and coalesce(known.decided_at <= as_of.as_of, true)

)

select * from outcomes
