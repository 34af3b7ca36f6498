-- One row per record of a governed raw table whose key does not name it alone: it stands twice, or
-- is null. Such a record is never purged and never in an audience, for we cannot tell which it is.
{{ config(materialized='table') }}

{% for table in governed_tables() -%}
    select
        '{{ table.name }}' as table_name,
        {{ record_key(table['keys']) }} as record_key,
        count(*) as row_count
    from {{ table.relation }}
    group by {{ table['keys'] | join(', ') }}
    having count(*) > 1 or {{ record_key(table['keys']) }} is null
    {% if not loop.last %}union all{% endif %}
{% else -%}
    select
        cast(null as varchar) as table_name,
        cast(null as varchar) as record_key,
        cast(null as bigint) as row_count
    where false
{% endfor %}
