{#- The governed tables that go after all others (`purge_last`: notices, requests, holds), as a list of SQL strings. -#}
{%- macro tables_purged_last() -%}
    {%- set names = [] -%}
    {%- for table in kigen.governed_tables() if table.purge_last -%}
        {%- do names.append("'" ~ table.name ~ "'") -%}
    {%- endfor -%}
    {{- (names or ["''"]) | join(', ') -}}
{%- endmacro -%}
