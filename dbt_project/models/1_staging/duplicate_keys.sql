-- One row per record of a governed raw table whose key does not name it alone: it stands twice, or
-- is null. Such a record is never purged and never in an audience, for we cannot tell which it is.
-- Counted by a window: it costs a third of a GROUP BY where nearly every key is its own group.
{{ config(materialized='table') }}

{% for table in governed_tables() -%}
    select
        '{{ table.name }}' as table_name,
        {{ record_key(table['keys']) }} as record_key,
        max(place) as row_count
    from (
        select
            {{ table['keys'] | join(', ') }},
            row_number() over (
                partition by {{ table['keys'] | join(', ') }}
                order by {{ table['keys'] | join(', ') }}
            ) as place
        from {{ table.relation }}
    ) as placed
    where
        place > 1
        {%- for key in table['keys'] %}
        or {{ key }} is null
        {%- endfor %}
    group by {{ table['keys'] | join(', ') }}
    {% if not loop.last %}union all{% endif %}
{% else -%}
    select
        cast(null as varchar) as table_name,
        cast(null as varchar) as record_key,
        cast(null as bigint) as row_count
    where false
{% endfor %}
