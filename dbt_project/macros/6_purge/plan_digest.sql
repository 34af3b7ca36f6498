{#- The digest of a plan: SHA-256 over its rows in a fixed order, each with the digest of the policy it came from.
    An aggregate over the alias given; T is not part of it. -#}
{%- macro plan_digest(alias) -%}
    {%- set columns = ['table_name', 'record_key', 'action', 'deletion_class', 'deadline_at', 'policy_digest'] -%}
    {%- set line -%}
        {%- for column in columns -%}coalesce(cast({{ alias }}.{{ column }} as varchar), ''){{ " || chr(9) || " if not loop.last }}{%- endfor -%}
    {%- endset -%}
    {{- kigen.digest_of_lines(line, alias ~ '.table_name, ' ~ alias ~ '.record_key') -}}
{%- endmacro -%}
