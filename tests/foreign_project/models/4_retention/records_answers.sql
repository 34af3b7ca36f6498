-- One row per answer: clock, deadline, state. It goes with its customer.
with answers as (

    select * from {{ source('crm', 'answers') }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

clocks as (

    select
        answers.answer_no,
        answers.customer_no as subject_key,
        cast(null as varchar) as contact,
        answers.said_at as dated_at,
        case when answers.said_at <= as_of.as_of then answers.said_at end as answer_log__clock_at,
        'said_at' as answer_log__clock_source
    from answers
    cross join as_of

),

{{ kigen.records_of('crm.answers', clocks='clocks', register=ref('records_customers')) }}
