-- One row per contact point and purpose: its word, when it was given and by which record.
-- The latest saying is the word; a tie is a no: of two answers given in the same second we cannot know which
-- came last. A machine's grant counts only where nobody ever refused. Of several records of one moment the first
-- by name is shown. decided_at is null for a refusal without a time, which counts as the latest.
-- A view for people: a question about one mailbox reads that mailbox alone. The audiences ask
-- contact_refusals and subject_grants, which say the same.
{{ config(materialized='view') }}

with said as (

    select
        sayings.contact,
        purposes.purpose,
        case
            when not sayings.is_granted then 'refusal'
            when sayings.is_by_person then 'grant'
            else 'machine_grant'
        end as kind,
        sayings.said_at,
        sayings.table_name,
        sayings.record_key
    from {{ ref('contact_sayings') }} as sayings
    inner join {{ ref('purposes') }} as purposes
        on
            sayings.purpose = purposes.purpose
            or (sayings.purpose is null and purposes.is_marketing)

    union all

    select
        contact,
        purpose,
        'refusal' as kind,
        since as said_at,
        'memory.suppressions' as table_name,
        cast(null as varchar) as record_key
    from {{ ref('suppressed_contacts') }}
    where coalesce(reason, '') not in ('purge', 'erasure_verified')

),

placed as (

    select
        *,
        row_number() over (
            partition by contact, purpose, kind
            order by
                said_at desc,
                case when record_key is null then 1 else 0 end asc,
                table_name asc,
                record_key asc
        ) as place
    from said

),

latest as (

    select
        contact,
        purpose,
        max(case when kind = 'refusal' then said_at end) as refused_at,
        max(case when kind = 'refusal' then table_name end) as refused_by_table,
        max(case when kind = 'refusal' then record_key end) as refused_by_key,
        max(case when kind = 'grant' then said_at end) as granted_at,
        max(case when kind = 'grant' then table_name end) as granted_by_table,
        max(case when kind = 'grant' then record_key end) as granted_by_key,
        max(case when kind = 'machine_grant' then said_at end) as machine_granted_at,
        max(case when kind = 'machine_grant' then table_name end) as machine_granted_by_table,
        max(case when kind = 'machine_grant' then record_key end) as machine_granted_by_key
    from placed
    where place = 1
    group by contact, purpose

),

judged as (

    select
        *,
        case
            when refused_at is not null and coalesce(granted_at <= refused_at, true) then 'refusal'
            when refused_at is null and coalesce(machine_granted_at > granted_at, granted_at is null)
                then 'machine_grant'
            else 'grant'
        end as kind
    from latest

),

contact_words as (

    select
        contact as email,
        purpose,
        kind <> 'refusal' as is_granted,
        case kind
            when 'refusal' then nullif(refused_at, cast('infinity' as timestamp))
            when 'grant' then granted_at
            else machine_granted_at
        end as decided_at,
        case kind
            when 'refusal' then refused_by_table
            when 'grant' then granted_by_table
            else machine_granted_by_table
        end as decided_by_table,
        case kind
            when 'refusal' then refused_by_key
            when 'grant' then granted_by_key
            else machine_granted_by_key
        end as decided_by_key
    from judged

)

select * from contact_words
