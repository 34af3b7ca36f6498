-- Columns of models that inherit personal data and do not say so, or say something else, with the way from the raw
-- column. `kigen tag` writes what is missing.
with inherited as (

    select * from {{ source('tags', 'inherited_columns') }}

),

violations as (

    select
        schema_name,
        table_name,
        column_name,
        data_category,
        problem,
        message
    from inherited
    where problem is not null

)

select * from violations
