-- One row per member and way in which the migration contradicts the old site, open or closed.
-- clock_jump is never open: it bars nobody, the earlier date is simply used.
with standings as (

    select * from {{ ref('member_standings') }}
    where legacy_customer_id is not null

),

regressions as (

    select
        member_id,
        'left_to_active' as kind,
        not is_departure_closed as is_open,
        legacy_customer_id,
        legacy_updated_at
    from standings
    where is_left_to_active

    union all

    select
        member_id,
        'no_to_yes' as kind,
        not is_refusal_closed as is_open,
        legacy_customer_id,
        legacy_updated_at
    from standings
    where is_no_to_yes

    union all

    select
        member_id,
        'unmapped' as kind,
        not is_refusal_closed as is_open,
        legacy_customer_id,
        legacy_updated_at
    from standings
    where is_unmapped

    union all

    select
        member_id,
        'clock_jump' as kind,
        false as is_open,
        legacy_customer_id,
        legacy_updated_at
    from standings
    where has_clock_jump

)

select * from regressions
