-- One row per hold that is open at T. Without placed_at it is open; a table nobody knows is all tables.
{{ config(materialized='view') }}

with holds as (

    select * from {{ ref('stg_holds') }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

open_holds as (

    select
        holds.hold_id,
        case when holds.table_name in ({{ known_tables() }}) then holds.table_name end as table_name,
        holds.member_id as subject_key,
        holds.email as contact
    from holds
    cross join as_of
    where
        (holds.placed_at is null or holds.placed_at <= as_of.as_of)
        and (holds.released_at is null or holds.released_at > as_of.as_of)

)

select * from open_holds
