{#- Refuse to build an audience that could hold what nobody declared: it has an enforced contract, and every column
    of it a tag (`meta.pii`; with a reason beside it where that is `none`). The same is checked when Kigen loads the
    project; this is for whoever calls dbt alone. Renders nothing. -#}
{%- macro expect_tags() -%}
    {%- if execute -%}
        {%- if not model.config.contract.enforced -%}
            {{- exceptions.raise_compiler_error("Audience " ~ model.name ~ " has no enforced contract, so it may have columns nobody declares; give config.contract {enforced: true}.") -}}
        {%- endif -%}
        {%- for column in model.columns.values() -%}
            {%- set meta = kigen.node_meta(column) -%}
            {%- if not meta.get('pii') or (meta.pii == 'none' and not meta.get('reason')) -%}
                {{- exceptions.raise_compiler_error("Audience " ~ model.name ~ ": column " ~ column.name ~ " has no tag; give meta.pii, with a reason beside it where that is none.") -}}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro -%}
