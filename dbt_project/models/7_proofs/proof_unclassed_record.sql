-- Records no class applies to, or whose key stands twice: never purged, never in an audience.
with violations as (

    select
        table_name,
        record_key
    from {{ ref('records') }}
    where state = 'unclassed'

)

select * from violations
