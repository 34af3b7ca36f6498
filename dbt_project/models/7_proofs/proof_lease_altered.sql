-- Leases whose files are not as they were handed over: altered, copied, gone, readable by others, or back after
-- their end.
with leases as (

    select * from {{ source('delivery', 'leases') }}

),

violations as (

    select
        campaign_id,
        audience,
        problem as message
    from leases
    where problem is not null

)

select * from violations
