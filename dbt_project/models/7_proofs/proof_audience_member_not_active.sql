-- Members of an audience whose record is not active: past its time, in grace, held, not clear.
with members as (

    {{ audience_members() | indent(4) }}

),

records as (

    select * from {{ ref('records') }}

),

violations as (

    select
        members.audience,
        members.subject_key
    from members
    left join records
        on
            members.register = records.table_name
            and members.subject_key = records.record_key
    where
        members.subject_key is not null
        and records.state is distinct from 'active'

)

select * from violations
