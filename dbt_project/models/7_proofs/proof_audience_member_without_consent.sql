-- Members of a marketing audience without consent: the member made no grant since the mailbox's last no.
-- (One that did is the mailbox's latest word, too.) Read from what was said, not from the times the audience used.
with members as (

    {{ audience_members() | indent(4) }}

),

-- Only what was said about the mailboxes of the audiences.
sayings as (

    select
        sayings.contact,
        sayings.subject_key,
        sayings.purpose,
        sayings.is_granted,
        sayings.is_by_person,
        sayings.said_at
    from {{ ref('contact_sayings') }} as sayings
    where sayings.contact in (select members.contact from members)

),

refusals as (

    select
        members.contact,
        members.purpose,
        max(sayings.said_at) as refused_at
    from members
    inner join sayings
        on
            members.contact = sayings.contact
            and (sayings.purpose is null or members.purpose = sayings.purpose)
    where not sayings.is_granted
    group by members.contact, members.purpose

),

own_grants as (

    select
        members.audience,
        members.subject_key
    from members
    inner join sayings
        on
            members.contact = sayings.contact
            and members.purpose = sayings.purpose
            and members.subject_key = cast(sayings.subject_key as varchar)
    left join refusals
        on
            members.contact = refusals.contact
            and members.purpose = refusals.purpose
    where
        sayings.is_granted
        and (refusals.refused_at is null or (sayings.is_by_person and sayings.said_at > refusals.refused_at))

),

violations as (

    select
        members.audience,
        members.subject_key
    from members
    left join own_grants
        on
            members.audience = own_grants.audience
            and members.subject_key = own_grants.subject_key
    where
        members.message_class = 'marketing'
        and own_grants.subject_key is null

)

select distinct * from violations
