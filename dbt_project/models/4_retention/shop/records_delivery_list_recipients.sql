-- One row per person on a recipient list: its clock, deadline and state. A copy lives no longer than its list.
with source as (

    select * from {{ ref('stg_delivery_list_recipients') }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

-- A list that stands twice has the later date.
lists as (

    select
        list_id,
        max(created_at) as created_at
    from {{ ref('stg_delivery_lists') }}
    group by list_id

),

clocks as (

    select
        source.list_id,
        source.recipient_no,
        source.member_id as subject_key,
        source.email as contact,
        source.is_readable,
        lists.created_at as dated_at,
        case when lists.created_at <= as_of.as_of then lists.created_at end as delivery_list__clock_at,
        'mailing.delivery_lists.created_at' as delivery_list__clock_source
    from source
    cross join as_of
    left join lists on source.list_id = lists.list_id

),

{{ records_of(
    'mailing.delivery_list_recipients', clocks='clocks', has_readable=true, register=ref('records_members')
) }}
