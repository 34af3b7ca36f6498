-- Members of a marketing audience without consent: the word of the mailbox is not a yes, or the member
-- made no grant since its last no. Read from what was said, not from the times the audience used.
with members as (

    {{ audience_members() | indent(4) }}

),

words as (

    select * from {{ ref('contact_words') }}

),

sayings as (

    select * from {{ ref('contact_sayings') }}

),

refusals as (

    select
        contact,
        purpose,
        max(said_at) as refused_at
    from sayings
    where not is_granted
    group by contact, purpose

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
    left join words
        on
            members.contact = words.email
            and members.purpose = words.purpose
    left join own_grants
        on
            members.audience = own_grants.audience
            and members.subject_key = own_grants.subject_key
    where
        members.message_class = 'marketing'
        and (not coalesce(words.is_granted, false) or own_grants.subject_key is null)

)

select distinct * from violations
