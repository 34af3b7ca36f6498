-- One row per deletion notice that came back: it is no notice. What was seen once stays for as long as the notice
-- does: mailing tools forget bounces in weeks, and a notice must not come to count when they do.
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    full_refresh=false,
    pre_hook="{{ kigen.forget('message_id not in (select sent.message_id from ' ~ ref('stg_messages') ~ ' as sent where sent.message_id is not null)', is_keyed=false) }}"
) }}

with bounces as (

    select * from {{ ref('stg_bounces') }}

),

notices as (

    select distinct message_id from {{ ref('stg_messages') }}
    where kind = 'deletion_notice'

),

-- Without a time that can be read, it came back whenever it was sent.
bounced as (

    select
        bounces.message_id,
        case when bool_and(bounces.bounced_at is not null) then min(bounces.bounced_at) end as bounced_at
    from bounces
    inner join notices on bounces.message_id = notices.message_id
    {% if is_incremental() -%}
        where bounces.message_id not in (select known.message_id from {{ this }} as known)
    {% endif -%}
    group by bounces.message_id

)

select * from bounced
