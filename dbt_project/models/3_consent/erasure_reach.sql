-- One row per thing an open request to erase covers: a subject, a subject's former record, or a
-- contact point (for rows without a subject only, so that no third person in a shared mailbox is
-- reached). verified_ats: when identities were verified.
with erasures as (

    {{ contributed('erasures', [
        ['subject_key', 'varchar'], ['contact', 'varchar'],
        ['verified_at', 'timestamp'], ['is_open', 'boolean']
    ]) }}

),

subjects as (

    select * from {{ ref('subjects') }}

),

reached as (

    select
        'subject' as reach_kind,
        cast(null as varchar) as table_name,
        cast(subject_key as varchar) as reach_key,
        verified_at
    from erasures
    where
        is_open
        and subject_key is not null

    union all

    select
        'contact' as reach_kind,
        cast(null as varchar) as table_name,
        contact as reach_key,
        verified_at
    from erasures
    where
        is_open
        and contact is not null

    union all

    select
        'record' as reach_kind,
        subjects.former_table as table_name,
        subjects.former_key as reach_key,
        erasures.verified_at
    from erasures
    inner join subjects on erasures.subject_key = subjects.subject_key
    where
        erasures.is_open
        and subjects.former_key is not null

),

reach as (

    select
        reach_kind,
        table_name,
        reach_key,
        {{ moments('verified_at') }} as verified_ats
    from reached
    group by reach_kind, table_name, reach_key

)

select * from reach
