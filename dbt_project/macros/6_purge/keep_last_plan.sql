{#- Before a plan is made anew: keep how many rows the one that stands takes, by table and class, so that the change
    can be shown. Counts only. -#}
{%- macro keep_last_plan() -%}
    {%- if execute and load_relation(this) is not none -%}
        create or replace table purge.last_plan as
        select
            plan_digest,
            table_name,
            deletion_class,
            action,
            count(*) as row_count
        from {{ this }}
        group by plan_digest, table_name, deletion_class, action
    {%- endif -%}
{%- endmacro -%}
