-- Columns that hold the address of a purged contact, and that nobody governs, and governed tables with a
-- record of one that a plan should have taken; with how many. Records still within their own class are
-- no copies (DESIGN section 5).
-- A table, not a view: it needs the key, and whoever reads the proofs does not have it.
{{ config(materialized='table') }}

with copies as (

    {{ contact_copies() | indent(4) }}

    union all

    select
        cast(null as varchar) as schema_name,
        table_name,
        cast(null as varchar) as column_name,
        contact
    from {{ ref('records') }}
    where state = 'expired'

),

pads as (

    select * from {{ pads() }}

),

purged as (

    select distinct contact_digest
    from {{ source('memory', 'suppressions') }}
    where reason = 'purge'

),

present as (

    select distinct contact
    from {{ ref('subjects') }}
    where contact is not null

),

candidates as (

    select
        copies.schema_name,
        copies.table_name,
        copies.column_name,
        {{ digest('copies.contact') }} as contact_digest
    from copies
    cross join pads
    left join present on copies.contact = present.contact
    where
        copies.contact is not null
        and present.contact is null

),

violations as (

    select
        candidates.schema_name,
        candidates.table_name,
        candidates.column_name,
        count(*) as copy_count
    from candidates
    inner join purged on candidates.contact_digest = purged.contact_digest
    group by candidates.schema_name, candidates.table_name, candidates.column_name

)

select * from violations
