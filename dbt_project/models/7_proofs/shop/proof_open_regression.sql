-- Members who seem to have left, or refused, on the old site, and on the new one do not. The case the
-- project was made for: each is one wronged person, were it not barred.
with violations as (

    select
        member_id,
        kind
    from {{ ref('migration_regressions') }}
    where
        is_open
        and kind <> 'unmapped'

)

select * from violations
