-- One row per member who is not in an audience, and the first reason why. Keys only.
{{ config(materialized='view') }}

{{ audience_exclusions_of('audience_newsletter_email', **newsletter_email()) }}
