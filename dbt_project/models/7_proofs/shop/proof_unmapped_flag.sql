-- Members whose old-site flags, or whose old-site row, nobody can read, while that is open: barred from
-- marketing until they say yes themselves.
with violations as (

    select
        member_id,
        kind
    from {{ ref('migration_regressions') }}
    where
        kind = 'unmapped'
        and is_open

)

select * from violations
