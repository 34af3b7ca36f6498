-- One row per mail that came back. Without the raw table, nothing did.
{%- set bounces = source('mailing', 'bounces') %}
{%- set is_there = not execute or load_relation(bounces) is not none %}

with source as (

    {% if is_there -%}
        select * from {{ bounces }}
    {%- else -%}
        select
            cast(null as bigint) as message_id,
            cast(null as timestamp) as bounced_at
        where false
    {%- endif %}

),

renamed as (

    select
        {{ as_type('source.message_id', 'bigint') }} as message_id,
        {{ as_type('source.bounced_at', 'timestamp') }} as bounced_at,
        {{ are_readable([
            ['source.message_id', 'bigint'],
            ['source.bounced_at', 'timestamp']
        ]) }} as is_readable
    from source

)

select * from renamed
