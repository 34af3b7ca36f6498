{#- For an incremental model with table_name and request_key, before it is built: forget the requests whose row has
    gone from its table. Not those that T does not know yet: a build by a past T must lose nothing.

    Only tables whose source says `requests` are looked at. -#}
{%- macro forget_purged_requests() -%}
    {%- if is_incremental() -%}
        {%- set rows = [] -%}
        {%- set tables = [] -%}
        {%- for model in kigen.judged_models() if model.table.requests -%}
            {%- do tables.append("'" ~ model.table.name ~ "'") -%}
            {%- do rows.append("select '" ~ model.table.name ~ "|' || " ~ kigen.record_key(model.table['keys']) ~ " as request from " ~ model.relation) -%}
        {%- endfor -%}
        {%- if rows -%}
            delete from {{ this }}
            where
                table_name in ({{ tables | join(', ') }})
                and table_name || '|' || request_key not in (
                    select there.request from ({{ rows | join(' union all ') }}) as there
                    where there.request is not null
                )
        {%- endif -%}
    {%- endif -%}
{%- endmacro -%}
