-- Runs of the ledger that say more than their tables lost: a record without its purge.
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

violations as (

    select
        written.run_no,
        written.table_name,
        written.written_count,
        counts.deleted + counts.anonymised as taken_count
    from written
    left join counts
        on
            written.run_no = counts.run_no
            and written.table_name = counts.table_name
    where
        counts.run_no is null
        or written.written_count > counts.rows_before - counts.rows_after + counts.anonymised

)

select * from violations
