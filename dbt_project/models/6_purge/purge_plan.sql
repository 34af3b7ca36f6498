-- One row per record that a purge would take now: the frozen plan. Its digest covers every row with its class, its
-- action and the policy it came from, and not T, so that the same plan made again tomorrow is the same plan.
-- A plan that was approved stands as it was frozen while a row of it is still due: whoever approved it
-- approved those rows, an interrupted purge completes it, and what came later waits for the next plan. is_due: false
-- for a row of it that is due no longer (a hold or a login since), which the purge leaves alone.
{{ config(materialized='table', pre_hook="{{ kigen.keep_last_plan() }}") }}

{%- set earlier = load_relation(this) if execute else none %}
{%- set columns = adapter.get_columns_in_relation(earlier) if earlier is not none else [] %}
{%- set has_earlier = 'policy_digest' in columns | map(attribute='name') %}

with policy as (

    select {{ policy_digest('classes') }} as policy_digest
    from {{ ref('deletion_classes') }} as classes

),

due as (

    select
        records.table_name,
        records.record_key,
        records.action,
        records.deletion_class,
        records.deadline_at,
        policy.policy_digest
    from {{ ref('records') }} as records
    cross join policy
    where records.state = 'expired'

),

digested as (

    select {{ plan_digest('due') }} as plan_digest
    from due

),
{% if has_earlier %}
    approved as (

        select earlier.*
        from {{ this }} as earlier
        where earlier.plan_digest in (
            select approvals.digest
            from {{ approvals() }} as approvals
            where approvals.expires_at > {{ utc_now() }}
        )

    ),

    -- One row if the approved plan stands: whole, under the policy of today, and not applied yet.
    standing as (

        select max(approved.plan_digest) as plan_digest
        from approved
        cross join policy
        left join due
            on
                approved.table_name = due.table_name
                and approved.record_key = due.record_key
        having
            {{ plan_digest('approved') }} = max(approved.plan_digest)
            and max(approved.policy_digest) = max(policy.policy_digest)
            and count(due.record_key) > 0

    ),
{% endif %}
plan as (

    select
        digested.plan_digest,
        due.table_name,
        due.record_key,
        due.action,
        due.deletion_class,
        due.deadline_at,
        due.policy_digest,
        true as is_due
    from due
    cross join digested
    {%- if has_earlier %}
        where not exists (select 1 from standing)

        union all

        select
            approved.plan_digest,
            approved.table_name,
            approved.record_key,
            approved.action,
            approved.deletion_class,
            approved.deadline_at,
            approved.policy_digest,
            due.record_key is not null as is_due
        from approved
        inner join standing on approved.plan_digest = standing.plan_digest
        left join due
            on
                approved.table_name = due.table_name
                and approved.record_key = due.record_key
    {%- endif %}

)

select * from plan
