-- One row per row of the frozen plan that is still expired under its class, judged anew when the purge
-- begins, with the evidence the ledger keeps. A planned row that has gone, or is expired no longer, is not
-- here. A table: the purge and all it remembers read it.
{{ config(materialized='table') }}

with plan as (

    select * from {{ ref('purge_plan') }}

),

records as (

    select * from {{ ref('records') }}
    where state = 'expired'

),

states as (

    select * from {{ ref('record_states') }}
    where state = 'expired'

),

policies as (

    select * from {{ ref('deletion_classes') }}

),

left_mailboxes as (

    select * from {{ ref('left_mailboxes') }}

),

due as (

    select
        plan.plan_digest,
        plan.table_name,
        plan.record_key,
        plan.action,
        plan.deletion_class,
        plan.deadline_at,
        records.subject_key,
        records.contact,
        states.clock_source,
        states.notice_sent_at,
        states.grace_until,
        states.floor_until,
        coalesce(policies.has_notice, false) as is_notice_required,
        coalesce(policies.is_waived_for_left_mailbox and left_mailboxes.contact is not null, false) as is_notice_waived
    from plan
    inner join records
        on
            plan.table_name = records.table_name
            and plan.record_key = records.record_key
            and (plan.action = records.action or records.action = 'delete')
    inner join states
        on
            plan.table_name = states.table_name
            and plan.record_key = states.record_key
            and plan.deletion_class = states.deletion_class
    left join policies
        on
            plan.table_name = policies.table_name
            and plan.deletion_class = policies.deletion_class
    left join left_mailboxes on records.contact = left_mailboxes.contact

)

select * from due
