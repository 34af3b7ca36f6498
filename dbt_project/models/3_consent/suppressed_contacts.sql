-- One row per suppression of a contact point that is here today, by purpose: the remembered
-- suppressions only, for the live ones speak through the sayings.
with suppressions as (

    select * from {{ source('memory', 'suppressions') }}

),

contact_points as (

    select * from {{ ref('contact_points') }}

),

purposes as (

    select * from {{ ref('purposes') }}

),

suppressed as (

    select
        contact_points.contact,
        purposes.purpose,
        suppressions.reason,
        max(suppressions.since) as since
    from suppressions
    inner join contact_points on suppressions.contact_digest = contact_points.contact_digest
    inner join purposes
        on
            suppressions.purpose = purposes.purpose
            or (suppressions.purpose is null and purposes.is_marketing)
    group by contact_points.contact, purposes.purpose, suppressions.reason

)

select * from suppressed
