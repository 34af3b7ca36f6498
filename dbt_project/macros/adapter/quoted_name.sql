{#- A name that nobody here has given, as an SQL identifier: it may hold anything. -#}
{%- macro quoted_name(name) -%}
    {{- return('"' ~ name | replace('"', '""') ~ '"') -}}
{%- endmacro -%}


{#- A text as an SQL literal. -#}
{%- macro text_literal(text) -%}
    {{- return("'" ~ text | replace("'", "''") ~ "'") -}}
{%- endmacro -%}
