-- One row per subject that is barred from audiences of a message class (null: of every class), and why.
{{ config(materialized='view') }}

with bars as (

    {{ contributed('bars', [
        ['subject_key', 'varchar'], ['message_class', 'varchar'], ['reason', 'varchar']
    ]) }}

)

select * from bars
