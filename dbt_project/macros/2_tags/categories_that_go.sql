{#- What goes with a row of a governed table, as a select of table_name (as `shop.members`) and data_category: the
    categories of its own personal columns, and of those of the tables whose rows follow it. -#}
{%- macro categories_that_go() -%}
    {%- set rows = [] -%}
    {%- set tables = kigen.governed_tables() -%}
    {%- for table in tables -%}
        {%- for other in tables if other.name == table.name or (other.follows and other.follows.register == table.name) -%}
            {%- for category in other.categories -%}
                {%- do rows.append("('" ~ table.name ~ "', '" ~ category ~ "')") -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
    select distinct
        table_name,
        data_category
    from (values {{ rows | join(', ') or '(null, null)' }}) as goes (table_name, data_category)
{%- endmacro -%}
