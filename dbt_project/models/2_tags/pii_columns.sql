-- One row per personal column, and how we know: it is declared so, or it inherits personal data, or its name and
-- values say so; the first of these decides.
-- The declarations are YAML, so their rows stand in this statement: the manifest is their only list.
with declared as (

    {{ declared_columns() | indent(4) }}

),

inherited as (

    select * from {{ source('tags', 'inherited_columns') }}

),

scanned as (

    {{ sure_findings() | indent(4) }}

),

known as (

    select
        schema_name,
        table_name,
        column_name,
        data_category,
        'declared' as tagged_by
    from declared
    where data_category like 'user%'

    union all

    select
        inherited.schema_name,
        inherited.table_name,
        inherited.column_name,
        inherited.data_category,
        'inherited' as tagged_by
    from inherited
    left join declared
        on
            inherited.schema_name = declared.schema_name
            and inherited.table_name = declared.table_name
            and inherited.column_name = declared.column_name
    where declared.column_name is null

    union all

    select
        scanned.schema_name,
        scanned.table_name,
        scanned.column_name,
        scanned.data_category,
        'scanned' as tagged_by
    from scanned
    left join declared
        on
            scanned.schema_name = declared.schema_name
            and scanned.table_name = declared.table_name
            and scanned.column_name = declared.column_name
    left join inherited
        on
            scanned.schema_name = inherited.schema_name
            and scanned.table_name = inherited.table_name
            and scanned.column_name = inherited.column_name
    where
        declared.column_name is null
        and inherited.column_name is null

)

select
    known.schema_name,
    known.table_name,
    known.column_name,
    known.data_category,
    known.tagged_by,
    inherited.path,
    scanned.evidence
from known
left join inherited
    on
        known.schema_name = inherited.schema_name
        and known.table_name = inherited.table_name
        and known.column_name = inherited.column_name
left join scanned
    on
        known.schema_name = scanned.schema_name
        and known.table_name = scanned.table_name
        and known.column_name = scanned.column_name
