{#- A list of texts as a value.

    texts: a list, of names that hold no quote; none is null. -#}
{%- macro text_list(texts) -%}
    {{- return(adapter.dispatch('text_list', 'kigen')(texts)) -}}
{%- endmacro -%}

{%- macro default__text_list(texts) -%}
    {%- if texts is none -%}
        cast(null as varchar [])
    {%- else -%}
        cast([{% for text in texts %}'{{ text }}'{{ ', ' if not loop.last }}{% endfor %}] as varchar [])
    {%- endif -%}
{%- endmacro -%}
