-- One row per request of a person.
with source as (

    select * from {{ source('shop', 'erasure_requests') }}

),

renamed as (

    select
        {{ as_type('source.request_id', 'bigint') }} as request_id,
        {{ as_type('source.member_id', 'bigint') }} as member_id,
        {{ normalised_email('cast(source.email as varchar)') }} as email,
        cast(source.kind as varchar) as kind,
        {{ as_type('source.requested_at', 'timestamp') }} as requested_at,
        {{ as_type('source.identity_verified_at', 'timestamp') }} as identity_verified_at,
        {{ as_type('source.closed_at', 'timestamp') }} as closed_at,
        cast(source.outcome as varchar) as outcome,
        {{ are_readable([
            ['source.request_id', 'bigint'],
            ['source.member_id', 'bigint'],
            ['source.requested_at', 'timestamp'],
            ['source.identity_verified_at', 'timestamp'],
            ['source.closed_at', 'timestamp']
        ]) }} as is_readable
    from source

)

select * from renamed
