-- One row per place with copies of contacts that are gone, and how many: a column that nobody governs, a governed table
-- with records that a plan should have taken (column_name null), or a place in a file; and one per file that cannot be
-- read, for nobody knows what is in it. Records still within their own class are no copies (DESIGN section 5).
-- A table: it needs the key. Built after a purge, before the proofs: of all models it alone reads what nobody governs.
{{ config(materialized='table') }}

{%- set somebody_is_gone = has_rows(ref('gone_contacts')) %}

with gone as (

    select * from {{ ref('gone_contacts') }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

pads as (

    select * from {{ pads() }}

),

exceptions as (

    {{ copy_exceptions() | indent(4) }}

),

{% if somebody_is_gone -%}
    copies as (

        {{ contact_copies() | indent(8) }}

        union all

        select
            cast(null as varchar) as schema_name,
            table_name,
            cast(null as varchar) as column_name,
            contact
        from {{ ref('records') }}
        where state = 'expired'

    ),

    -- Whoever is there is not gone: most copies need no digest.
    staying as (

        select distinct contact from {{ ref('subjects') }}
        where not coalesce(has_left, false)

    ),

    candidates as (

        select
            copies.schema_name,
            copies.table_name,
            copies.column_name,
            {{ digest('copies.contact') }} as contact_digest
        from copies
        cross join pads
        left join staying on copies.contact = staying.contact
        where
            copies.contact is not null
            and staying.contact is null

    ),

    in_tables as (

        select
            candidates.schema_name,
            candidates.table_name,
            candidates.column_name,
            count(*) as copy_count,
            string_agg(distinct gone.reason, ', ' order by gone.reason) as reason
        from candidates
        inner join gone
            on
                candidates.contact_digest = gone.contact_digest
                -- Before a purge has taken the contact, an expired record is simply due.
                and (candidates.schema_name is not null or gone.is_purged)
        group by candidates.schema_name, candidates.table_name, candidates.column_name

    ),

{% else -%}
    in_tables as (

        select
            cast(null as varchar) as schema_name,
            cast(null as varchar) as table_name,
            cast(null as varchar) as column_name,
            cast(null as bigint) as copy_count,
            cast(null as varchar) as reason
        where false

    ),

{% endif -%}
-- What a lease holds is governed until its end.
in_files as (

    select files.*
    from {{ source('delivery', 'file_copies') }} as files
    cross join as_of
    where
        files.governed_until is null
        or files.governed_until <= as_of.as_of

),

places as (

    select
        schema_name,
        table_name,
        column_name,
        cast(null as varchar) as location,
        cast(null as varchar) as path,
        cast(null as varchar) as place,
        copy_count,
        reason,
        cast(null as varchar) as problem
    from in_tables

    union all

    select
        cast(null as varchar) as schema_name,
        cast(null as varchar) as table_name,
        cast(null as varchar) as column_name,
        location,
        path,
        place,
        copy_count,
        reason,
        problem
    from in_files

),

residual_copies as (

    select
        places.*,
        coalesce(as_of.as_of < exceptions.excepted_until, false) as is_excepted,
        exceptions.reason as exception_reason,
        exceptions.excepted_until
    from places
    cross join as_of
    left join exceptions
        on
            places.location = exceptions.location
            or (
                places.schema_name = exceptions.schema_name
                and places.table_name = exceptions.table_name
                and places.column_name = exceptions.column_name
            )

)

select * from residual_copies
