{#- For an incremental model of keyed digests, before it is built: forget the rows that a condition names, and
    all that were made with another key. A table without `key_id`, from before there was one, is forgotten
    whole.

    condition: SQL over the model's own rows. -#}
{%- macro forget(condition) -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
        {%- if 'key_id' in adapter.get_columns_in_relation(this) | map(attribute='name') %}
        where
            key_id <> (select pads.key_id from {{ kigen.pads() }} as pads)
            or {{ condition }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro -%}
