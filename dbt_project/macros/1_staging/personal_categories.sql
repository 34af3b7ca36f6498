{#- The personal data categories of the governed tables, in the order of their names. Empty while dbt parses. -#}
{%- macro personal_categories() -%}
    {%- set found = [] -%}
    {%- for table in kigen.governed_tables() -%}
        {%- do found.extend(table.categories.keys()) -%}
    {%- endfor -%}
    {{- return(found | unique | sort) -}}
{%- endmacro -%}


{#- The column of `personal_values` that counts a category: `user.contact.email` is `user_contact_email`. -#}
{%- macro value_column(category) -%}
    {{- return(category | replace('.', '_')) -}}
{%- endmacro -%}
