-- One row per record that this purge deletes from a table where who was purged stays purged; and per record
-- of an older system that was to be erased with its subject and is kept by a hold: the subject's row, which
-- leads to it, goes. On release it is due, as if it had come back.
with due as (

    select * from {{ ref('purge_due') }}
    where action = 'delete'

),

as_of as (

    select * from {{ ref('as_of') }}

),

pads as (

    select * from {{ pads() }}

),

left_behind as (

    select distinct
        states.table_name,
        states.record_key,
        states.deletion_class,
        states.deadline_at
    from {{ ref('record_states') }} as states
    inner join {{ ref('subjects') }} as subjects
        on
            states.table_name = subjects.former_table
            and states.record_key = subjects.former_key
    inner join due
        on
            subjects.table_name = due.table_name
            and cast(subjects.subject_key as varchar) = due.record_key
    where
        states.deletion_class = 'erasure_request'
        and states.state <> 'expired'

),

records as (

    select
        table_name,
        record_key,
        deletion_class,
        deadline_at
    from due

    union all

    select
        table_name,
        record_key,
        deletion_class,
        deadline_at
    from left_behind

),

remembered as (

    select
        records.table_name,
        {{ digest("records.table_name || '|' || records.record_key") }} as record_digest,
        records.deletion_class,
        records.deadline_at,
        as_of.as_of as purged_at,
        pads.key_id
    from records
    cross join as_of
    cross join pads
    where records.table_name in ({{ tables_that_stay_purged() }})

)

select * from remembered
