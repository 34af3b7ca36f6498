-- Members of a marketing audience whose mailbox is suppressed, and who made no grant since. Each
-- address is digested anew: this does not rest on the digests the audience used.
-- A table, not a view: it needs the key, and whoever reads the proofs does not have it.
{{ config(materialized='table') }}

with members as (

    {{ audience_members() | indent(4) }}

),

pads as (

    select * from {{ pads() }}

),

suppressions as (

    select
        contact_digest,
        purpose,
        max(since) as since
    from {{ ref('suppressions') }}
    group by contact_digest, purpose

),

counted as (

    select count(*) as suppression_count from suppressions

),

digested as (

    select
        members.audience,
        members.subject_key,
        members.contact,
        members.purpose,
        {{ digest('members.contact') }} as contact_digest
    from members
    cross join pads
    cross join counted
    where
        members.message_class = 'marketing'
        and counted.suppression_count > 0

),

-- "A grant by the person" is one of this very member.
grants as (

    select * from {{ ref('subject_grants') }}

),

violations as (

    select
        digested.audience,
        digested.subject_key
    from digested
    inner join suppressions
        on
            digested.contact_digest = suppressions.contact_digest
            and (suppressions.purpose is null or digested.purpose = suppressions.purpose)
    left join grants
        on
            digested.subject_key = cast(grants.subject_key as varchar)
            and digested.purpose = grants.purpose
    where not coalesce(grants.granted_in_person_at > suppressions.since, false)

)

select distinct * from violations
