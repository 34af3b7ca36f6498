{#- Whether a small table holds anything at the moment a model is compiled: what only it could need is left out of
    the model's text while it does not. True where that cannot be told.

    relation: a table of the memory, which nothing but a purge writes, or a parent of the model, which is built before it
    is compiled: no build changes the answer. -#}
{%- macro has_rows(relation) -%}
    {%- if not execute or kigen.is_only_described(relation) -%}
        {{- return(true) -}}
    {%- endif -%}
    {{- return(run_query('select count(*) from ' ~ relation).rows[0][0] > 0) -}}
{%- endmacro -%}
