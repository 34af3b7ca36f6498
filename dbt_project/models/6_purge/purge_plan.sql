-- One row per record that a purge would take now: the frozen plan. Its digest covers every row with its class, its
-- action and the policy it came from, and not T, so that the same plan made again tomorrow is the same plan.
-- A plan that was approved stands as it was frozen while a row of it is still due: whoever approved it
-- approved those rows, an interrupted purge completes it, and what came later waits for the next plan. is_due: false
-- for a row of it that is due no longer (a hold or a login since), which the purge leaves alone.
{{ config(materialized='table', pre_hook="{{ kigen.keep_last_plan() }}") }}

-- depends_on: {{ ref('record_states') }}

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

        select
            earlier.plan_digest,
            earlier.table_name,
            earlier.record_key,
            earlier.action,
            earlier.deletion_class,
            earlier.deadline_at,
            earlier.policy_digest
        from {{ this }} as earlier
        where earlier.plan_digest in (
            select approvals.digest
            from {{ approvals() }} as approvals
            where approvals.expires_at > {{ utc_now() }}
        )

    ),

    -- Still to be taken: expired under the class it was approved under, and by that action or a further one.
    looked_at as (

        select
            approved.*,
            due.record_key is not null and states.record_key is not null as is_due
        from approved
        left join due
            on
                approved.table_name = due.table_name
                and approved.record_key = due.record_key
                and (approved.action = due.action or due.action = 'delete')
        left join {{ ref('record_states') }} as states
            on
                approved.table_name = states.table_name
                and approved.record_key = states.record_key
                and approved.deletion_class = states.deletion_class
                and states.state = 'expired'

    ),

    -- One row if the approved plan stands: whole, under the policy of today, and not applied yet.
    standing as (

        select max(looked_at.plan_digest) as plan_digest
        from looked_at
        cross join policy
        having
            {{ plan_digest('looked_at') }} = max(looked_at.plan_digest)
            and max(looked_at.policy_digest) = max(policy.policy_digest)
            and bool_or(looked_at.is_due)

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
            looked_at.plan_digest,
            looked_at.table_name,
            looked_at.record_key,
            looked_at.action,
            looked_at.deletion_class,
            looked_at.deadline_at,
            looked_at.policy_digest,
            looked_at.is_due
        from looked_at
        inner join standing on looked_at.plan_digest = standing.plan_digest
    {%- endif %}

)

select * from plan
