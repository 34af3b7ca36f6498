-- Tables that hold columns which look personal, and that are no source, seed or model of the project: nobody
-- governs what is in them. Declare them as a source, or take them away.
with findings as (

    {{ sure_findings() | indent(4) }}

),

tables as (

    {{ source_tables(with_nodes=true) | indent(4) }}

),

violations as (

    select
        findings.schema_name,
        findings.table_name,
        findings.schema_name || '.' || findings.table_name || ' looks like it holds '
        || string_agg(distinct findings.data_category, ', ' order by findings.data_category)
        || ' and is no source of the project; declare it as one, or take it away' as message
    from findings
    left join tables
        on
            findings.schema_name = tables.schema_name
            and findings.table_name = tables.table_name
    where tables.table_name is null
    group by findings.schema_name, findings.table_name

)

select * from violations
