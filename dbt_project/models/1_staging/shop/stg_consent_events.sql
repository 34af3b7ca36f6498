-- One row per thing said about a purpose. A status nobody gave a meaning to is a refusal; a source
-- nobody calls a person is a machine.
-- The meanings are joined as they stand: a CTE that is read twice is made whole, and then every reader of this
-- view pays for every column.
with source as (

    select * from {{ source('shop', 'consent_events') }}

),

renamed as (

    select
        {{ as_type('source.event_id', 'bigint') }} as event_id,
        {{ as_type('source.member_id', 'bigint') }} as member_id,
        {{ normalised_email('cast(source.email as varchar)') }} as email,
        cast(source.purpose as varchar) as purpose,
        coalesce(said.meaning = 'granted', false) as is_granted,
        said.meaning is not null as is_status_mapped,
        coalesce(wrote.meaning = 'person', false) as is_by_person,
        {{ has_text('source.evidence') }} as has_evidence,
        {{ as_type('source.occurred_at', 'timestamp') }} as occurred_at,
        {{ are_readable([
            ['source.event_id', 'bigint'],
            ['source.member_id', 'bigint'],
            ['source.occurred_at', 'timestamp']
        ]) }} as is_readable
    from source
    left join {{ ref('policy_flag_meanings') }} as said
        on
            said.system = 'shop'
            and said.column_name = 'consent_events.status'
            and cast(source.status as varchar) is not distinct from said.value
    left join {{ ref('policy_flag_meanings') }} as wrote
        on
            wrote.system = 'shop'
            and wrote.column_name = 'consent_events.source'
            and cast(source.source as varchar) is not distinct from wrote.value

)

select * from renamed
