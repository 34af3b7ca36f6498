-- Leases with somebody in the file who would not be handed over today; the revoke list beside the file names them
-- for the delivery tool.
with leases as (

    select * from {{ source('delivery', 'leases') }}

),

violations as (

    select
        campaign_id,
        audience,
        revoked_count
    from leases
    where
        removed_at is null
        and revoked_count > 0

)

select * from violations
