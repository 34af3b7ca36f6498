-- One row per mailbox that has left: a subject with it has left and no active one has it; or it had
-- left when a purge took a subject's row of it, and since then no subject with it is active and the
-- person made no grant. It gets no notice (DESIGN section 5).
with subjects as (

    select
        contact,
        is_active,
        has_left
    from {{ ref('subjects') }}
    where contact is not null

),

active as (

    select distinct contact from subjects
    where is_active

),

words as (

    select * from {{ ref('latest_words') }}

),

acting_purpose as (

    select cast(value as varchar) as purpose from {{ ref('policy_settings') }}
    where setting = 'acting_purpose'

),

remembered as (

    select
        contact_points.contact,
        max(memories.left_at) as left_at
    from {{ source('memory', 'left_mailboxes') }} as memories
    inner join {{ ref('contact_points') }} as contact_points
        on memories.contact_digest = contact_points.contact_digest
    group by contact_points.contact

),

candidates as (

    select distinct contact from subjects
    where has_left

    union

    select remembered.contact
    from remembered
    left join words
        on
            remembered.contact = words.contact
            and words.purpose in (select acting_purpose.purpose from acting_purpose)
            and remembered.left_at < words.granted_in_person_at
    where words.contact is null

),

left_mailboxes as (

    select candidates.contact
    from candidates
    left join active on candidates.contact = active.contact
    where active.contact is null

)

select * from left_mailboxes
