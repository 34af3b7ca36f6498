-- One row per migrated member who stays, and whose latest grant in person is, or was, known from an event
-- that goes: all of what memory.member_grants holds after this purge. It closes regressions, no more.
with due as (

    select * from {{ ref('purge_due') }}

),

staying as (

    select distinct standings.member_id
    from {{ ref('member_standings') }} as standings
    left join due
        on
            due.table_name = 'shop.members'
            and cast(standings.member_id as varchar) = due.record_key
    where
        due.record_key is null
        and standings.legacy_customer_id is not null

),

touched as (

    select distinct cast(subject_key as bigint) as member_id
    from due
    where
        table_name = 'shop.consent_events'
        and subject_key is not null

    union

    select member_id from {{ source('shop_memory', 'member_grants') }}

),

grants as (

    select
        {{ as_type('grants.subject_key', 'bigint') }} as member_id,
        grants.granted_in_person_at as granted_at
    from {{ ref('subject_grants') }} as grants
    inner join {{ ref('policy_settings') }} as settings
        on
            settings.setting = 'acting_purpose'
            and grants.purpose = settings.value
    where grants.granted_in_person_at is not null

    union all

    select
        member_id,
        granted_at
    from {{ source('shop_memory', 'member_grants') }}

),

remembered as (

    select
        grants.member_id,
        max(grants.granted_at) as granted_at
    from grants
    inner join staying on grants.member_id = staying.member_id
    inner join touched on grants.member_id = touched.member_id
    group by grants.member_id

)

select * from remembered
