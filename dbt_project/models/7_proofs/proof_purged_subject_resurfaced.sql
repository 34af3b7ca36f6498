-- Records the ledger has as deleted that are here again, whose person has not acted since, and that no
-- hold keeps.
with violations as (

    select
        table_name,
        record_key,
        deletion_class
    from {{ ref('record_states') }}
    where
        clock_source = 'memory.purged_records'
        and state <> 'held'

)

select * from violations
