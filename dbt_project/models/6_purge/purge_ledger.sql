-- One row per purged record, append-only: what was purged, when, under which rule, by keyed digest.
-- This statement is what the purge takes now; the materialization `purge` takes it, and writes it here
-- in the same transaction, if the guard's verdict for this plan is there. A plain dbt build has none.
{{ config(materialized='purge') }}

-- depends_on: {{ ref('purge_plan') }}
-- depends_on: {{ ref('deletion_classes') }}
{%- set memories = [
    'remembered_suppressions', 'remembered_left_mailboxes', 'remembered_purged_contacts', 'remembered_purged_records'
] %}
{%- for memory in memories %}
-- depends_on: {{ ref(memory) }}
{%- endfor %}
{%- for memory in contributions('memories') %}
-- depends_on: {{ memory }}
{%- endfor %}
{#- The proofs the purge asks see the audiences as they are by then. #}
{%- for audience in contributions('audiences') + [ref('audience_deletion_notice')] %}
-- depends_on: {{ audience }}
{%- endfor %}

with due as (

    select * from {{ ref('purge_due') }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

pads as (

    select * from {{ pads() }}

),

held as (

    {{ held_records('due') | indent(4) }}

),

ledger as (

    select
        due.plan_digest,
        due.table_name,
        due.record_key,
        {{ digest("due.table_name || '|' || due.record_key") }} as record_digest,
        due.action,
        due.deletion_class,
        due.deadline_at,
        as_of.as_of as purged_at,
        due.clock_source,
        due.is_notice_required,
        due.is_notice_waived,
        due.notice_sent_at,
        due.grace_until,
        due.floor_until,
        held.hold_id,
        pads.key_id
    from due
    cross join as_of
    cross join pads
    left join held
        on
            due.table_name = held.table_name
            and due.record_key = held.record_key

)

select * from ledger
