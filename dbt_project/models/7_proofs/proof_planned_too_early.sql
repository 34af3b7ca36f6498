-- Rows of the plan whose class does not have them expired: before the deadline, in grace, floored.
with plan as (

    select * from {{ ref('purge_plan') }}

),

states as (

    select * from {{ ref('record_states') }}

),

as_of as (

    select * from {{ ref('as_of') }}

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
    where
        states.state is distinct from 'expired'
        or states.deadline_at > as_of.as_of
        or states.grace_until > as_of.as_of
        or states.floor_until > as_of.as_of

)

select * from violations
