-- One row per open hold and thing it reaches: everything, a subject, a subject's former record, or a
-- contact point. A hold reaches the whole mailbox: the subjects that share it, and their records.
-- table_name: the only table it holds, or null for all.
with holds as (

    {{ contributed('holds', [
        ['hold_id', 'bigint'], ['table_name', 'varchar'],
        ['subject_key', 'varchar'], ['contact', 'varchar']
    ]) }}

),

subjects as (

    select * from {{ ref('subjects') }}

),

mailboxes as (

    select
        hold_id,
        table_name,
        contact
    from holds
    where contact is not null

    union

    select
        holds.hold_id,
        holds.table_name,
        subjects.contact
    from holds
    inner join subjects on holds.subject_key = subjects.subject_key
    where subjects.contact is not null

),

held_subjects as (

    select
        hold_id,
        table_name,
        subject_key
    from holds
    where subject_key is not null

    union

    select
        mailboxes.hold_id,
        mailboxes.table_name,
        subjects.subject_key
    from mailboxes
    inner join subjects on mailboxes.contact = subjects.contact

),

reach as (

    select
        hold_id,
        table_name,
        'all' as reach_kind,
        cast(null as varchar) as former_table,
        cast(null as varchar) as reach_key
    from holds
    where
        subject_key is null
        and contact is null

    union

    select
        hold_id,
        table_name,
        'contact' as reach_kind,
        cast(null as varchar) as former_table,
        contact as reach_key
    from mailboxes

    union

    select
        hold_id,
        table_name,
        'subject' as reach_kind,
        cast(null as varchar) as former_table,
        cast(subject_key as varchar) as reach_key
    from held_subjects

    union

    select
        held_subjects.hold_id,
        held_subjects.table_name,
        'record' as reach_kind,
        subjects.former_table,
        subjects.former_key as reach_key
    from held_subjects
    inner join subjects on held_subjects.subject_key = subjects.subject_key
    where subjects.former_key is not null

)

select * from reach
