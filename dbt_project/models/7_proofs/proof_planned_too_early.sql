-- Rows of the plan whose class does not have them expired: before the deadline, in grace, floored. The
-- deadline is made anew from the clock and the policy, and the floors are asked one by one.
with plan as (

    select * from {{ ref('purge_plan') }}
    where is_due

),

states as (

    select * from {{ ref('record_states') }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

policies as (

    select * from {{ ref('deletion_classes') }}

),

-- A class that is also a floor for its action, and has not run out.
floors as (

    select distinct
        states.table_name,
        states.record_key,
        policies.action
    from states
    cross join as_of
    inner join policies
        on
            states.table_name = policies.table_name
            and states.deletion_class = policies.deletion_class
    where
        policies.floor = 'yes'
        and coalesce(
            {{ moved_by('states.clock_at', 'policies.period_months', 'policies.period_days') }} > as_of.as_of,
            true
        )

),

violations as (

    select
        plan.table_name,
        plan.record_key,
        plan.deletion_class
    from plan
    cross join as_of
    left join states
        on
            plan.table_name = states.table_name
            and plan.record_key = states.record_key
            and plan.deletion_class = states.deletion_class
    left join policies
        on
            plan.table_name = policies.table_name
            and plan.deletion_class = policies.deletion_class
    left join floors
        on
            plan.table_name = floors.table_name
            and plan.record_key = floors.record_key
            and plan.action = floors.action
    where
        states.state is distinct from 'expired'
        or states.deadline_at > as_of.as_of
        or states.grace_until > as_of.as_of
        or states.floor_until > as_of.as_of
        or {{ moved_by('states.clock_at', 'policies.period_months', 'policies.period_days') }} > as_of.as_of
        or (floors.record_key is not null and states.clock_source is distinct from 'memory.purged_records')

)

select * from violations
