-- One row per mailbox that may get the newsletter today.
{{ kigen.audience(
    subjects=ref('customer_standings'),
    records=ref('records_customers'),
    purpose='marketing.communications.email',
    message_class='marketing',
    member='not subjects.has_left',
    subject_as='customer_no',
    contact_as='email',
) }}
