-- One row per purpose of the policy.
{{ config(materialized='view') }}

with policy as (

    select * from {{ ref('policy_purposes') }}

),

purposes as (

    select
        purpose,
        message_class,
        message_class = 'marketing' as is_marketing,
        needs_consent = 'yes' as needs_consent
    from policy

)

select * from purposes
