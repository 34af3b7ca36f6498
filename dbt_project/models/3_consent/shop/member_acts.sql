-- One row per kind of act of a person that shows they are there: registration, login, order, grant.
-- By subject, by contact point, or both.
{{ config(materialized='view') }}

with standings as (

    select * from {{ ref('member_standings') }}

),

activity as (

    select * from {{ ref('member_activity') }}

),

guest_activity as (

    select * from {{ ref('guest_activity') }}

),

grants as (

    select * from {{ ref('subject_grants') }}

),

settings as (

    select * from {{ ref('policy_settings') }}

),

acts as (

    select
        member_id as subject_key,
        email as contact,
        last_acted_at as acted_at
    from standings

    union all

    select
        member_id as subject_key,
        cast(null as varchar) as contact,
        last_ordered_at as acted_at
    from activity

    union all

    select
        grants.subject_key,
        cast(null as varchar) as contact,
        grants.granted_in_person_at as acted_at
    from grants
    inner join settings
        on
            settings.setting = 'acting_purpose'
            and grants.purpose = settings.value

    union all

    select
        cast(null as bigint) as subject_key,
        email as contact,
        last_ordered_at as acted_at
    from guest_activity

)

select * from acts
