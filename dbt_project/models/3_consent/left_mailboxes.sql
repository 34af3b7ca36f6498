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

{% set remembers = has_rows(source('memory', 'left_mailboxes')) -%}
{% if remembers -%}
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

    -- Only what the remembered mailboxes said.
    grants as (

        select
            contact,
            max(said_at) as granted_at
        from {{ ref('contact_sayings') }}
        where
            is_granted
            and is_by_person
            and purpose in (select acting_purpose.purpose from acting_purpose)
            and contact in (select remembered.contact from remembered)
        group by contact

    ),

{% endif -%}
candidates as (

    select distinct contact from subjects
    where has_left
    {%- if remembers %}

        union

        select remembered.contact
        from remembered
        left join grants
            on
                remembered.contact = grants.contact
                and remembered.left_at < grants.granted_at
        where grants.contact is null
    {%- endif %}

),

left_mailboxes as (

    select candidates.contact
    from candidates
    left join active on candidates.contact = active.contact
    where active.contact is null

)

select * from left_mailboxes
