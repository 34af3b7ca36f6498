-- One row per deletion class and table: the policy with its ISO 8601 periods read.
-- Every column is text, also one that is empty throughout and that dbt then loads as a number.
with policy as (

    select
        cast(deletion_class as varchar) as deletion_class,
        cast(table_name as varchar) as table_name,
        cast(period as varchar) as period,
        cast(notice as varchar) as notice,
        cast(notice_waiver as varchar) as notice_waiver,
        cast(action as varchar) as action,
        cast(floor as varchar) as floor,
        cast(legal_basis as varchar) as legal_basis
    from {{ ref('policy_deletion_classes') }}

),

classes as (

    select
        deletion_class,
        table_name,
        period,
        notice,
        notice_waiver,
        {{ period_months('period') }} as period_months,
        {{ period_days('period') }} as period_days,
        notice is not null as has_notice,
        {{ period_months('notice') }} as notice_months,
        {{ period_days('notice') }} as notice_days,
        coalesce(notice_waiver = 'mailbox_left', false) as is_waived_for_left_mailbox,
        action,
        floor,
        legal_basis
    from policy

)

select * from classes
