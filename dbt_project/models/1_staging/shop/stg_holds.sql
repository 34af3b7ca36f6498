-- One row per legal hold.
with source as (

    select * from {{ source('legal', 'holds') }}

),

renamed as (

    select
        {{ as_type('source.hold_id', 'bigint') }} as hold_id,
        {{ as_type('source.member_id', 'bigint') }} as member_id,
        {{ normalised_email('cast(source.email as varchar)') }} as email,
        cast(source.table_name as varchar) as table_name,
        {{ as_type('source.placed_at', 'timestamp') }} as placed_at,
        {{ as_type('source.released_at', 'timestamp') }} as released_at,
        {{ are_readable([
            ['source.hold_id', 'bigint'],
            ['source.member_id', 'bigint'],
            ['source.placed_at', 'timestamp'],
            ['source.released_at', 'timestamp']
        ]) }} as is_readable
    from source

)

select * from renamed
