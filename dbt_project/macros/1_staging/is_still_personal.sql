{#- Whether anything personal is left in a row of a source: a column tagged pii, or the subject key,
    is not null (DESIGN section 5). Reads the row under the alias `source`.

    Fails on a table that is not governed: `false` would read as "nothing personal here". -#}
{%- macro is_still_personal(source_name, table) -%}
    {%- if execute -%}
        {%- set declared = kigen.governed_table(source_name ~ '.' ~ table) -%}
        {%- set columns = declared.personal + ([declared.subject] if declared.subject else []) -%}
        ({% for column in columns %}source.{{ column }} is not null{{ ' or ' if not loop.last }}{% endfor %})
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro -%}
