-- Mailboxes that stand in an audience more than once, by one of their members, or not at all.
with members as (

    {{ audience_members() | indent(4) }}

),

violations as (

    select
        audience,
        min(subject_key) as subject_key,
        count(*) as row_count
    from members
    group by audience, contact
    having count(*) > 1 or contact is null

)

select * from violations
