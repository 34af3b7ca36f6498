-- One row per request to erase and mailbox it is about: its own address and its subject's.
{{ config(materialized='view') }}

with erasures as (

    {{ contributed('erasures', [
        ['request_key', 'varchar'], ['subject_key', 'varchar'], ['contact', 'varchar'],
        ['verified_at', 'timestamp'], ['is_open', 'boolean']
    ]) }}

),

subjects as (

    select * from {{ ref('subjects') }}

),

about as (

    select
        request_key,
        contact,
        verified_at,
        is_open
    from erasures
    where contact is not null

    union

    select
        erasures.request_key,
        subjects.contact,
        erasures.verified_at,
        erasures.is_open
    from erasures
    inner join subjects on erasures.subject_key = subjects.subject_key
    where subjects.contact is not null

)

select * from about
