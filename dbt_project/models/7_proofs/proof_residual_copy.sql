-- Places with copies of contacts that are gone, and files nobody can read, that no exception covers by T; with how many.
-- A table: what it reads is looked for once a run, and asked later it would say what was.
{{ config(materialized='table') }}

with copies as (

    select * from {{ ref('residual_copies') }}

),

violations as (

    select
        schema_name,
        table_name,
        column_name,
        copy_count,
        location,
        path,
        place,
        case
            when problem is not null
                then location || ': ' || path || coalesce(', ' || place, '') || ' ' || problem
                    || '; put it right, delete it, or except the location'
            when location is not null
                then location || ': ' || path || coalesce(', ' || place, '') || ' has ' || copy_count
                    || ' copies of contacts that are gone (' || reason || '); delete them, or except the location'
            when column_name is not null
                then schema_name || '.' || table_name || '.' || column_name || ' has ' || copy_count
                    || ' copies of contacts that are gone (' || reason
                    || '); delete them, govern the table, or except the column'
            else
                table_name || ' has ' || copy_count || ' records of contacts that are gone (' || reason
                || ') and that a plan should have taken; the next run takes them'
        end as message
    from copies
    where not is_excepted

)

select * from violations
