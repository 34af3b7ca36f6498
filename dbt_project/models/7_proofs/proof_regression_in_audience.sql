-- Members of an audience who are barred from its message class by an open regression.
with members as (

    {{ audience_members() | indent(4) }}

),

bars as (

    select * from {{ ref('open_bars') }}

),

violations as (

    select
        members.audience,
        members.subject_key,
        bars.reason
    from members
    inner join bars
        on
            members.subject_key = cast(bars.subject_key as varchar)
            and (bars.message_class is null or members.message_class = bars.message_class)

)

select * from violations
