-- One row per mail that was sent.
with source as (

    select * from {{ source('mailing', 'messages') }}

),

renamed as (

    select
        {{ as_type('source.message_id', 'bigint') }} as message_id,
        {{ normalised_email('cast(source.email as varchar)') }} as email,
        cast(source.message_class as varchar) as message_class,
        cast(source.kind as varchar) as kind,
        {{ as_type('source.sent_at', 'timestamp') }} as sent_at,
        {{ are_readable([
            ['source.message_id', 'bigint'],
            ['source.sent_at', 'timestamp']
        ]) }} as is_readable
    from source

)

select * from renamed
