-- One row per mail that was sent: its clock, deadline and state. A deletion notice stays while a record
-- it started the grace for is still there, or one whose mailbox is out of reach because it came back.
with source as (

    select * from {{ ref('stg_messages') }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

-- A class whose notice the policy has taken away starts no grace.
{% set noticed = [] -%}
{%- for relation, class in [(ref('records_members'), 'member_inactive'), (ref('records_orders'), 'guest_inactive')] -%}
    {%- set sent_at = class ~ '__notice_sent_at' -%}
    {%- if not execute or sent_at in adapter.get_columns_in_relation(relation) | map(attribute='name') -%}
        {%- do noticed.append([relation, sent_at]) -%}
    {%- endif -%}
{%- endfor -%}
graces as (

    select
        cast(null as varchar) as contact,
        cast(null as timestamp) as notice_sent_at
    where false
    {%- for relation, sent_at in noticed %}

        union

        select
            contact,
            {{ sent_at }} as notice_sent_at
        from {{ relation }}
        where
            state <> 'expired'
            and {{ sent_at }} is not null
    {%- endfor %}

),

unreached as (

    select
        members.contact,
        mailboxes.sent_at
    from {{ ref('records_members') }} as members
    inner join {{ ref('member_standings') }} as standings
        on
            members.member_id = standings.member_id
            and standings.is_unreachable
    inner join {{ ref('unreachable_mailboxes') }} as mailboxes on members.contact = mailboxes.contact
    where members.state <> 'expired'

    union

    select
        orders.contact,
        mailboxes.sent_at
    from {{ ref('records_orders') }} as orders
    inner join {{ ref('guest_clocks') }} as guests
        on
            orders.contact = guests.email
            and guests.is_unreachable
    inner join {{ ref('unreachable_mailboxes') }} as mailboxes on orders.contact = mailboxes.contact
    where
        orders.state <> 'expired'
        and orders.subject_key is null

),

needed as (

    select
        contact,
        notice_sent_at as sent_at
    from graces

    union

    select
        contact,
        sent_at
    from unreached

),

clocks as (

    select
        source.message_id,
        cast(null as bigint) as subject_key,
        source.email as contact,
        source.is_readable,
        cast(null as timestamp) as dated_at,
        coalesce(source.kind = 'deletion_notice', false) and needed.contact is not null as is_needed,
        case when source.sent_at <= as_of.as_of then source.sent_at end as message_log__clock_at,
        'sent_at' as message_log__clock_source
    from source
    cross join as_of
    left join needed
        on
            source.email = needed.contact
            and source.sent_at = needed.sent_at

),

{{ records_of('mailing.messages', clocks='clocks', has_readable=true, kept_if='is_needed') }}
