-- One row per closed regression of a member who stays, and of whom a record goes, or went, that may have
-- closed it: all of what memory.closed_regressions holds after this purge.
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
    where due.record_key is null

),

touched as (

    select distinct cast(subject_key as bigint) as member_id
    from due
    where
        table_name in ('shop.orders', 'shop.consent_events')
        and subject_key is not null

    union

    select member_id from {{ source('shop_memory', 'closed_regressions') }}

),

remembered as (

    select
        regressions.member_id,
        regressions.kind
    from {{ ref('migration_regressions') }} as regressions
    inner join staying on regressions.member_id = staying.member_id
    inner join touched on regressions.member_id = touched.member_id
    where
        not regressions.is_open
        and regressions.kind <> 'clock_jump'

)

select distinct * from remembered
