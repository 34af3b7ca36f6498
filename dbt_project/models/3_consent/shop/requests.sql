-- One row per request of a person that exists at T: whom it names, what for, and how far it got. An event later
-- than T does not exist yet. A verified request to erase or to disclose exists whatever its requested_at.
{{ config(materialized='view') }}

with source as (

    select * from {{ ref('stg_erasure_requests') }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

requests as (

    select
        'shop.erasure_requests' as table_name,
        cast(source.request_id as varchar) as request_key,
        source.member_id as subject_key,
        source.email as contact,
        source.kind,
        case when source.requested_at <= as_of.as_of then source.requested_at end as requested_at,
        case when source.identity_verified_at <= as_of.as_of then source.identity_verified_at end as verified_at,
        case when source.closed_at <= as_of.as_of then source.closed_at end as closed_at,
        source.outcome,
        source.is_readable
    from source
    cross join as_of
    where
        source.requested_at is null
        or source.requested_at <= as_of.as_of
        or (
            source.kind in ('erase', 'disclose')
            and source.identity_verified_at <= as_of.as_of
        )

)

select * from requests
