{#- The columns of the contributions `consent_events` and `refusals`: one row per thing said. -#}
{%- macro sayings_columns() -%}
    {{- return([
        ['table_name', 'varchar'], ['record_key', 'varchar'], ['subject_key', 'varchar'],
        ['contact', 'varchar'], ['purpose', 'varchar'], ['is_granted', 'boolean'],
        ['is_by_person', 'boolean'], ['occurred_at', 'timestamp'], ['reason', 'varchar']
    ]) -}}
{%- endmacro -%}
