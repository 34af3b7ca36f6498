-- Verified requests to erase, not closed, that cover no record here and none in the ledger: a mistyped
-- address, perhaps, and a person who waits.
-- A table, not a view: it needs the key, and whoever reads the proofs does not have it.
{{ config(materialized='table') }}

with erasures as (

    {{ contributed('erasures', [
        ['request_key', 'varchar'], ['subject_key', 'varchar'], ['contact', 'varchar'],
        ['verified_at', 'timestamp'], ['is_open', 'boolean']
    ]) }}

),

named as (

    select
        request_key,
        cast(subject_key as varchar) as subject_key,
        contact
    from erasures
    where
        is_open
        and verified_at is not null

),

pads as (

    select * from {{ pads() }}

),

states as (

    select distinct
        states.subject_key,
        records.contact
    from {{ ref('record_states') }} as states
    inner join {{ ref('records') }} as records
        on
            states.table_name = records.table_name
            and states.record_key = records.record_key
    where states.deletion_class = 'erasure_request'

),

memories as (

    select contact_digest as digest from {{ source('memory', 'suppressions') }}
    union
    select record_digest as digest from {{ source('memory', 'purged_records') }}

),

registers as (

    select distinct table_name from {{ source('memory', 'purged_records') }}

),

remembered as (

    select named.request_key
    from named
    cross join pads
    inner join memories on {{ digest('named.contact') }} = memories.digest

    union

    select named.request_key
    from named
    cross join pads
    cross join registers
    inner join memories on {{ digest("registers.table_name || '|' || named.subject_key") }} = memories.digest

),

violations as (

    select named.request_key
    from named
    left join states as by_subject on named.subject_key = by_subject.subject_key
    left join states as by_contact on named.contact = by_contact.contact
    left join remembered on named.request_key = remembered.request_key
    where
        by_subject.subject_key is null
        and by_contact.contact is null
        and remembered.request_key is null

)

select distinct * from violations
