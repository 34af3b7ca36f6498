-- One row per contact point of a subject, of an act, or of something said: whatever a memory may speak of.
-- Empty while there is nothing to remember, and then nothing is even read.
{{ config(materialized='view') }}

with memories as (

    select contact_digest from {{ source('memory', 'suppressions') }}
    union all
    select contact_digest from {{ source('memory', 'left_mailboxes') }}
    union all
    select contact_digest from {{ source('memory', 'purged_contacts') }}
    union all
    select contact_digest from {{ source('memory', 'contact_activity') }}

),

counted as (

    select count(*) as memory_count from memories

),

seen as (

    select contact from {{ ref('subjects') }}

    union all

    {{ contributed('activities', [['contact', 'varchar']]) }}

    union all

    {{ contributed('consent_events', [['contact', 'varchar']]) }}

),

contacts as (

    select distinct seen.contact
    from seen
    cross join counted
    where
        seen.contact is not null
        and counted.memory_count > 0

)

select * from contacts
