-- One row per row of the member register. A flag nobody gave a meaning to is a no.
-- The meanings are joined as they stand: a CTE that is read twice is made whole, and then every reader of this
-- view pays for every column.
with source as (

    select * from {{ source('shop', 'members') }}

),

renamed as (

    select
        {{ as_type('source.member_id', 'bigint') }} as member_id,
        {{ as_type('source.legacy_customer_id', 'bigint') }} as legacy_customer_id,
        {{ normalised_email('cast(source.email as varchar)') }} as email,
        cast(source.status as varchar) as status,
        coalesce(wants.meaning = 'wants', false) as wants_newsletter,
        wants.meaning is not null as is_newsletter_flag_mapped,
        known.meaning is not null as is_status_mapped,
        {{ as_type('source.registered_at', 'timestamp') }} as registered_at,
        {{ as_type('source.last_login_at', 'timestamp') }} as last_login_at,
        {{ as_type('source.withdrawn_at', 'timestamp') }} as withdrawn_at,
        {{ as_type('source.updated_at', 'timestamp') }} as updated_at,
        not {{ are_readable([['source.withdrawn_at', 'timestamp']]) }} as has_unreadable_withdrawal,
        {{ are_readable([
            ['source.member_id', 'bigint'],
            ['source.legacy_customer_id', 'bigint'],
            ['source.registered_at', 'timestamp'],
            ['source.last_login_at', 'timestamp'],
            ['source.withdrawn_at', 'timestamp'],
            ['source.updated_at', 'timestamp']
        ]) }} as is_readable
    from source
    left join {{ ref('policy_flag_meanings') }} as wants
        on
            wants.system = 'shop'
            and wants.column_name = 'members.newsletter_flag'
            and cast(source.newsletter_flag as varchar) is not distinct from wants.value
    left join {{ ref('policy_flag_meanings') }} as known
        on
            known.system = 'shop'
            and known.column_name = 'members.status'
            and cast(source.status as varchar) is not distinct from known.value

)

select * from renamed
