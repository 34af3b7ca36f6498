{#- Whether a text says anything: it is not null, and not blank only (space, tab, CR, LF, U+00A0, U+3000).

    column: an expression. -#}
{%- macro has_text(column) -%}
    {{- return(adapter.dispatch('has_text', 'kigen')(column)) -}}
{%- endmacro -%}

{%- macro default__has_text(column) -%}
    coalesce(trim(cast({{ column }} as varchar), ' ' || chr(9) || chr(10) || chr(13) || chr(160) || chr(12288)) <> '', false)
{%- endmacro -%}
