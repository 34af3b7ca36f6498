-- One row per place that personal data can leak from, a governed table or a lease of an audience: how many persons, which
-- categories, which recipients, as a regulator asks after a leak (APPI art. 26; GDPR art. 33(3)).
--     select * from retention.breach_view where place = 'shop.orders'
-- A lease says only what was written down of it: a person is one contact point of its list.
{{ config(materialized='view') }}

{%- set audiences = audience_reach() %}
{%- set recipient = ['campaign_id', 'audience', 'purpose', 'issued_by', 'issued_at', 'expires_at', 'removed_at'] %}

with persons as (

    select * from {{ ref('record_persons') }}

),

leases as (

    select * from {{ source('delivery', 'leases') }}

),

governed as (

    {% for table in governed_tables() -%}
    {%- set categories = table.categories.keys() | list -%}
    select
        '{{ table.name }}' as table_name,
        {{ text_list(categories) }} as data_categories,
        {{ text_list(sensitive_categories(categories)) }} as sensitive_categories
    {{ 'union all' if not loop.last }}
    {% else -%}
    select
        cast(null as varchar) as table_name,
        {{ text_list(none) }} as data_categories,
        {{ text_list(none) }} as sensitive_categories
    where false
    {% endfor %}

),

audiences as (

    {% for audience in audiences -%}
    select
        '{{ audience.name }}' as audience,
        {{ 'true' if audience.has_email else 'false' }} as has_email,
        {{ text_list(audience.categories) }} as data_categories,
        {{ text_list(sensitive_categories(audience.categories)) }} as sensitive_categories
    {{ 'union all' if not loop.last }}
    {% else -%}
    select
        cast(null as varchar) as audience,
        false as has_email,
        {{ text_list(none) }} as data_categories,
        {{ text_list(none) }} as sensitive_categories
    where false
    {% endfor %}

),

-- By way of whatever models: that an audience reads a table does not say that a value of it is in the audience.
readers as (

    {% for audience in audiences -%}
    {%- for table in audience.tables -%}
    select
        '{{ table }}' as table_name,
        '{{ audience.name }}' as audience
    union all
    {% endfor -%}
    {%- endfor %}
    -- What an audience was made from that is not in the project any more, nobody knows: it may be any table.
    select
        governed.table_name,
        leases.audience
    from governed
    cross join leases
    left join audiences on leases.audience = audiences.audience
    where audiences.audience is null
    group by
        governed.table_name,
        leases.audience

),

counted as (

    select
        table_name,
        count(*) as record_count,
        -- A record whose key is null has nobody, and is somebody all the same.
        count(distinct person_key) + sum(case when person_key is null then 1 else 0 end) as person_count,
        count(distinct case when email is not null then person_key end)
        + sum(case when person_key is null and email is not null then 1 else 0 end) as reachable_count,
        min(clock_at) as oldest_at,
        max(clock_at) as newest_at
    from persons
    group by table_name

),

handed_over as (

    select
        readers.table_name,
        {{ rows_as_list('leases', recipient, ['issued_at', 'campaign_id']) }} as recipients
    from readers
    inner join leases on readers.audience = leases.audience
    group by readers.table_name

),

listed as (

    select
        campaign_id as lease_id,
        {{ rows_as_list('leases', recipient, ['issued_at']) }} as recipients
    from leases
    group by campaign_id

),

places as (

    select
        governed.table_name as place,
        'table' as place_kind,
        coalesce(counted.record_count, 0) as record_count,
        cast(coalesce(counted.person_count, 0) as bigint) as person_count,
        cast(coalesce(counted.reachable_count, 0) as bigint) as reachable_count,
        governed.data_categories,
        governed.sensitive_categories,
        handed_over.recipients,
        counted.oldest_at,
        counted.newest_at
    from governed
    left join counted on governed.table_name = counted.table_name
    left join handed_over on governed.table_name = handed_over.table_name

    union all

    select
        'lease:' || leases.campaign_id as place,
        'lease' as place_kind,
        leases.recipient_count as record_count,
        leases.recipient_count as person_count,
        case when audiences.has_email then leases.recipient_count end as reachable_count,
        audiences.data_categories,
        audiences.sensitive_categories,
        listed.recipients,
        leases.as_of as oldest_at,
        leases.as_of as newest_at
    from leases
    left join audiences on leases.audience = audiences.audience
    left join listed on leases.campaign_id = listed.lease_id

)

select * from places
