{#- For an incremental model, before it is built: forget the rows that a condition names; of keyed digests also
    all that were made with another key. A table without `key_id`, from before there was one, is forgotten
    whole.

    condition: SQL over the model's own rows; is_keyed: false for a model without digests. -#}
{%- macro forget(condition, is_keyed=true) -%}
    {%- if is_incremental() and not is_keyed -%}
        delete from {{ this }} where {{ condition }}
    {%- elif is_incremental() -%}
        delete from {{ this }}
        {%- if 'key_id' in adapter.get_columns_in_relation(this) | map(attribute='name') %}
        where
            key_id <> (select pads.key_id from {{ kigen.pads() }} as pads)
            or {{ condition }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro -%}
