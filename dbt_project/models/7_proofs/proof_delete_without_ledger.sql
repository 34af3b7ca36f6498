-- Runs whose tables lost more than the ledger says: a purge without its record. And, judged by the T of the
-- last purge, tables that hold fewer rows than it left them: on later days their owner may have deleted some.
with ledger as (

    select * from {{ ref('purge_ledger') }}

),

written as (

    select
        run_no,
        table_name,
        count(*) as written_count
    from ledger
    group by run_no, table_name

),

counts as (

    select * from {{ source('memory', 'purge_counts') }}

),

last_counts as (

    select
        table_name,
        max_by(rows_after, run_no) as rows_after,
        max_by(purged_at, run_no) as purged_at,
        max(run_no) as run_no
    from counts
    group by table_name

),

here as (

    select
        table_name,
        count(*) as row_count
    from {{ ref('records') }}
    group by table_name

),

violations as (

    select
        counts.run_no,
        counts.table_name,
        counts.rows_before - counts.rows_after + counts.anonymised as taken_count,
        coalesce(written.written_count, 0) as written_count
    from counts
    left join written
        on
            counts.run_no = written.run_no
            and counts.table_name = written.table_name
    where counts.rows_before - counts.rows_after + counts.anonymised > coalesce(written.written_count, 0)

    union all

    select
        last_counts.run_no,
        last_counts.table_name,
        last_counts.rows_after - coalesce(here.row_count, 0) as taken_count,
        cast(0 as bigint) as written_count
    from last_counts
    inner join {{ ref('as_of') }} as as_of on last_counts.purged_at = as_of.as_of
    left join here on last_counts.table_name = here.table_name
    where coalesce(here.row_count, 0) < last_counts.rows_after

)

select * from violations
