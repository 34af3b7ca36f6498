-- One row per contact point of a subject, or of a record that is judged by its contact point.
{{ config(materialized='view') }}

with contacts as (

    select contact from {{ ref('subjects') }}
    where contact is not null

    union

    select contact from (
        {{ contributed('activities', [['contact', 'varchar']]) }}
    ) as activities
    where contact is not null

)

select * from contacts
