-- Columns of audience tables, as they stand in the warehouse, that no declaration tags.
with columns as (

    select
        table_schema as schema_name,
        table_name,
        column_name
    from information_schema.columns
    where
        table_catalog = '{{ target.database }}'
        and {{ is_audience_table('table_schema', 'table_name') }}
        and table_name not like '%\_\_dbt\_%' escape '\'

),

tagged as (

    {{ tagged_audience_columns() }}

),

violations as (

    select
        columns.schema_name,
        columns.table_name,
        columns.column_name
    from columns
    left join tagged
        on
            columns.schema_name = tagged.schema_name
            and columns.table_name = tagged.table_name
            and columns.column_name = tagged.column_name
    where tagged.column_name is null

)

select * from violations
