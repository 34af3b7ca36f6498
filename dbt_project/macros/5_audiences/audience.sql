{#- An audience: the subjects who may be written to today for a purpose, one row per contact point.

    subjects: the relation with one row per subject, with subject_key and the columns named below.
    records: the relation that judged their register.
    purpose: a purpose of policy_purposes.csv; message_class: its message class, said again here so
        that nobody marries a list to another class by a slip.
    contact: the column with the normalised contact point; flag: SQL over `subjects`, the subject's own
        switch; member: SQL over `subjects`, whether the subject may be written to at all.
    subject_as, contact_as: what the two columns are called in the audience.

    A purpose that needs consent needs a grant of this very subject since the contact point's last refusal
    (which is the contact point's word, then), the flag, and no suppression; every class needs an active record, a subject who has not
    left, and no bar (DESIGN section 5). -#}
{%- macro audience(subjects, records, purpose, message_class, contact='contact', flag='true', member='true', subject_as='subject_key', contact_as='contact') -%}
{{- kigen.expect_tags() -}}
with standings as (

    {{ kigen.audience_standings(subjects, records, purpose, message_class, contact, flag, member) | indent(4) }}

),

-- Of the subjects of a mailbox who pass, the one with the latest grant; the lowest key on a tie.
audience as (

    select
        contact as {{ contact_as }},
        subject_key as {{ subject_as }},
        granted_at
    from (
        select
            contact,
            subject_key,
            granted_at,
            row_number() over (
                partition by contact
                order by granted_at desc, subject_key
            ) as place
        from standings
        where reason is null
    ) as passing
    where place = 1

)

select * from audience
{%- endmacro -%}


{#- Who is not in an audience, and the first reason why. Arguments as in audience(); name: the audience. -#}
{%- macro audience_exclusions_of(name, subjects, records, purpose, message_class, contact='contact', flag='true', member='true', subject_as='subject_key', contact_as='contact') -%}
select
    '{{ name }}' as audience,
    cast(subject_key as varchar) as subject_key,
    coalesce(reason, 'another_subject_of_the_mailbox') as reason
from (
    select
        *,
        row_number() over (
            partition by contact, reason
            order by granted_at desc, subject_key
        ) as place
    from (
        {{ kigen.audience_standings(subjects, records, purpose, message_class, contact, flag, member) | indent(8) }}
    ) as standings
) as placed
where
    reason is not null
    or place > 1
{%- endmacro -%}


{#- One row per subject: subject_key, contact, granted_at, and the first reason to leave it out. -#}
{%- macro audience_standings(subjects, records, purpose, message_class, contact, flag, member) -%}
{%- set refusals = ref('contact_refusals') -%}
{%- set grants = ref('subject_grants') -%}
{%- set bars = ref('open_bars') -%}
{%- set barred = ref('barred_contacts') -%}
{%- set left = ref('subjects') -%}
{%- set purposes = ref('purposes') -%}
{%- set needs = namespace(consent=true) -%}
{%- if execute and not kigen.is_only_described(purposes) -%}
    {%- set known = run_query("select message_class, needs_consent from " ~ purposes ~ " where purpose = '" ~ purpose ~ "'").rows -%}
    {%- if known | length != 1 or known[0][0] != message_class -%}
        {{- exceptions.raise_compiler_error("Model " ~ model.name ~ ": purpose '" ~ purpose ~ "' with message class '" ~ message_class ~ "' is not what policy_purposes.csv says (" ~ (known | map(attribute=0) | join(', ') or 'no such purpose') ~ ").") -}}
    {%- endif -%}
    {%- set needs.consent = message_class == 'marketing' or known[0][1] -%}
{%- endif -%}
select
    subjects.subject_key,
    subjects.{{ contact }} as contact,
    case
        when refusals.refused_at is null then greatest(grants.granted_in_person_at, grants.granted_by_machine_at)
        when grants.granted_in_person_at > refusals.refused_at then grants.granted_in_person_at
    end as granted_at,
    case
        when bars.reason is not null then 'regression_' || bars.reason
        when records.state is null or records.state <> 'active' then 'record_' || coalesce(records.state, 'unknown')
        when left_subjects.subject_key is not null then 'has_left'
        when subjects.{{ contact }} is null then 'no_contact_point'
        when not coalesce({{ member }}, false) then 'not_a_member'
        {%- if needs.consent %}
        when grants.subject_key is null and refusals.refused_at is null then 'no_grant'
        when refusals.refused_at is not null and not coalesce(grants.granted_in_person_at > refusals.refused_at, false) then 'no_grant_since_refusal'
        when not coalesce({{ flag }}, false) then 'flag_is_no'
        when barred.since is not null and not coalesce(grants.granted_in_person_at > barred.since, false) then 'suppressed'
        {%- endif %}
    end as reason
from {{ subjects }} as subjects
left join {{ records }} as records on subjects.subject_key = records.subject_key
left join (
    select distinct subject_key
    from {{ left }}
    where has_left
) as left_subjects on {{ kigen.subject_key('subjects.subject_key') }} = left_subjects.subject_key
left join {{ refusals }} as refusals
    on
        subjects.{{ contact }} = refusals.contact
        and refusals.purpose = '{{ purpose }}'
left join {{ grants }} as grants
    on
        {{ kigen.subject_key('subjects.subject_key') }} = grants.subject_key
        and grants.purpose = '{{ purpose }}'
left join (
    select
        subject_key,
        min(reason) as reason
    from {{ bars }}
    where
        message_class is null
        or message_class = '{{ message_class }}'
    group by subject_key
) as bars on {{ kigen.subject_key('subjects.subject_key') }} = bars.subject_key
left join {{ barred }} as barred
    on
        subjects.{{ contact }} = barred.contact
        and barred.purpose = '{{ purpose }}'
{%- endmacro -%}
