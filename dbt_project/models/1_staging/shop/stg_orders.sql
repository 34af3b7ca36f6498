-- One row per order: what its clocks need, and whether anything personal is left in it.
with source as (

    select * from {{ source('shop', 'orders') }}

),

renamed as (

    select
        {{ as_type('source.order_id', 'bigint') }} as order_id,
        {{ as_type('source.member_id', 'bigint') }} as member_id,
        {{ normalised_email('cast(source.email as varchar)') }} as email,
        {{ is_still_personal('shop', 'orders') }} as is_still_personal,
        {{ as_type('source.ordered_at', 'timestamp') }} as ordered_at,
        {{ as_type('source.delivered_at', 'timestamp') }} as delivered_at,
        {{ are_readable([
            ['source.order_id', 'bigint'],
            ['source.member_id', 'bigint'],
            ['source.ordered_at', 'timestamp'],
            ['source.delivered_at', 'timestamp']
        ]) }} as is_readable
    from source

)

select * from renamed
