-- Requests that were not answered in their time: not erased, not disclosed, or nobody has seen whose they are.
-- Keys only.
with standings as (

    select * from {{ ref('request_standings') }}

),

violations as (

    select
        table_name,
        request_key,
        kind,
        standing,
        due_at
    from standings
    where is_overdue

)

select * from violations
