-- Columns of declared sources that look personal by their name and values, and of which no tag says anything:
-- an anonymising purge would leave them, and no masked view would hide them. Declare `pii`, or `pii: none` with
-- a reason.
with findings as (

    {{ sure_findings() | indent(4) }}

),

sources as (

    {{ source_tables() | indent(4) }}

),

declared as (

    {{ declared_columns() | indent(4) }}

),

violations as (

    select
        findings.schema_name,
        findings.table_name,
        findings.column_name,
        findings.data_category,
        findings.schema_name || '.' || findings.table_name || '.' || findings.column_name || ' looks like '
        || findings.data_category || ' (' || findings.evidence
        || ') and is not declared; give the column pii, or pii: none with a reason' as message
    from findings
    inner join sources
        on
            findings.schema_name = sources.schema_name
            and findings.table_name = sources.table_name
    left join declared
        on
            findings.schema_name = declared.schema_name
            and findings.table_name = declared.table_name
            and findings.column_name = declared.column_name
    where declared.column_name is null

)

select * from violations
