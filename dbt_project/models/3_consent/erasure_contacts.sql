-- One row per request to erase and mailbox it is about: its own address and its subject's.
{{ config(materialized='view') }}

with erasures as (

    {{ contributed('erasures', [
        ['table_name', 'varchar'], ['request_key', 'varchar'], ['subject_key', 'varchar'], ['contact', 'varchar'],
        ['verified_at', 'timestamp'], ['is_open', 'boolean']
    ]) }}

),

subjects as (

    select * from {{ ref('subjects') }}

),

about as (

    select
        table_name,
        request_key,
        contact,
        verified_at,
        is_open,
        cast(null as varchar) as via_table,
        cast(null as varchar) as via_key
    from erasures
    where contact is not null

    union

    select
        erasures.table_name,
        erasures.request_key,
        subjects.contact,
        erasures.verified_at,
        erasures.is_open,
        subjects.table_name as via_table,
        cast(subjects.subject_key as varchar) as via_key
    from erasures
    inner join subjects on erasures.subject_key = subjects.subject_key
    where subjects.contact is not null

)

select * from about
