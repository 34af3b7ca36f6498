-- One row per notice: clock, deadline, state. It stays while a customer's grace rests on it.
with notices as (

    select * from {{ source('crm', 'notices') }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

graces as (

    select distinct
        contact,
        customer_lapsed__notice_sent_at as sent_at
    from {{ ref('records_customers') }}
    where
        state <> 'expired'
        and customer_lapsed__notice_sent_at is not null

),

clocks as (

    select
        notices.notice_no,
        cast(null as varchar) as subject_key,
        {{ kigen.normalised_email('notices.email') }} as contact,
        notices.sent_at as dated_at,
        case when notices.sent_at <= as_of.as_of then notices.sent_at end as notice_log__clock_at,
        'sent_at' as notice_log__clock_source,
        graces.contact is not null as starts_a_grace
    from notices
    cross join as_of
    left join graces
        on
            {{ kigen.normalised_email('notices.email') }} = graces.contact
            and notices.sent_at = graces.sent_at

),

{{ kigen.records_of('crm.notices', clocks='clocks', kept_if='starts_a_grace') }}
