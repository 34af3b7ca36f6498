{#- The tagged columns of the models in the schema of the audiences, as a select. -#}
{%- macro tagged_audience_columns() -%}
    {%- set schema = ref('audience_deletion_notice').schema -%}
    {%- set rows = [] -%}
    {%- for column in kigen.tagged_columns() if column.schema_name == schema -%}
        {%- do rows.append("('" ~ column.schema_name ~ "', '" ~ column.table_name ~ "', '" ~ column.column_name ~ "')") -%}
    {%- endfor -%}
    select * from (values {{ rows | join(', ') or "(null, null, null)" }}) as tagged (schema_name, table_name, column_name)
{%- endmacro -%}
