{#- The findings of the scan that count, as a select from `tags.scan_findings`: personal, of columns that are still
    there, and at least as sure as policy_settings.csv asks (`scan_min_confidence_percent`; 50 where it asks nothing,
    which is the scan's own verdict). -#}
{%- macro sure_findings() -%}
    select findings.*
    from {{ source('tags', 'scan_findings') }} as findings
    inner join information_schema.columns as present
        on
            findings.schema_name = present.table_schema
            and findings.table_name = present.table_name
            and findings.column_name = present.column_name
            and present.table_catalog = '{{ target.database }}'
    where
        findings.is_personal
        and findings.confidence * 100 >= coalesce(
            (
                select max(try_cast(settings.value as double)) from {{ ref('policy_settings') }} as settings
                where settings.setting = 'scan_min_confidence_percent'
            ),
            50
        )
{%- endmacro -%}
