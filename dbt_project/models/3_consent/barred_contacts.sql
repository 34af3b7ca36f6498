-- One row per contact point and marketing purpose that is suppressed: since when, as of the latest
-- reason. A grant by the person later than that lifts it.
{{ config(materialized='view') }}

with remembered as (

    select
        contact,
        purpose,
        since
    from {{ ref('suppressed_contacts') }}

),

verified as (

    select
        erasure_contacts.contact,
        purposes.purpose,
        erasure_contacts.verified_at as since
    from {{ ref('erasure_contacts') }} as erasure_contacts
    cross join {{ ref('purposes') }} as purposes
    where
        erasure_contacts.verified_at is not null
        and purposes.is_marketing

),

barred as (

    select
        contact,
        purpose,
        max(since) as since
    from (
        select * from remembered
        union all
        select * from verified
    ) as reasons
    group by contact, purpose

)

select * from barred
