-- One row per mailbox with a record whose last notice is due: members and guests alike, whatever they
-- consented to. Who is in grace has had it.
{{ expect_tags() -}}
with contacts as (

    select * from {{ ref('notice_contacts') }}
    where is_due

),

audience as (

    select
        contact as email,
        deadline_at,
        cast(record_count as bigint) as record_count,
        deletes_at,
        data_categories
    from contacts

)

select * from audience
