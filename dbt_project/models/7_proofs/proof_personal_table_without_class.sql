-- Raw and remembered tables with a personal column and no deletion class of the policy.
with tagged as (

    {{ tagged_source_tables() }}

),

violations as (

    select tagged.table_name
    from tagged
    left join {{ ref('deletion_classes') }} as policies on tagged.table_name = policies.table_name
    where policies.table_name is null

)

select distinct * from violations
