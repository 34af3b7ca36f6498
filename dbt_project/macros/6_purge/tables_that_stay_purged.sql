{#- The governed tables where who was purged stays purged, as a list of SQL strings. -#}
{%- macro tables_that_stay_purged() -%}
    {%- set names = [] -%}
    {%- for table in kigen.governed_tables() if table.stays_purged -%}
        {%- do names.append("'" ~ table.name ~ "'") -%}
    {%- endfor -%}
    {{- (names or ['null']) | join(', ') -}}
{%- endmacro -%}
