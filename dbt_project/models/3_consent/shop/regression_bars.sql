-- One row per open regression, as the audiences read it: who seems to have left is in no audience at
-- all, who seems to have refused in no marketing audience.
{{ config(materialized='view') }}

with regressions as (

    select * from {{ ref('migration_regressions') }}
    where is_open

),

bars as (

    select
        member_id as subject_key,
        case when kind <> 'left_to_active' then 'marketing' end as message_class,
        kind as reason
    from regressions

)

select * from bars
