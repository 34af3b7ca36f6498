{#- Every column of a source, seed, model or snapshot of which a declaration says what it holds, as a select of
    schema_name, table_name, column_name and data_category. That is its tag; `none` where it says, with a reason,
    that it holds nothing personal; `user.unique_id` of the column a source names as the subject of its rows; and
    `none` of another key: what identifies a row is not yet a person's. -#}
{%- macro declared_columns() -%}
    {%- set rows = [] -%}
    {%- set seen = [] -%}
    {%- for column in kigen.tagged_columns(with_none=true) -%}
        {%- do rows.append([column.schema_name, column.table_name, column.column_name, column.data_category]) -%}
        {%- do seen.append([column.schema_name, column.table_name, column.column_name]) -%}
    {%- endfor -%}
    {%- if execute -%}
        {%- for source in graph.sources.values() -%}
            {%- set declared = kigen.node_meta(source).get('kigen') or {} -%}
            {%- set subject = declared.get('subject') -%}
            {%- set keys = [declared.key] if declared.get('key') is string else (declared.get('key') or []) -%}
            {%- for name in ([subject] if subject else []) + keys if [source.schema, source.identifier, name] not in seen -%}
                {%- do rows.append([source.schema, source.identifier, name, 'user.unique_id' if name == subject else 'none']) -%}
                {%- do seen.append([source.schema, source.identifier, name]) -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endif -%}
    {%- set values = [] -%}
    {%- for row in rows -%}{%- do values.append("('" ~ row | join("', '") ~ "')") -%}{%- endfor -%}
    select * from (values {{ values | join(', ') or '(null, null, null, null)' }}) as written (schema_name, table_name, column_name, data_category)
    where column_name is not null
{%- endmacro -%}
