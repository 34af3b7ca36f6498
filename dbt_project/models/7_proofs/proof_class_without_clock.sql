-- Deletion classes of the policy that nobody judges: no model has the clock, or the table does not
-- declare the class. A class without a clock never comes due, and nothing would say so.
with judged as (

    {% for model in judged_models() -%}
        {%- for policy in class_policies(model.table) -%}
            select
                '{{ model.table.name }}' as table_name,
                '{{ policy.deletion_class }}' as deletion_class
            union all
        {% endfor -%}
    {%- endfor -%}
    select
        cast(null as varchar) as table_name,
        cast(null as varchar) as deletion_class

),

violations as (

    select
        policies.table_name,
        policies.deletion_class
    from {{ ref('deletion_classes') }} as policies
    left join judged
        on
            policies.table_name = judged.table_name
            and policies.deletion_class = judged.deletion_class
    where
        judged.deletion_class is null
        and policies.action <> 'keep'

)

select * from violations
