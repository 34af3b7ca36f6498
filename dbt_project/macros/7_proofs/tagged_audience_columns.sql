{#- The tagged columns of the models in the schema of the audiences and of contributed audiences,
    wherever those stand, as a select. -#}
{%- macro tagged_audience_columns() -%}
    {%- set rows = [] -%}
    {%- for column in kigen.tagged_columns() -%}
        {%- do rows.append("('" ~ column.schema_name ~ "', '" ~ column.table_name ~ "', '" ~ column.column_name ~ "')") -%}
    {%- endfor -%}
    select * from (values {{ rows | join(', ') or "(null, null, null)" }}) as tagged (schema_name, table_name, column_name)
    where {{ kigen.is_audience_table('tagged.schema_name', 'tagged.table_name') }}
{%- endmacro -%}


{#- Whether a table is an audience: it stands in the schema of the audiences, or is contributed as one.

    schema_name, table_name: expressions. -#}
{%- macro is_audience_table(schema_name, table_name) -%}
    {%- set own = ref('audience_deletion_notice') -%}
    {#- It stands in the same schema. What it holds is by no consent: there is nothing else to prove of it. -#}
    {%- do ref('audience_legal_notice') -%}
    ({{ schema_name }} = '{{ own.schema }}'
    {%- for relation in kigen.contributions('audiences') if relation.schema != own.schema %}
    or ({{ schema_name }} = '{{ relation.schema }}' and {{ table_name }} = '{{ relation.identifier }}')
    {%- endfor -%}
    )
{%- endmacro -%}
