-- Ledger rows of a class with a notice that went without one, and without the waiver of the class.
-- A record that came back after its purge goes without a new notice: the ledger was its clock.
with ledger as (

    select * from {{ ref('purge_ledger') }}

),

violations as (

    select
        ledger.table_name,
        ledger.record_digest,
        ledger.deletion_class,
        ledger.purged_at
    from ledger
    where
        ledger.is_notice_required
        and not ledger.is_notice_waived
        and ledger.notice_sent_at is null
        and ledger.clock_source is distinct from 'memory.purged_records'

)

select * from violations
