-- One row per mailbox with a record whose last notice is due: members and guests alike, whatever they
-- consented to. Never a mailbox that has left, nor one that a request to erase that is not closed is about,
-- verified or not: who asked to be erased is not asked to come back.
{{ expect_tags() -}}
with due as (

    select
        contact,
        min(deadline_at) as deadline_at,
        count(*) as record_count
    from {{ ref('records') }}
    where
        state = 'notice_due'
        and contact is not null
    group by contact

),

left_mailboxes as (

    select * from {{ ref('left_mailboxes') }}

),

erasing as (

    select distinct contact from {{ ref('erasure_contacts') }}
    where is_open

),

audience as (

    select
        due.contact as email,
        due.deadline_at,
        due.record_count
    from due
    left join left_mailboxes on due.contact = left_mailboxes.contact
    left join erasing on due.contact = erasing.contact
    where
        left_mailboxes.contact is null
        and erasing.contact is null

)

select * from audience
