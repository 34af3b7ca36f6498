{#- The plain SHA-256 of a text, as 64 hexadecimal digits: for what is no secret.

    text: a varchar expression. -#}
{%- macro text_digest(text) -%}
    {{- return(adapter.dispatch('text_digest', 'kigen')(text)) -}}
{%- endmacro -%}

{%- macro default__text_digest(text) -%}
    sha256({{ text }})
{%- endmacro -%}


{#- The SHA-256 of many lines in a fixed order: an aggregate, '' for no rows.

    line: a varchar expression, one line a row; ordering: what orders them. -#}
{%- macro digest_of_lines(line, ordering) -%}
    {{- return(adapter.dispatch('digest_of_lines', 'kigen')(line, ordering)) -}}
{%- endmacro -%}

{%- macro default__digest_of_lines(line, ordering) -%}
    sha256(coalesce(string_agg({{ line }}, chr(10) order by {{ ordering }}), ''))
{%- endmacro -%}
