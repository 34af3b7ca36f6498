-- One row per request to erase that exists at T: whom it names, when the identity was verified, and
-- whether it is open. A verified one exists whatever its requested_at. One with a value that cannot be read
-- may have been closed: it erases nobody. It stops use all the same (stop_requests).
{{ config(materialized='view') }}

with requests as (

    select * from {{ ref('stg_erasure_requests') }}
    where kind = 'erase'

),

as_of as (

    select * from {{ ref('as_of') }}

),

erasures as (

    select
        'shop.erasure_requests' as table_name,
        cast(requests.request_id as varchar) as request_key,
        requests.member_id as subject_key,
        requests.email as contact,
        case when requests.identity_verified_at <= as_of.as_of then requests.identity_verified_at end as verified_at,
        coalesce(requests.closed_at > as_of.as_of, requests.is_readable) as is_open
    from requests
    cross join as_of
    where
        requests.requested_at is null
        or requests.requested_at <= as_of.as_of
        or requests.identity_verified_at <= as_of.as_of

)

select * from erasures
