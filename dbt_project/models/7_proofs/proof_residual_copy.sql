-- Places with copies of contacts that are gone, and files nobody can read, that no exception covers by T; with
-- how many. A table: what it reads is looked for once a run, and asked later it would say what was.
{{ config(materialized='table') }}

with copies as (

    select * from {{ ref('residual_copies') }}

),

described as (

    select
        *,
        coalesce(
            location || ': ' || path || coalesce(', ' || place, ''),
            schema_name || '.' || table_name || '.' || column_name,
            table_name
        ) as where_it_is,
        ' has ' || copy_count || case when column_name is null and location is null then ' records' else ' copies' end
        || ' of contacts that are gone (' || reason || ')' as has
    from copies
    where not is_excepted

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
                then where_it_is || ' ' || problem || '; put it right, delete it, or except the location'
            when column_name is null and location is null
                then where_it_is || has || ' and that a plan should have taken; the next run takes them'
            when column_name is null then where_it_is || has || '; delete them, or except the location'
            else where_it_is || has || '; delete them, govern the table, or except the column'
        end as message
    from described

)

select * from violations
