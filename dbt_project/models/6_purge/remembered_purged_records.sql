-- One row per record that this purge deletes from a table where who was purged stays purged.
with due as (

    select * from {{ ref('purge_due') }}
    where
        action = 'delete'
        and table_name in ({{ tables_that_stay_purged() }})

),

as_of as (

    select * from {{ ref('as_of') }}

),

pads as (

    select * from {{ pads() }}

),

remembered as (

    select
        due.table_name,
        {{ digest("due.table_name || '|' || due.record_key") }} as record_digest,
        due.deletion_class,
        due.deadline_at,
        as_of.as_of as purged_at,
        pads.key_id
    from due
    cross join as_of
    cross join pads

)

select * from remembered
