-- One row per member who stays and whose latest order is, or was, known from a record that goes: all of
-- what memory.member_activity holds after this purge.
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

ordering as (

    select distinct cast(due.subject_key as bigint) as member_id
    from due
    where
        due.table_name = 'shop.orders'
        and due.subject_key is not null

    union

    select member_id from {{ source('shop_memory', 'member_activity') }}

),

remembered as (

    select
        activity.member_id,
        activity.last_ordered_at
    from {{ ref('member_activity') }} as activity
    inner join staying on activity.member_id = staying.member_id
    inner join ordering on activity.member_id = ordering.member_id

)

select * from remembered
