-- Rows of the plan under a class with a notice, to which none was sent since their clock, or not the
-- full time ago;
-- unless the class waives it for a mailbox that has left, and it has.
with planned as (

    select
        plan.table_name,
        plan.record_key,
        plan.deletion_class,
        policies.notice_months,
        policies.notice_days,
        policies.is_waived_for_left_mailbox,
        records.contact,
        states.clock_at,
        states.deadline_at
    from {{ ref('purge_plan') }} as plan
    inner join {{ ref('deletion_classes') }} as policies
        on
            plan.table_name = policies.table_name
            and plan.deletion_class = policies.deletion_class
            and policies.has_notice
    inner join {{ ref('records') }} as records
        on
            plan.table_name = records.table_name
            and plan.record_key = records.record_key
    inner join {{ ref('record_states') }} as states
        on
            plan.table_name = states.table_name
            and plan.record_key = states.record_key
            and plan.deletion_class = states.deletion_class
            and states.clock_source <> 'memory.purged_records'
    where plan.is_due

),

notices as (

    {{ contributed('notices', [['contact', 'varchar'], ['sent_at', 'timestamp']]) }}

),

warned as (

    select distinct
        planned.table_name,
        planned.record_key
    from planned
    inner join notices on planned.contact = notices.contact
    cross join {{ ref('as_of') }} as as_of
    where
        notices.sent_at > planned.clock_at
        and notices.sent_at >= {{ moved_by('planned.deadline_at', '-planned.notice_months', '-planned.notice_days') }}
        and {{ moved_by('notices.sent_at', 'planned.notice_months', 'planned.notice_days') }} <= as_of.as_of

),

violations as (

    select
        planned.table_name,
        planned.record_key,
        planned.deletion_class
    from planned
    left join warned
        on
            planned.table_name = warned.table_name
            and planned.record_key = warned.record_key
    left join {{ ref('left_mailboxes') }} as left_mailboxes on planned.contact = left_mailboxes.contact
    where
        warned.record_key is null
        and not (planned.is_waived_for_left_mailbox and left_mailboxes.contact is not null)

)

select * from violations
