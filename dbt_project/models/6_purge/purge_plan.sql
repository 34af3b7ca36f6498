-- One row per record that a purge would take now: the frozen plan. Its digest covers every row and not
-- T, so that the same plan made again tomorrow is the same plan.
{{ config(materialized='table') }}

with due as (

    select
        table_name,
        record_key,
        action,
        deletion_class,
        deadline_at
    from {{ ref('records') }}
    where state = 'expired'

),

digested as (

    select {{ plan_digest('due') }} as plan_digest
    from due

),

plan as (

    select
        digested.plan_digest,
        due.table_name,
        due.record_key,
        due.action,
        due.deletion_class,
        due.deadline_at
    from due
    cross join digested

)

select * from plan
