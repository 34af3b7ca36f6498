{#- The digest of the policy a plan is made under: every row of it but its words of law. An aggregate over
    deletion_classes under the alias given. A period, a notice or a floor that changes makes another plan. -#}
{%- macro policy_digest(alias) -%}
    {%- set columns = ['deletion_class', 'table_name', 'period', 'notice', 'notice_waiver', 'action', 'floor'] -%}
    {%- set line -%}
        {%- for column in columns -%}coalesce(cast({{ alias }}.{{ column }} as varchar), ''){{ " || chr(9) || " if not loop.last }}{%- endfor -%}
    {%- endset -%}
    {{- kigen.digest_of_lines(line, alias ~ '.table_name, ' ~ alias ~ '.deletion_class') -}}
{%- endmacro -%}
