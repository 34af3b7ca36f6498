-- One row per record of a raw table where who was purged stays purged, once something was purged from it.
with purged as (

    select distinct table_name from {{ source('memory', 'purged_records') }}

),

keys as (

    select
        cast(null as varchar) as table_name,
        cast(null as varchar) as record_key
    where false
    {%- for table in governed_tables() if table.stays_purged %}

        union

        select
            '{{ table.name }}' as table_name,
            {{ record_key(table['keys']) }} as record_key
        from {{ table.relation }}
        where '{{ table.name }}' in (select purged.table_name from purged)
    {%- endfor %}

)

select * from keys
where record_key is not null
