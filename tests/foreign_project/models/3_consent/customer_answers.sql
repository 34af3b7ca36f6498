-- One row per answer that exists at T. Whatever is not a clear yes is a no; a yes needs its time.
with answers as (

    select * from {{ source('crm', 'answers') }}

),

flag_meanings as (

    select * from {{ ref('policy_flag_meanings') }}
    where
        system = 'crm'
        and column_name = 'answers.answer'

),

as_of as (

    select * from {{ ref('as_of') }}

),

existing as (

    select
        'crm.answers' as table_name,
        cast(answers.answer_no as varchar) as record_key,
        answers.customer_no as subject_key,
        cast(null as varchar) as contact,
        'marketing.communications.email' as purpose,
        coalesce(flag_meanings.meaning = 'granted', false) as is_granted,
        true as is_by_person,
        answers.said_at as occurred_at,
        'refusal' as reason
    from answers
    cross join as_of
    left join flag_meanings on answers.answer = flag_meanings.value
    where
        answers.said_at <= as_of.as_of
        or (answers.said_at is null and flag_meanings.meaning is distinct from 'granted')

)

select * from existing
