-- Records with a class whose clock is not known: never purged by it. How many there are, for somebody to mend.
with violations as (

    select
        table_name,
        record_key,
        deletion_class
    from {{ ref('record_states') }}
    where state = 'unclocked'

)

select * from violations
