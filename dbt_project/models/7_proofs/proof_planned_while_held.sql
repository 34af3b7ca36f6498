-- Rows of the plan that an open hold reaches.
with planned as (

    select
        records.table_name,
        records.record_key,
        records.subject_key,
        records.contact
    from {{ ref('purge_plan') }} as plan
    inner join {{ ref('records') }} as records
        on
            plan.table_name = records.table_name
            and plan.record_key = records.record_key
    where plan.is_due

),

violations as (

    {{ held_records('planned') | indent(4) }}

)

select * from violations
