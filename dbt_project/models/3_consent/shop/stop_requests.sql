-- One row per request to erase or to stop use: a refusal of every marketing purpose when it was made,
-- closed or not. No identity check is needed to stop. A request of a kind nobody knows stops too, and is
-- counted (bad_shop_rows): whoever asked did not ask for mail.
{{ config(materialized='view') }}

with requests as (

    select * from {{ ref('stg_erasure_requests') }}
    where kind is distinct from 'disclose'

),

as_of as (

    select * from {{ ref('as_of') }}

),

stops as (

    select
        'shop.erasure_requests' as table_name,
        cast(requests.request_id as varchar) as record_key,
        requests.member_id as subject_key,
        requests.email as contact,
        cast(null as varchar) as purpose,
        false as is_granted,
        true as is_by_person,
        requests.requested_at as occurred_at,
        case when requests.kind = 'erase' then 'erase' else 'stop_use' end as reason
    from requests
    cross join as_of
    where
        requests.requested_at is null
        or requests.requested_at <= as_of.as_of

)

select * from stops
