-- One row per mailbox that a last notice is about: due to be sent, or sent and running. Never a mailbox that has
-- left, nor one that a request to erase that is not closed is about, verified or not: who asked to be erased is not
-- asked to come back.
with records as (

    select * from {{ ref('records') }}
    where
        state in ('notice_due', 'in_grace')
        and contact is not null

),

policies as (

    select * from {{ ref('deletion_classes') }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

left_mailboxes as (

    select * from {{ ref('left_mailboxes') }}

),

erasing as (

    select distinct contact from {{ ref('erasure_contacts') }}
    where is_open

),

-- Nothing goes before the full notice has run from now on, where it is due.
told as (

    select
        records.contact,
        records.table_name,
        records.state = 'notice_due' as is_due,
        records.deadline_at,
        greatest(
            records.deadline_at,
            {{ moved_by('as_of.as_of', 'policies.notice_months', 'policies.notice_days') }}
        ) as deletes_at
    from records
    cross join as_of
    inner join policies
        on
            records.table_name = policies.table_name
            and records.deletion_class = policies.deletion_class

),

contacts as (

    select
        contact,
        bool_or(is_due) as is_due,
        min(case when is_due then deadline_at end) as deadline_at,
        min(case when is_due then deletes_at end) as deletes_at,
        sum(case when is_due then 1 else 0 end) as record_count
    from told
    group by contact

),

categories as (

    {{ categories_that_go() | indent(4) }}

),

about as (

    select
        told.contact,
        {{ listed('categories.data_category') }} as data_categories
    from (
        select distinct
            contact,
            table_name
        from told
        where is_due
    ) as told
    inner join categories on told.table_name = categories.table_name
    group by told.contact

),

notice_contacts as (

    select
        contacts.contact,
        contacts.is_due,
        contacts.deadline_at,
        contacts.deletes_at,
        contacts.record_count,
        about.data_categories
    from contacts
    left join about on contacts.contact = about.contact
    left join left_mailboxes on contacts.contact = left_mailboxes.contact
    left join erasing on contacts.contact = erasing.contact
    where
        left_mailboxes.contact is null
        and erasing.contact is null

)

select * from notice_contacts
