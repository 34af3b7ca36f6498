{#- For an incremental model with rows per day, before it is built: forget those of the day of T, which are made anew.

    column: the model's column with the day; as_of: the relation with T. -#}
{%- macro forget_day(column, as_of) -%}
    {%- if is_incremental() -%}
        delete from {{ this }} where {{ column }} = (select cast(as_of.as_of as date) from {{ as_of }} as as_of)
    {%- endif -%}
{%- endmacro -%}
