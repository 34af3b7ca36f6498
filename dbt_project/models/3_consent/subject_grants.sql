-- One row per subject and purpose: the latest grant this very subject made. A grant by a machine
-- stands apart: it is worth less than any refusal.
with events as (

    {{ contributed('consent_events', [
        ['subject_key', 'varchar'], ['purpose', 'varchar'], ['is_granted', 'boolean'],
        ['is_by_person', 'boolean'], ['occurred_at', 'timestamp']
    ]) }}

),

grants as (

    select
        subject_key,
        purpose,
        max(case when is_by_person then occurred_at end) as granted_in_person_at,
        max(case when not is_by_person then occurred_at end) as granted_by_machine_at
    from events
    where
        is_granted
        and subject_key is not null
    group by subject_key, purpose

)

select * from grants
