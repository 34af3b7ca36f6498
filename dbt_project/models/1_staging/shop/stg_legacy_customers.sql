-- One row per customer of the old site. departure: left, stayed, or null where the flag has no
-- meaning; mail_word: consents, refuses, or null.
-- The meanings are joined as they stand: a CTE that is read twice is made whole, and then every reader of this
-- view pays for every column.
with source as (

    select * from {{ source('legacy_shop', 'customers') }}

),

renamed as (

    select
        {{ as_type('source.customer_id', 'bigint') }} as customer_id,
        {{ normalised_email('cast(source.email as varchar)') }} as email,
        parted.meaning as departure,
        said.meaning as mail_word,
        {{ as_type('source.create_date', 'timestamp') }} as created_at,
        {{ as_type('source.update_date', 'timestamp') }} as updated_at,
        {{ are_readable([
            ['source.customer_id', 'bigint'],
            ['source.create_date', 'timestamp'],
            ['source.update_date', 'timestamp']
        ]) }} as is_readable
    from source
    left join {{ ref('policy_flag_meanings') }} as parted
        on
            parted.system = 'legacy_shop'
            and parted.column_name = 'customers.del_flg'
            and cast(source.del_flg as varchar) is not distinct from parted.value
    left join {{ ref('policy_flag_meanings') }} as said
        on
            said.system = 'legacy_shop'
            and said.column_name = 'customers.mailmaga_flg'
            and cast(source.mailmaga_flg as varchar) is not distinct from said.value

)

select * from renamed
