-- One row per record and applicable class: which clock, from which column, until when, and the state.
-- The answer to "why is this still here, until when"; docs/semantics.md has the select.
{{ config(materialized='view') }}

{%- set models = judged_models() %}
{%- set rows = [] %}

with states as (

    {% for model in models -%}
    {%- set table = model.table -%}
    {%- for policy in model.policies %}
    {%- set class = policy.deletion_class %}
    select
        '{{ table.name }}' as table_name,
        {{ record_key(table['keys']) }} as record_key,
        cast(subject_key as varchar) as subject_key,
        '{{ class }}' as deletion_class,
        {{ class }}__clock_at as clock_at,
        {{ class }}__clock_source as clock_source,
        {{ class }}__deadline_at as deadline_at,
        {% if policy.has_notice %}{{ class }}__notice_sent_at{% else %}cast(null as timestamp){% endif %} as notice_sent_at,
        {% if policy.has_notice %}{{ class }}__grace_until{% else %}cast(null as timestamp){% endif %} as grace_until,
        {{ class }}__floor_until as floor_until,
        case when {{ class }}__rank = 6 then held_by end as hold_id,
        {{ state_of_rank(class ~ '__rank', 'null') }} as state
    from {{ model.relation }}
    where {{ class }}__rank > 0

    union all
    {% endfor %}
    select
        '{{ table.name }}' as table_name,
        {{ record_key(table['keys']) }} as record_key,
        cast(subject_key as varchar) as subject_key,
        bound_class as deletion_class,
        cast(null as timestamp) as clock_at,
        bound_clock_source as clock_source,
        bound_deadline_at as deadline_at,
        cast(null as timestamp) as notice_sent_at,
        cast(null as timestamp) as grace_until,
        bound_floor_until as floor_until,
        case when bound_rank = 6 then held_by end as hold_id,
        {{ state_of_rank('bound_rank', 'null') }} as state
    from {{ model.relation }}
    where bound_rank > 0
    {% if not loop.last %}
    union all
    {% endif %}
    {%- else %}
    select
        cast(null as varchar) as table_name,
        cast(null as varchar) as record_key,
        cast(null as varchar) as subject_key,
        cast(null as varchar) as deletion_class,
        cast(null as timestamp) as clock_at,
        cast(null as varchar) as clock_source,
        cast(null as timestamp) as deadline_at,
        cast(null as timestamp) as notice_sent_at,
        cast(null as timestamp) as grace_until,
        cast(null as timestamp) as floor_until,
        cast(null as bigint) as hold_id,
        cast(null as varchar) as state
    where false
    {%- endfor %}

)

select * from states
