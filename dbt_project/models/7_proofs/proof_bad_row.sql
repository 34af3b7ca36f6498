-- Rows the pipeline set aside, or read in the safe direction, and why: duplicate keys, and what the
-- contributions `bad_rows` find. They never stop it, and never do harm; somebody should mend them.
with found as (

    {{ contributed('bad_rows', [['table_name', 'varchar'], ['record_key', 'varchar'], ['fault', 'varchar']]) }}

),

violations as (

    select
        table_name,
        record_key,
        'duplicate or null key' as fault
    from {{ ref('duplicate_keys') }}

    union all

    select * from found

)

select * from violations
