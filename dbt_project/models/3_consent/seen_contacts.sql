-- One row per contact point of a subject, of an act, or of something said: whatever a memory may speak of.
{{ config(materialized='view') }}

with contacts as (

    select contact from {{ ref('subjects') }}
    where contact is not null

    union

    select contact from (
        {{ contributed('activities', [['contact', 'varchar']]) }}
    ) as activities
    where contact is not null

    union

    select contact from (
        {{ contributed('consent_events', [['contact', 'varchar']]) }}
    ) as events
    where contact is not null

)

select * from contacts
