-- Ledger rows that were purged before their deadline, within their grace, or under a floor.
with ledger as (

    select * from {{ ref('purge_ledger') }}

),

violations as (

    select
        table_name,
        record_digest,
        deletion_class,
        purged_at
    from ledger
    where
        purged_at < deadline_at
        or purged_at < grace_until
        or purged_at < floor_until
        or deadline_at is null

)

select * from violations
