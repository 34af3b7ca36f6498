-- What a good analyst would write by hand, once, for two answers at T (the variable as_of):
-- the newsletter audience and the member rows that have expired (DESIGN section 5).
-- The policy stands in it as numbers, nothing is shown, nothing is remembered from purges:
-- the yardstick of benchmarks/compare.py, not an example to follow.

create temp macro normalised(raw) as nullif(
    trim(
        case
            when strlen(raw) = length(raw) then lower(raw)
            else translate(
                raw,
                '！＂＃＄％＆＇（）＊＋，－．／０１２３４５６７８９：；＜＝＞？＠ＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺ'
                || '［＼］＾＿｀ａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ｛｜｝～' || chr(12288)
                || 'ABCDEFGHIJKLMNOPQRSTUVWXYZ',
                '!"#$%&''()*+,-./0123456789:;<=>?@abcdefghijklmnopqrstuvwxyz'
                || '[\]^_`abcdefghijklmnopqrstuvwxyz{|}~ '
                || 'abcdefghijklmnopqrstuvwxyz'
            )
        end,
        ' ' || chr(9) || chr(10) || chr(13) || chr(160)
    ),
    ''
);
-- What is later than T does not exist yet.
create temp macro known(moment) as case when moment <= getvariable('as_of') then moment end;

-- One row per member and kind of word: the latest grant by the person, the latest grant by a
-- machine that carries evidence, the latest refusal. It is about the member's current mailbox.
create temp table member_words as
select
    member_id,
    max(occurred_at) filter (
        where status = 'granted' and source in ('web_form', 'my_page', 'support')
    ) as granted_at,
    max(occurred_at) filter (
        where status = 'granted' and source not in ('web_form', 'my_page', 'support')
            and evidence <> ''
    ) as machine_granted_at,
    max(coalesce(occurred_at, timestamp 'infinity')) filter (
        where status is distinct from 'granted'
    ) as refused_at
from shop.consent_events
where
    member_id is not null
    and (occurred_at <= getvariable('as_of') or occurred_at is null)
    and (
        purpose = 'marketing.communications.email'
        or (
            status is distinct from 'granted'
            and (
                purpose is null
                or purpose not in (
                    'marketing.communications.sms', 'essential.service.notifications.email',
                    'essential.legal_obligation'
                )
            )
        )
    )
group by member_id;

create temp table last_orders as
select
    member_id,
    max(ordered_at) as last_ordered_at
from shop.orders
where member_id is not null and ordered_at <= getvariable('as_of')
group by member_id;

-- One row per member: everything that can be told of it alone.
create temp table standings as
with members as (
    select
        member_id,
        normalised(email) as email,
        status,
        newsletter_flag = 1 as wants,
        registered_at,
        known(last_login_at) as last_login_at,
        known(withdrawn_at) as withdrawn_at,
        updated_at,
        legacy_customer_id,
        coalesce(status = 'withdrawn', false) or known(withdrawn_at) is not null as is_withdrawn
    from shop.members
),

judged as (
    select
        members.*,
        case
            when legacy.create_date < known(members.registered_at) then legacy.create_date
            else known(members.registered_at)
        end as began_at,
        last_orders.last_ordered_at,
        words.granted_at,
        words.machine_granted_at,
        words.refused_at,
        known(legacy.update_date) as moved_at,
        legacy.del_flg,
        legacy.mailmaga_flg,
        legacy.customer_id is not null as has_legacy,
        -- Nothing the person said since the old site's last word.
        members.legacy_customer_id is not null
        and not coalesce(
            case
                when known(legacy.update_date) is null then words.granted_at is not null
                else words.granted_at > known(legacy.update_date)
            end,
            false
        ) as is_unsaid
    from members
    left join legacy_shop.customers as legacy
        on members.legacy_customer_id = legacy.customer_id
    left join last_orders on members.member_id = last_orders.member_id
    left join member_words as words on members.member_id = words.member_id
)

select
    member_id,
    email,
    status,
    wants,
    registered_at,
    withdrawn_at,
    updated_at,
    is_withdrawn,
    began_at,
    greatest(began_at, last_login_at, last_ordered_at) as last_acted_at,
    granted_at,
    machine_granted_at,
    refused_at,
    moved_at,
    is_unsaid and not is_withdrawn and has_legacy and del_flg = '1'
    and not coalesce(greatest(last_login_at, last_ordered_at) > moved_at, false) as has_left_unseen,
    is_unsaid and (
        not has_legacy
        or del_flg is null
        or del_flg not in ('0', '1')
        or mailmaga_flg not in ('1', '2', '3')
        or (wants and (mailmaga_flg is null or mailmaga_flg = '3'))
    ) as is_doubtful
from judged;

-- The few rows of people who asked, and of what the law holds.
create temp table requests as
select
    requests.member_id,
    requests.kind,
    requests.requested_at,
    known(requests.identity_verified_at) as verified_at,
    known(requests.closed_at) is null as is_not_closed,
    unnest([normalised(requests.email), standings.email]) as email
from shop.erasure_requests as requests
left join standings on requests.member_id = standings.member_id
where requests.kind in ('erase', 'stop_use')
    and (requests.requested_at <= getvariable('as_of') or requests.requested_at is null);

create temp table erased as
select
    standings.member_id,
    min(requests.verified_at) as verified_at
from requests
inner join standings on requests.member_id = standings.member_id
where
    requests.kind = 'erase'
    and requests.is_not_closed
    and coalesce(known(standings.registered_at) <= requests.verified_at, requests.verified_at is not null)
group by standings.member_id;

create temp table held as
with holds as (
    select member_id, normalised(email) as email, table_name
    from legal.holds
    where
        (placed_at <= getvariable('as_of') or placed_at is null)
        and known(released_at) is null
),

mailboxes as (
    select email from holds where email is not null
    union
    select standings.email from holds inner join standings on holds.member_id = standings.member_id
)

select member_id from holds where member_id is not null
union
select member_id from standings where email in (select email from mailboxes where email is not null)
union
select member_id from standings
where exists (
    select 1 from holds
    where
        member_id is null and email is null
        and (
            table_name is null
            or table_name not in (
                'shop.orders', 'shop.consent_events', 'shop.erasure_requests',
                'legacy_shop.customers', 'mailing.delivery_list_recipients', 'mailing.messages',
                'legal.holds'
            )
        )
);

create temp table expired as
with overdue as (
    select member_id, email, last_acted_at, last_acted_at + interval 3 year as deadline_at
    from standings
    where
        status = 'active' and not is_withdrawn and not has_left_unseen and email is not null
        and last_acted_at <= getvariable('as_of') - interval 3 year + interval 3 day
),

noticed as (
    select
        overdue.member_id,
        overdue.deadline_at,
        min(messages.sent_at) as noticed_at
    from overdue
    inner join mailing.messages as messages
        on overdue.email = normalised(messages.email)
    where
        messages.kind = 'deletion_notice'
        and messages.sent_at <= getvariable('as_of')
        and messages.sent_at > overdue.last_acted_at
        and messages.sent_at >= overdue.deadline_at - interval 7 day
    group by overdue.member_id, overdue.deadline_at
),

due as (
    select member_id, 'member_inactive' as class, deadline_at
    from noticed
    where
        deadline_at <= getvariable('as_of')
        and noticed_at + interval 7 day <= getvariable('as_of')

    union all

    select
        member_id,
        'member_withdrawn',
        case
            when withdrawn_at is not null then withdrawn_at
            when status = 'withdrawn' then known(updated_at)
            else moved_at
        end + interval 30 day
    from standings
    where is_withdrawn or has_left_unseen

    union all

    select member_id, 'member_provisional', began_at + interval 30 day
    from standings
    where status = 'provisional' and not is_withdrawn and not has_left_unseen

    union all

    select member_id, 'member_unreachable', last_acted_at + interval 5 year
    from standings
    where
        status = 'active' and not is_withdrawn and not has_left_unseen and email is null

    union all

    select member_id, 'erasure_request', verified_at
    from erased
)

select member_id, min_by(class, (deadline_at, class)) as class
from due
where
    deadline_at <= getvariable('as_of')
    and member_id not in (select member_id from held)
group by member_id;

create temp table audience as
with refused as (
    select email, max(refused_at) as refused_at
    from (
        select
            email,
            case
                when withdrawn_at is null and status = 'withdrawn' then timestamp 'infinity'
                else greatest(refused_at, withdrawn_at)
            end as refused_at
        from standings
        where refused_at is not null or is_withdrawn

        union all

        -- A refusal that names another mailbox than the member's own, or no member.
        select
            normalised(events.email),
            coalesce(events.occurred_at, timestamp 'infinity')
        from shop.consent_events as events
        left join standings on events.member_id = standings.member_id
        where
            events.status is distinct from 'granted'
            and events.email is distinct from standings.email
            and (events.occurred_at <= getvariable('as_of') or events.occurred_at is null)
            and (
                events.purpose is null
                or events.purpose not in (
                    'marketing.communications.sms', 'essential.service.notifications.email',
                    'essential.legal_obligation'
                )
            )

        union all

        -- A stop counts since it was asked; a verified erasure suppresses since its verification.
        select
            email,
            greatest(coalesce(requested_at, timestamp 'infinity'), case when kind = 'erase' then verified_at end)
        from requests
    )
    where email is not null
    group by email
),

consenting as (
    select
        standings.email,
        standings.member_id,
        case
            when refused.email is null
                then greatest(standings.granted_at, standings.machine_granted_at)
            when standings.granted_at > refused.refused_at then standings.granted_at
        end as granted_at
    from standings
    left join refused on standings.email = refused.email
    where
        standings.status = 'active'
        and standings.wants
        and standings.email is not null
        and not standings.is_withdrawn
        and not standings.has_left_unseen
        and not standings.is_doubtful
        and (standings.granted_at is not null or standings.machine_granted_at is not null)
        and standings.last_acted_at + interval 3 year - interval 7 day > getvariable('as_of')
        and standings.member_id not in (select member_id from erased)
)

select email, min_by(member_id, (-epoch_us(granted_at), member_id)) as member_id
from consenting
where granted_at is not null
group by email;
