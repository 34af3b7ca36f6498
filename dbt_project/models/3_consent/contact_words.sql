-- One row per contact point and purpose: its word, when it was given and by which record.
-- decided_at is null for a refusal without a time, which counts as the latest.
{{ config(materialized='view') }}

with words as (

    select
        *,
        case
            when not is_granted then refused_at
            when refused_at is null then greatest(granted_in_person_at, granted_by_machine_at)
            else granted_in_person_at
        end as said_at
    from {{ ref('latest_words') }}

),

sayings as (

    select
        sayings.contact,
        purposes.purpose,
        sayings.is_granted,
        sayings.said_at,
        sayings.table_name,
        sayings.record_key
    from {{ ref('contact_sayings') }} as sayings
    inner join {{ ref('purposes') }} as purposes
        on
            sayings.purpose = purposes.purpose
            or (sayings.purpose is null and purposes.is_marketing)

),

-- Of several records of one moment the first by name is shown.
evidence as (

    select
        words.contact,
        words.purpose,
        min(sayings.table_name) as table_name,
        min_by(sayings.record_key, sayings.table_name || '|' || sayings.record_key) as record_key
    from words
    inner join sayings
        on
            words.contact = sayings.contact
            and words.purpose = sayings.purpose
            and words.is_granted = sayings.is_granted
            and words.said_at = sayings.said_at
    group by words.contact, words.purpose

),

contact_words as (

    select
        words.contact as email,
        words.purpose,
        words.is_granted,
        nullif(words.said_at, cast('infinity' as timestamp)) as decided_at,
        coalesce(evidence.table_name, 'memory.suppressions') as decided_by_table,
        evidence.record_key as decided_by_key
    from words
    left join evidence
        on
            words.contact = evidence.contact
            and words.purpose = evidence.purpose

)

select * from contact_words
