-- One row per contact point that a memory may speak of, with its keyed digest. Incremental: a digest
-- costs microseconds, ten million of them do not; what has gone from the tables goes here too.
-- Empty while there is nothing to remember.
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    pre_hook="{{ kigen.forget('contact not in (select seen.contact from ' ~ ref('seen_contacts') ~ ' as seen)') }}"
) }}

with seen as (

    select * from {{ ref('seen_contacts') }}

),

pads as (

    select * from {{ pads() }}

),

fresh as (

    select seen.contact
    from seen
    {%- if is_incremental() %}
        where seen.contact not in (select known.contact from {{ this }} as known)
    {%- endif %}

),

contact_points as (

    select
        fresh.contact,
        {{ digest('fresh.contact') }} as contact_digest,
        pads.key_id
    from fresh
    cross join pads

)

select * from contact_points
