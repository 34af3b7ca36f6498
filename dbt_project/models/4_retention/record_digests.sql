-- One row per record of a table where who was purged stays purged, with its keyed digest. Incremental,
-- as contact_points is. Empty until something was purged from the table.
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    pre_hook="{{ kigen.forget(\"table_name || '|' || record_key not in (select keys.table_name || '|' || keys.record_key from \" ~ ref('remembered_keys') ~ ' as keys)') }}"
) }}

with fresh as (

    select
        keys.table_name,
        keys.record_key
    from {{ ref('remembered_keys') }} as keys
    {% if is_incremental() -%}
        left join {{ this }} as known
            on
                keys.table_name = known.table_name
                and keys.record_key = known.record_key
        where known.record_key is null
    {%- endif %}

),

pads as (

    select * from {{ pads() }}

),

record_digests as (

    select
        fresh.table_name,
        fresh.record_key,
        {{ digest("fresh.table_name || '|' || fresh.record_key") }} as record_digest,
        pads.key_id
    from fresh
    cross join pads

)

select * from record_digests
