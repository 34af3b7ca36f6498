{#- The terms of the reference shop's newsletter, for the audience and for its exclusions. -#}
{%- macro newsletter_email() -%}
    {{- return({
        'subjects': ref('member_subjects'),
        'records': ref('records_members'),
        'purpose': 'marketing.communications.email',
        'message_class': 'marketing',
        'contact': 'reachable_email',
        'flag': 'subjects.wants_newsletter',
        'member': "subjects.status = 'active' and not subjects.is_withdrawn",
        'subject_as': 'member_id',
        'contact_as': 'email',
    }) -}}
{%- endmacro -%}
