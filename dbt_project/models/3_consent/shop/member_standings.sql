-- One row per row of the member register: how the member stands at T. The narrow table the hot path
-- reads: one scan of the raw register.
-- An event later than T does not exist: such a time is null here. registered_at is the earlier of
-- its own and the old site's (clock_jump).
with members as (

    select * from {{ ref('stg_members') }}

),

as_of as (

    select * from {{ ref('as_of') }}

),

legacy as (

    select * from {{ ref('legacy_sayings') }}

),

activity as (

    select * from {{ ref('member_activity') }}

),

acting_purpose as (

    select value as purpose from {{ ref('policy_settings') }}
    where setting = 'acting_purpose'

),

grants as (

    select
        subject_key,
        granted_in_person_at
    from {{ ref('subject_grants') }}
    where purpose in (select acting_purpose.purpose from acting_purpose)

),

-- A remembered grant closes a regression, and gives no consent: its proof has gone.
remembered_grants as (

    select
        member_id,
        max(granted_at) as granted_at
    from {{ source('shop_memory', 'member_grants') }}
    group by member_id

),

unreachable as (

    select * from {{ ref('unreachable_mailboxes') }}

),

verified as (

    select
        subject_key,
        max(verified_at) as verified_at
    from {{ ref('erasures') }}
    where is_open
    group by subject_key

),

known as (

    select
        members.member_id,
        members.email,
        members.status,
        members.wants_newsletter,
        members.legacy_customer_id,
        members.registered_at as raw_registered_at,
        members.has_unreadable_withdrawal,
        members.is_readable,
        members.is_readable and coalesce(activity.is_readable, true) as is_activity_known,
        legacy.customer_id is not null as has_legacy_row,
        coalesce(legacy.is_readable, true) as is_legacy_readable,
        legacy.departure,
        legacy.mail_word,
        legacy.updated_at as legacy_updated_at,
        legacy.created_at as legacy_created_at,
        activity.last_ordered_at,
        case when members.registered_at <= as_of.as_of then members.registered_at end as registered_at,
        case when members.last_login_at <= as_of.as_of then members.last_login_at end as last_login_at,
        case when members.withdrawn_at <= as_of.as_of then members.withdrawn_at end as withdrawn_at,
        case when members.updated_at <= as_of.as_of then members.updated_at end as updated_at
    from members
    cross join as_of
    left join legacy on members.legacy_customer_id = legacy.customer_id
    left join activity on members.member_id = activity.member_id

),

told as (

    select
        *,
        coalesce(status = 'withdrawn', false) or withdrawn_at is not null or has_unreadable_withdrawal as is_withdrawn,
        coalesce(registered_at > legacy_created_at, false) as has_clock_jump
    from known

),

-- The person acts after the old site's last word: any grant where that has no date, and nothing where its
-- date cannot be read.
granted as (

    select
        told.*,
        greatest(grants.granted_in_person_at, remembered_grants.granted_at) as last_granted_at
    from told
    left join grants on {{ subject_key('told.member_id') }} = grants.subject_key
    left join remembered_grants on told.member_id = remembered_grants.member_id

),

acted as (

    select
        *,
        is_legacy_readable
        and last_granted_at is not null
        and (legacy_updated_at is null or last_granted_at > legacy_updated_at) as has_granted_since,
        coalesce(
            is_legacy_readable
            and legacy_updated_at is not null
            and greatest(last_login_at, last_ordered_at) > legacy_updated_at,
            false
        ) as has_used_since
    from granted

),

regressed as (

    select
        acted.*,
        case when acted.has_clock_jump then acted.legacy_created_at else acted.registered_at end as known_registered_at,
        acted.departure = 'left' and not acted.is_withdrawn as is_left_to_active,
        acted.mail_word = 'refuses' and acted.wants_newsletter as is_no_to_yes,
        acted.legacy_customer_id is not null
        and (
            not acted.has_legacy_row
            or not acted.is_legacy_readable
            or acted.departure is null
            or acted.mail_word is null
        ) as is_unmapped,
        acted.has_granted_since or acted.has_used_since as is_departure_closed,
        acted.has_granted_since as is_refusal_closed
    from acted

),

judged as (

    select
        regressed.member_id,
        regressed.email,
        regressed.status,
        regressed.wants_newsletter,
        regressed.legacy_customer_id,
        regressed.known_registered_at as registered_at,
        regressed.last_login_at,
        regressed.last_ordered_at,
        regressed.withdrawn_at,
        regressed.updated_at,
        regressed.is_readable,
        regressed.is_activity_known,
        regressed.legacy_updated_at,
        regressed.is_withdrawn,
        regressed.has_clock_jump,
        coalesce(regressed.is_left_to_active, false) as is_left_to_active,
        coalesce(regressed.is_no_to_yes, false) as is_no_to_yes,
        coalesce(regressed.is_unmapped, false) as is_unmapped,
        regressed.is_departure_closed,
        regressed.is_refusal_closed,
        coalesce(regressed.is_left_to_active, false) and not regressed.is_departure_closed as has_left_unseen,
        -- A registration later than T is later than any verification.
        verified.verified_at is not null
        and coalesce(
            case when regressed.has_clock_jump then regressed.known_registered_at else regressed.raw_registered_at end
            <= verified.verified_at,
            true
        ) as is_to_be_erased,
        case
            when regressed.has_clock_jump then regressed.known_registered_at
            else regressed.raw_registered_at
        end as dated_at
    from regressed
    left join verified on regressed.member_id = verified.subject_key

),

standings as (

    select
        judged.*,
        judged.is_withdrawn or judged.has_left_unseen or judged.is_to_be_erased as has_left,
        coalesce(judged.status = 'active', false)
        and not (judged.is_withdrawn or judged.has_left_unseen or judged.is_to_be_erased) as is_active,
        greatest(judged.registered_at, judged.last_login_at, judged.last_ordered_at) as last_acted_at,
        -- The last notice to the mailbox came back, and the member has not been seen since.
        coalesce(
            unreachable.sent_at > greatest(judged.registered_at, judged.last_login_at, judged.last_ordered_at),
            false
        ) as is_unreachable
    from judged
    left join unreachable on judged.email = unreachable.contact

)

select * from standings
