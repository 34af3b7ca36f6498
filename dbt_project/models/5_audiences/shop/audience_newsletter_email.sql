-- One row per mailbox that may get the newsletter today: the member with the latest grant.
{{ audience(**newsletter_email()) }}
