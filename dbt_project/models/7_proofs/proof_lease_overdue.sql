-- Leases whose time is up and whose files are still there: recipient lists nobody governs.
with leases as (

    select * from {{ source('delivery', 'leases') }}

),

moment as (

    select as_of from {{ ref('as_of') }}

),

violations as (

    select
        leases.campaign_id,
        leases.audience,
        leases.expires_at
    from leases
    cross join moment
    where
        leases.expires_at <= moment.as_of
        and leases.removed_at is null

)

select * from violations
