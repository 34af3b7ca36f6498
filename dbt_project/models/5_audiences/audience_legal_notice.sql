-- One row per e-mail address of anybody the governed tables know: also of who has left, refused or was never asked. It
-- may be used for what the law wants said (a leak, say) and for nothing else, and leaves only by a list that somebody
-- approved (`kigen breach`). A view: it stands in no table.
{{ config(materialized='view') }}

{{ expect_tags() -}}
with known as (

    select email from {{ ref('record_persons') }}

    union

    select contact as email from {{ ref('subjects') }}

),

audience as (

    select email from known
    where {{ can_be_written_to('email') }}

)

select * from audience
