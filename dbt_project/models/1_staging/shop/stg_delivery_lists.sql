-- One row per recipient list.
with source as (

    select * from {{ source('mailing', 'delivery_lists') }}

),

renamed as (

    select
        {{ as_type('source.list_id', 'bigint') }} as list_id,
        {{ as_type('source.created_at', 'timestamp') }} as created_at,
        {{ are_readable([
            ['source.list_id', 'bigint'],
            ['source.created_at', 'timestamp']
        ]) }} as is_readable
    from source

)

select * from renamed
