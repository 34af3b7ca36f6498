-- One row per request of a person that exists at T: what has become of it, by when it has to be done, and what it
-- still reaches. A request to erase reaches what it names (DESIGN section 5): rows of its subject, the subject's
-- former row, and rows without a subject that carry its contact point; of them what its verification covers.
{%- set models = judged_models() %}

with requests as (

    {{ contributed('requests', [
        ['table_name', 'varchar'], ['request_key', 'varchar'], ['subject_key', 'varchar'], ['contact', 'varchar'],
        ['kind', 'varchar'], ['requested_at', 'timestamp'], ['verified_at', 'timestamp'], ['closed_at', 'timestamp'],
        ['is_readable', 'boolean']
    ]) }}

),

subjects as (

    select * from {{ ref('subjects') }}

),

duplicates as (

    select * from {{ ref('duplicate_keys') }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

-- GDPR art. 12(3): without undue delay, within one month of receipt at the latest. APPI arts. 33 to 35: without delay.
periods as (

    select
        coalesce(max(case when setting = 'request_due_erase' then cast(value as varchar) end), 'P1M') as to_erase,
        coalesce(max(case when setting = 'request_due_disclose' then cast(value as varchar) end), 'P1M') as to_disclose
    from {{ ref('policy_settings') }}

),

-- What a request may still have to reach: records that a verified erasure covers, and those that nobody can judge.
records as (

    {% for model in models if 'erasure_request' in model.table['classes'] -%}
        select
            '{{ model.table.name }}' as table_name,
            {{ record_key(model.table['keys']) }} as record_key,
            cast(subject_key as varchar) as subject_key,
            contact,
            state,
            erasure_request__clock_at as verified_at,
            erasure_request__floor_until as floor_until
        from {{ model.relation }}
        where
            erasure_request__rank > 0
            or state = 'unclassed'

        union all

    {% endfor -%}
    select
        cast(null as varchar) as table_name,
        cast(null as varchar) as record_key,
        cast(null as varchar) as subject_key,
        cast(null as varchar) as contact,
        cast(null as varchar) as state,
        cast(null as timestamp) as verified_at,
        cast(null as timestamp) as floor_until
    where false

),

-- A value that cannot be read may be the one that says that it is closed, or of whom it is; of two rows with one key
-- nobody can tell which is meant.
read as (

    select
        requests.table_name,
        requests.request_key,
        cast(requests.subject_key as varchar) as subject_key,
        requests.contact,
        requests.kind,
        requests.requested_at,
        requests.verified_at,
        requests.closed_at,
        requests.request_key is not null
        and coalesce(requests.is_readable, false)
        and duplicates.record_key is null as is_clear,
        coalesce(requests.kind in ('erase', 'disclose'), false) as needs_identity,
        case
            when requests.kind in ('erase', 'disclose') then coalesce(requests.requested_at, requests.verified_at)
            else requests.requested_at
        end as asked_at,
        case requests.kind
            when 'erase' then periods.to_erase
            when 'disclose' then periods.to_disclose
            else 'P0D'
        end as period
    from requests
    cross join periods
    left join duplicates
        on
            requests.table_name = duplicates.table_name
            and requests.request_key = duplicates.record_key

),

erasures as (

    select * from read
    where
        kind = 'erase'
        and is_clear
        and verified_at is not null
        and closed_at is null

),

-- The earliest verification that covers a record is its clock: a later one of a request that names it covers it, too.
reached as (

    select
        erasures.table_name,
        erasures.request_key,
        records.table_name as record_table,
        records.record_key,
        records.state,
        records.floor_until
    from erasures
    inner join records on erasures.subject_key = records.subject_key
    where
        records.state = 'unclassed'
        or records.verified_at <= erasures.verified_at

    union

    select
        erasures.table_name,
        erasures.request_key,
        records.table_name as record_table,
        records.record_key,
        records.state,
        records.floor_until
    from erasures
    inner join records on erasures.contact = records.contact
    where
        records.subject_key is null
        and (
            records.state = 'unclassed'
            or records.verified_at <= erasures.verified_at
        )

    union

    select
        erasures.table_name,
        erasures.request_key,
        records.table_name as record_table,
        records.record_key,
        records.state,
        records.floor_until
    from erasures
    inner join subjects on erasures.subject_key = cast(subjects.subject_key as varchar)
    inner join records
        on
            subjects.former_table = records.table_name
            and subjects.former_key = records.record_key
    where
        records.state = 'unclassed'
        or records.verified_at <= erasures.verified_at

),

counted as (

    select
        table_name,
        request_key,
        count(*) as record_count,
        bool_or(state = 'expired') as has_due,
        bool_or(state = 'unclassed') as has_set_aside,
        case when count(floor_until) = count(*) and not bool_or(state = 'held') then max(floor_until) end as kept_until
    from reached
    group by table_name, request_key

),

judged as (

    select
        read.*,
        counted.kept_until,
        {{ moved_by('read.asked_at', period_months('read.period'), period_days('read.period')) }} as due_at,
        case
            when read.kind = 'erase' and read.is_clear and read.verified_at is not null and read.closed_at is null
                then coalesce(counted.record_count, 0)
        end as record_count,
        case
            -- It takes effect when it is made, whoever made it, closed or not: see stop_requests.
            when not read.needs_identity then 'stopped'
            when read.closed_at is not null then 'closed'
            when not read.is_clear then 'unclear'
            when read.verified_at is null then 'waiting_for_identity'
            when read.kind = 'disclose' then 'to_be_disclosed'
            when counted.has_due then 'due'
            when counted.has_set_aside then 'set_aside'
            when counted.record_count > 0 then 'kept'
            else 'erased'
        end as standing
    from read
    left join counted
        on
            read.table_name = counted.table_name
            and read.request_key = counted.request_key

),

standings as (

    select
        judged.table_name,
        judged.request_key,
        judged.subject_key,
        judged.contact,
        judged.kind,
        judged.requested_at,
        judged.verified_at,
        judged.due_at,
        judged.closed_at,
        judged.standing,
        case when judged.standing = 'kept' then judged.kept_until end as kept_until,
        judged.record_count,
        judged.standing in ('waiting_for_identity', 'due', 'to_be_disclosed', 'unclear', 'set_aside')
        and coalesce(judged.due_at <= as_of.as_of, true) as is_overdue
    from judged
    cross join as_of

)

select * from standings
