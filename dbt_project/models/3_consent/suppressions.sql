-- One row per reason why an address must not come back, by its keyed digest: what purges remember,
-- and the requests to erase or to stop that are still here. Since when: a later grant by the person
-- lifts it. A request without a time counts as made at T, the latest there is.
with remembered as (

    select
        contact_digest,
        purpose,
        reason,
        since
    from {{ source('memory', 'suppressions') }}

),

pads as (

    select * from {{ pads() }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

-- Stops and verified erasures, by every mailbox they are about.
requested as (

    select
        stops.contact,
        stops.reason,
        stops.said_at as since
    from (
        select * from {{ ref('contact_sayings') }}
        where reason in ('erase', 'stop_use')
    ) as stops

    union

    select
        erasures.contact,
        'erasure_verified' as reason,
        erasures.verified_at as since
    from {{ ref('erasure_contacts') }} as erasures
    where erasures.verified_at is not null

),

live as (

    select
        {{ digest('requested.contact') }} as contact_digest,
        cast(null as varchar) as purpose,
        requested.reason,
        least(requested.since, as_of.as_of) as since
    from requested
    cross join pads
    cross join as_of

),

suppressions as (

    select * from remembered
    union
    select * from live

)

select * from suppressions
