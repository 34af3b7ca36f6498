{#- Which of some records an open hold reaches, read afresh from the holds' reach: a second reading of
    the rule, for the ledger's evidence and the proofs.

    records: a relation or CTE with table_name, record_key, subject_key and contact.
    Returns table_name, record_key, hold_id. -#}
{%- macro held_records(records) -%}
{%- set registers = [] -%}
{%- for table in kigen.governed_tables() if table.register -%}{%- do registers.append("'" ~ table.name ~ "'") -%}{%- endfor -%}
select
    records.table_name,
    records.record_key,
    min(reach.hold_id) as hold_id
from {{ records }} as records
inner join {{ ref('hold_reach') }} as reach
    on
        (
            reach.table_name is null
            or reach.table_name = records.table_name
            -- A hold on a subject keeps the subject's own row, whatever table it names.
            or (reach.reach_kind in ('subject', 'contact') and records.table_name in ({{ (registers or ['null']) | join(', ') }}))
        )
        and (
            reach.reach_kind = 'all'
            or (reach.reach_kind = 'subject' and reach.reach_key = records.subject_key)
            or (reach.reach_kind = 'contact' and reach.reach_key = records.contact)
            or (reach.reach_kind = 'record' and reach.former_table = records.table_name and reach.reach_key = records.record_key)
        )
group by records.table_name, records.record_key
{%- endmacro -%}
