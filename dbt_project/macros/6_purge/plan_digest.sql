{#- The digest of a plan: SHA-256 over its rows in a fixed order. An aggregate over the alias given. -#}
{%- macro plan_digest(alias) -%}
    {%- set columns = ['table_name', 'record_key', 'action', 'deletion_class', 'deadline_at'] -%}
    {%- set line -%}
        {%- for column in columns -%}coalesce(cast({{ alias }}.{{ column }} as varchar), ''){{ " || chr(9) || " if not loop.last }}{%- endfor -%}
    {%- endset -%}
    {{- kigen.digest_of_lines(line, alias ~ '.table_name, ' ~ alias ~ '.record_key') -}}
{%- endmacro -%}
