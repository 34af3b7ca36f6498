-- One row per mailbox with a guest order: its latest activity, and where that is seen. Members count
-- while they are active; what went with a purge is remembered.
with guests as (

    select
        email,
        last_ordered_at,
        is_readable
    from {{ ref('guest_activity') }}

),

members as (

    select
        email,
        max(last_acted_at) as last_acted_at,
        bool_and(is_activity_known) as is_activity_known
    from {{ ref('member_standings') }}
    where
        is_active
        and email is not null
    group by email

),

remembered as (

    select
        contact_points.contact as email,
        max(memories.last_acted_at) as last_acted_at
    from {{ source('memory', 'contact_activity') }} as memories
    inner join {{ ref('contact_points') }} as contact_points
        on memories.contact_digest = contact_points.contact_digest
    group by contact_points.contact

),

clocks as (

    select
        guests.email,
        case
            when guests.is_readable and coalesce(members.is_activity_known, true)
                then greatest(guests.last_ordered_at, members.last_acted_at, remembered.last_acted_at)
        end as clock_at,
        case
            when
                members.last_acted_at
                >= coalesce(greatest(guests.last_ordered_at, remembered.last_acted_at), members.last_acted_at)
                then 'activity of a member with the address'
            when remembered.last_acted_at > coalesce(guests.last_ordered_at, cast('-infinity' as timestamp))
                then 'memory.contact_activity'
            else 'ordered_at of a guest order with the address'
        end as clock_source,
        unreachable.sent_at as returned_notice_sent_at
    from guests
    left join members on guests.email = members.email
    left join remembered on guests.email = remembered.email
    left join {{ ref('unreachable_mailboxes') }} as unreachable on guests.email = unreachable.contact

),

-- The last notice to the mailbox came back, and nobody with it has been seen since.
standings as (

    select
        email,
        clock_at,
        clock_source,
        coalesce(returned_notice_sent_at > clock_at, false) as is_unreachable
    from clocks

)

select * from standings
