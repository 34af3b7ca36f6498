-- Ledger rows of a class with a notice that went without one, and without the waiver of the class.
-- A record that came back after its purge goes without a new notice: its digest stands here twice.
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
    left join ledger as earlier
        on
            ledger.table_name = earlier.table_name
            and ledger.record_digest = earlier.record_digest
            and ledger.run_no > earlier.run_no
    where
        ledger.is_notice_required
        and not ledger.is_notice_waived
        and ledger.notice_sent_at is null
        and earlier.record_digest is null

)

select * from violations
