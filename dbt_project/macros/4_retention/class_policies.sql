{#- The deletion classes of a governed table, in the order of their names, as the policy has them.

    Returns a list of dicts with the columns of `deletion_classes`. Fails on a class that the table
    declares and the policy does not have: a class that is not found must not be skipped. -#}
{%- macro class_policies(table) -%}
    {%- set rows = [] -%}
    {%- set relation = ref('deletion_classes') -%}
    {%- if execute and not kigen.is_only_described(relation) -%}
        {%- set query -%}
            select
                deletion_class, period_months, period_days, has_notice, notice_months, notice_days,
                is_waived_for_left_mailbox, action, floor
            from {{ relation }}
            where table_name = '{{ table.name }}'
            order by deletion_class
        {%- endset -%}
        {%- for row in run_query(query).rows -%}
            {%- if row['deletion_class'] in table['classes'] -%}
                {%- do rows.append(dict(row)) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- for declared in table['classes'] if declared not in rows | map(attribute='deletion_class') | list -%}
            {{- exceptions.raise_compiler_error("Source " ~ table.name ~ " declares the deletion class '" ~ declared ~ "', which policy_deletion_classes.csv does not have for it; add the row, or take the class out of deletion_classes.") -}}
        {%- endfor -%}
    {%- endif -%}
    {{- return(rows) -}}
{%- endmacro -%}
