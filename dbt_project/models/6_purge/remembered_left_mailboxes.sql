-- One row per mailbox that has left, and of which this purge takes a subject's row.
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

left_mailboxes as (

    select * from {{ ref('left_mailboxes') }}

),

leaving as (

    select distinct subjects.contact
    from {{ ref('subjects') }} as subjects
    inner join due
        on
            subjects.table_name = due.table_name
            and cast(subjects.subject_key as varchar) = due.record_key
    inner join left_mailboxes on subjects.contact = left_mailboxes.contact

),

remembered as (

    select
        {{ digest('leaving.contact') }} as contact_digest,
        as_of.as_of as left_at,
        pads.key_id
    from leaving
    cross join as_of
    cross join pads

)

select * from remembered
