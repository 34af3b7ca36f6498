-- One row per mailbox of no subject of which this purge takes the last record: a guest's, or one of a list.
-- Mailboxes of subjects are suppressed instead. What goes after all others, such as the log of what was sent,
-- keeps no mailbox here: it stays for years because somebody was written to.
with due as (

    select
        table_name,
        record_key,
        contact
    from {{ ref('purge_due') }}
    where contact is not null

),

as_of as (

    select * from {{ ref('as_of') }}

),

pads as (

    select * from {{ pads() }}

),

subjects as (

    select distinct contact from {{ ref('subjects') }}
    where contact is not null

),

staying as (

    select distinct records.contact
    from {{ ref('records') }} as records
    left join due
        on
            records.table_name = due.table_name
            and records.record_key = due.record_key
    where
        records.contact in (select leaving.contact from due as leaving)
        and records.table_name not in ({{ tables_purged_last() }})
        and due.record_key is null

),

leaving as (

    select distinct due.contact
    from due
    left join subjects on due.contact = subjects.contact
    left join staying on due.contact = staying.contact
    where
        subjects.contact is null
        and staying.contact is null

),

remembered as (

    select
        {{ digest('leaving.contact') }} as contact_digest,
        as_of.as_of as purged_at,
        pads.key_id
    from leaving
    cross join as_of
    cross join pads

)

select * from remembered
