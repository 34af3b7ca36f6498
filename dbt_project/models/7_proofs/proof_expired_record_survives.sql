-- Records that are past their time, and still there after the purge.
with violations as (

    select
        table_name,
        record_key,
        deletion_class,
        deadline_at
    from {{ ref('records') }}
    where state = 'expired'

)

select * from violations
