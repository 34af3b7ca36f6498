-- Members of an audience who have left: withdrawn, left by the old site's word, or to be erased; and
-- mailboxes that have left.
with members as (

    {{ audience_members() | indent(4) }}

),

subjects as (

    select * from {{ ref('subjects') }}

),

left_mailboxes as (

    select * from {{ ref('left_mailboxes') }}

),

violations as (

    select
        members.audience,
        members.subject_key
    from members
    left join subjects
        on
            members.register = subjects.table_name
            and members.subject_key = cast(subjects.subject_key as varchar)
    left join left_mailboxes on members.contact = left_mailboxes.contact
    where
        coalesce(subjects.has_left, false)
        or left_mailboxes.contact is not null

)

select * from violations
