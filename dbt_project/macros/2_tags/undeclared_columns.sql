{#- The columns the warehouse has that the last scan found personal, or the lineage says inherit personal data, and
    that no declaration speaks of, as a list of [schema, table, column, category]; whatever the policy's own
    threshold: what is doubtful counts. By name and not by `source`: a model that waited for the scan and the lineage
    would not be made anew after a purge. Empty where nothing was scanned yet. -#}
{%- macro undeclared_columns() -%}
    {%- set findings = api.Relation.create(database=target.database, schema='tags', identifier='scan_findings') -%}
    {%- set inherited = api.Relation.create(database=target.database, schema='tags', identifier='inherited_columns') -%}
    {%- if load_relation(findings) is none or load_relation(inherited) is none -%}
        {{- return([]) -}}
    {%- endif -%}
    {%- set query -%}
        select distinct known.schema_name, known.table_name, known.column_name, known.data_category
        from (
            select schema_name, table_name, column_name, data_category from {{ findings }}
            where is_personal
            union all
            select schema_name, table_name, column_name, data_category from {{ inherited }}
            where problem is not null
        ) as known
        inner join information_schema.columns as present
            on
                known.schema_name = present.table_schema
                and known.table_name = present.table_name
                and known.column_name = present.column_name
                and present.table_catalog = '{{ target.database }}'
        left join ({{ kigen.declared_columns() }}) as declared
            on
                known.schema_name = declared.schema_name
                and known.table_name = declared.table_name
                and known.column_name = declared.column_name
        where declared.column_name is null
        order by all
    {%- endset -%}
    {{- return(run_query(query).rows) -}}
{%- endmacro -%}
