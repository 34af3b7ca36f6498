-- One row per row of a register of subjects: who it is, where they are reached, whether they are there.
-- has_left and is_active are what "a mailbox that has left" is judged by (DESIGN section 5).
{{ config(materialized='view') }}

with subjects as (

    {{ contributed('subjects', [
        ['table_name', 'varchar'], ['subject_key', 'varchar'], ['contact', 'varchar'],
        ['is_active', 'boolean'], ['has_left', 'boolean'],
        ['former_table', 'varchar'], ['former_key', 'varchar']
    ]) }}

)

select * from subjects
