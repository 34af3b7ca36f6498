-- One row per record of a governed table: whose it is, as far as anybody can tell, and the e-mail address its person can
-- be told at. A person is the subject the record names; else the subject whose contact point it carries, the lowest key
-- where there are several; else the contact point; else the record itself.
{{ config(materialized='view') }}

{%- set registers = governed_tables() | selectattr('register') | selectattr('has_email') | map(attribute='name') | list %}

with subjects as (

    select * from {{ ref('subjects') }}

),

mailbox_subjects as (

    select
        contact,
        min(subject_key) as subject_key
    from subjects
    where contact is not null
    group by contact

),

subject_contacts as (

    select
        subject_key,
        min(contact) as contact
    from subjects
    where
        subject_key is not null
        and {{ can_be_written_to('contact') }}
        and table_name in ('{{ registers | join("', '") }}')
    group by subject_key

),

persons as (

    {% for model in judged_models() -%}
    {%- set table = model.table -%}
    {%- set own = 'case when ' ~ can_be_written_to('records.contact') ~ ' then records.contact end' if table.has_email else 'cast(null as varchar)' -%}
    select
        '{{ table.name }}' as table_name,
        records.record_key,
        case
            when records.subject_key is not null then 'subject ' || cast(records.subject_key as varchar)
            when mailbox_subjects.subject_key is not null
                then 'subject ' || cast(mailbox_subjects.subject_key as varchar)
            when records.contact is not null then 'contact ' || records.contact
            else 'record ' || records.record_key
        end as person_key,
        coalesce({{ own }}, subject_contacts.contact) as email,
        records.clock_at
    from (
        select
            {{ record_key(table['keys']) }} as record_key,
            subject_key,
            contact,
            {{ record_clock(model.policies) }} as clock_at
        from {{ model.relation }}
    ) as records
    left join mailbox_subjects
        on mailbox_subjects.contact = case when records.subject_key is null then records.contact end
    left join subject_contacts
        on
            subject_contacts.subject_key
            = coalesce({{ subject_key('records.subject_key') }}, mailbox_subjects.subject_key)
    {% if not loop.last %}
    union all

    {% endif %}
    {%- else -%}
    select
        cast(null as varchar) as table_name,
        cast(null as varchar) as record_key,
        cast(null as varchar) as person_key,
        cast(null as varchar) as email,
        cast(null as timestamp) as clock_at
    where false
    {%- endfor %}

)

select * from persons
