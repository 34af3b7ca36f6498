-- One row per last notice that was sent by T.
with notices as (

    select * from {{ source('crm', 'notices') }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

sent as (

    select
        {{ kigen.normalised_email('notices.email') }} as contact,
        notices.sent_at
    from notices
    cross join as_of
    where notices.sent_at <= as_of.as_of

)

select * from sent
