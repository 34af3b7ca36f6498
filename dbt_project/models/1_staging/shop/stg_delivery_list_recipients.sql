-- One row per person on a list.
with source as (

    select * from {{ source('mailing', 'delivery_list_recipients') }}

),

renamed as (

    select
        {{ as_type('source.list_id', 'bigint') }} as list_id,
        {{ as_type('source.recipient_no', 'bigint') }} as recipient_no,
        {{ as_type('source.member_id', 'bigint') }} as member_id,
        {{ normalised_email('cast(source.email as varchar)') }} as email,
        {{ are_readable([
            ['source.list_id', 'bigint'],
            ['source.recipient_no', 'bigint'],
            ['source.member_id', 'bigint']
        ]) }} as is_readable
    from source

)

select * from renamed
