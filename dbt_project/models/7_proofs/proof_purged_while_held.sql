-- Ledger rows that an open hold reached when they were purged.
with ledger as (

    select * from {{ ref('purge_ledger') }}

),

violations as (

    select
        table_name,
        record_digest,
        hold_id,
        purged_at
    from ledger
    where hold_id is not null

)

select * from violations
