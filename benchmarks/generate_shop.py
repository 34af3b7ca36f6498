"""Make a big shop, the nine raw tables of DESIGN section 4, straight in DuckDB.

    python benchmarks/generate_shop.py /tmp/million.duckdb --members 1000000

Everything comes from integer arithmetic on the row number, so the same arguments give the
same rows on any machine and any number of threads. All of it is made up.
"""

import argparse
from datetime import datetime
from pathlib import Path

import duckdb

# r(i, factor, m): a number below m for row i. Columns that must not go together take different
# factors; the square breaks the lattice that a product alone leaves; m stays below 300 million.
MACROS = """
create temp macro x(i, factor) as (i * factor) % 2147483647;
create temp macro r(i, factor, m) as ((x(i, factor) * x(i, factor)) % 2147483647 // 7) % m;
create temp macro ago(days, seconds) as
    getvariable('as_of') - to_days(cast(days as integer)) - to_seconds(seconds);
-- Who a member is, in thousandths: 0-29 withdrawn (0-5 long ago), 30-34 provisional, 35-39 idle.
create temp macro kind(i) as r(i, 2654435761, 1000);
create temp macro is_migrated(i) as r(i, 805459861, 10) < 3 and kind(i) not between 30 and 34;
-- Each 33rd member shares the mailbox of the one before; a few have none, or an odd way of typing.
create temp macro member_email(i) as case
    when r(i, 1640531527, 1000) < 2 then null
    when r(i, 1640531527, 1000) < 20 then ' M' || (i - cast(i % 33 = 0 as bigint)) || '@Example.com'
    else 'm' || (i - cast(i % 33 = 0 as bigint)) || '@example.com'
end;
"""

TABLES = """
create schema shop; create schema legacy_shop; create schema mailing; create schema legal;

create table shop.members as
with dated as (
    select
        i,
        kind(i) as kind,
        case
            when kind(i) between 30 and 34 then ago(r(i, 3266489917, 29), r(i, 668265263, 86400))
            when kind(i) between 35 and 39
                then ago(1400 + r(i, 3266489917, 1500), r(i, 668265263, 86400))
            else ago(35 + r(i, 3266489917, 2900), r(i, 668265263, 86400))
        end as registered_at
    from range(1, getvariable('members') + 1) as ids (i)
)
select
    i as member_id,
    member_email(i) as email,
    '090' || lpad(cast(r(i, 374761393, 10000000) as varchar), 8, '0') as phone,
    'Name ' || i as full_name,
    'Kana ' || i as full_name_kana,
    date '1940-01-01' + cast(r(i, 2246822519, 25000) as integer) as birth_date,
    case r(i, 3266489917, 3) when 0 then 'f' when 1 then 'm' end as gender,
    lpad(cast(r(i, 374761393, 10000000) as varchar), 7, '0') as postal_code,
    'Prefecture ' || r(i, 374761393, 47) as prefecture,
    'Street ' || r(i, 668265263, 100000) as street_address,
    case
        when kind < 30 then 'withdrawn' when kind between 30 and 34 then 'provisional'
        else 'active'
    end as status,
    case
        when r(i, 40503001, 100) < 70 then 1 when r(i, 40503001, 100) < 95 then 0
    end as newsletter_flag,
    registered_at,
    case
        when kind between 30 and 34 then null
        when kind between 35 and 39 then ago(1110 + r(i, 2166136261, 200), 0)
        when r(i, 2166136261, 1000) < 900
            then greatest(registered_at, ago(r(i, 2166136261, 900), r(i, 668265263, 86400)))
    end as last_login_at,
    case
        when kind < 5 then ago(31 + r(i, 2166136261, 300), 0)
        when kind between 6 and 29 then ago(r(i, 2166136261, 29), 0)
    end as withdrawn_at,
    case when is_migrated(i) then i end as legacy_customer_id,
    case when kind < 30 then ago(31 + r(i, 2166136261, 300), 0) else registered_at end as updated_at
from dated;

create table legacy_shop.customers as
select
    member_id as customer_id,
    email,
    'Name' as name01,
    cast(member_id as varchar) as name02,
    '2' as status,
    case
        when r(member_id, 1597334677, 1000) < 20 then '1'
        when r(member_id, 1597334677, 1000) = 20 then '7'
        else '0'
    end as del_flg,
    case
        when r(member_id, 3812015801, 1000) < 100 then '3'
        when r(member_id, 3812015801, 1000) < 150 then null
        when r(member_id, 3812015801, 1000) = 150 then '9'
        when r(member_id, 3812015801, 1000) < 700 then '1'
        else '2'
    end as mailmaga_flg,
    registered_at - to_days(case when r(member_id, 2971215073, 100) < 5 then 400 else 0 end)
        as create_date,
    case
        when r(member_id, 2971215073, 1000) = 999 then null
        when r(member_id, 2971215073, 100) = 98 then ago(370, r(member_id, 668265263, 86400))
        else ago(20 + r(member_id, 433494437, 340), r(member_id, 668265263, 86400))
    end as update_date
from shop.members
where legacy_customer_id is not null and r(member_id, 2971215073, 1000) <> 500;

create table shop.orders as
with bought as (
    select
        j,
        r(j, 1540483477, 10) < 2 as is_guest,
        1 + r(j, 3432918353, getvariable('members')) as who,
        case
            when r(j, 461845907, 1000) < 2 then 3150 + r(j, 2869860233, 200)
            when r(j, 461845907, 1000) < 12 then 1830 + r(j, 2869860233, 700)
            else r(j, 2869860233, 1500)
        end as age
    from range(1, getvariable('orders') + 1) as ids (j)
),
dated as (
    select
        *,
        ago(
            case when kind(who) between 35 and 39 then greatest(age, 1320 + age % 300) else age end,
            r(j, 3864292196, 86400)
        ) as ordered_at
    from bought
)
select
    j as order_id,
    case when not is_guest then who end as member_id,
    case
        when not is_guest then member_email(who)
        when j % 10 = 0 then member_email(who)
        else 'g' || (1 + who // 4) || '@example.com'
    end as email,
    'Name ' || who as recipient_name,
    '090' || lpad(cast(r(who, 374761393, 10000000) as varchar), 8, '0') as recipient_phone,
    lpad(cast(r(who, 374761393, 10000000) as varchar), 7, '0') as postal_code,
    'Street ' || r(who, 668265263, 100000) as street_address,
    cast(500 + r(j, 97, 20000) as decimal(12, 2)) as total_amount,
    ordered_at,
    case
        when ordered_at < ago(10, 0) and r(j, 2654435769, 100) >= 4 then ordered_at + to_days(3)
    end as delivered_at,
    case
        when ordered_at >= ago(10, 0) then 'placed'
        when r(j, 2654435769, 100) < 4 then 'cancelled'
        when r(j, 2654435769, 100) < 7 then 'returned'
        else 'delivered'
    end as status
from dated;

create table shop.consent_events as
with said as (
    select
        j,
        r(j, 3332679571, 100) < 2 as is_guest,
        1 + r(j, 2246822507, getvariable('members')) as who,
        r(j, 3266489909, 100) as how
    from range(1, getvariable('consent_events') + 1) as ids (j)
)
select
    j as event_id,
    case when not is_guest then who end as member_id,
    case
        when is_guest then 'g' || (1 + who // 4) || '@example.com'
        when r(j, 3332679571, 1000) between 20 and 29 then 'old' || who || '@example.com'
        when r(j, 3332679571, 1000) between 30 and 34 then null
        else member_email(who)
    end as email,
    case
        when r(j, 1103515245, 1000) < 850 then 'marketing.communications.email'
        when r(j, 1103515245, 1000) < 950 then 'marketing.communications.sms'
        when r(j, 1103515245, 1000) < 999 then 'essential.service.notifications.email'
    end as purpose,
    case
        when r(j, 1664525, 1000) < 800 then 'granted' when r(j, 1664525, 1000) < 999 then 'refused'
        else 'maybe'
    end as status,
    case
        when r(j, 22695477, 2000) > 0 then ago(r(j, 134775813, 1095), r(j, 69069, 86400))
    end as occurred_at,
    case
        when how < 40 then 'web_form' when how < 70 then 'my_page' when how < 75 then 'support'
        when how < 90 then 'migration' else 'import'
    end as source,
    case when how >= 75 and j % 2 = 0 then 'file ' || j end as evidence
from said;

create table shop.erasure_requests as
select
    n as request_id,
    case when n % 7 > 0 then who end as member_id,
    case when n % 2 = 0 or n % 7 = 0 then 'm' || who || '@example.com' end as email,
    case when n % 5 < 3 then 'erase' when n % 5 = 3 then 'stop_use' else 'disclose' end as kind,
    ago(2 + n % 20, 0) as requested_at,
    case when n % 3 > 0 then ago(1 + n % 20, 0) end as identity_verified_at,
    case when n % 3 > 0 then 'document' end as verification_method,
    case when n % 10 = 0 then ago(n % 20, 0) end as closed_at,
    case when n % 10 = 0 then 'done' end as outcome
from (
    select n, 1 + r(n, 3144134277, getvariable('members')) as who from range(1, 51) as ids (n)
);

create table legal.holds as
with late as (
    select member_id, row_number() over (order by member_id) as n
    from shop.members
    where status = 'withdrawn' and kind(member_id) < 5
    qualify n <= 6
)
select
    n as hold_id,
    case when n <= 6 then late.member_id when n <= 10 then 1 + r(n, 3144134277, 1000) end
        as member_id,
    case when n between 11 and 16 then 'm' || (1 + r(n, 3144134277, 1000)) || '@example.com' end
        as email,
    case when n between 17 and 18 then 'mailing.messages' when n = 5 then 'shop.orders' end
        as table_name,
    'case ' || n as reason,
    case when n <> 3 then ago(40 + n, 0) end as placed_at,
    case when n >= 19 or n = 6 then ago(1, 0) end as released_at
from range(1, 21) as ids (n)
left join late using (n)
order by n;

create table mailing.messages as
with notices as (
    select member_id, email, case when kind(member_id) = 39 then 3 else 10 end as age
    from shop.members
    where kind(member_id) in (35, 36, 37, 39) and email is not null
),
sent as (
    select
        cast(1 as bigint) as campaign_id,
        'service_notice' as message_class,
        'deletion_notice' as kind,
        email,
        ago(age, 0) as sent_at,
        member_id as place
    from notices
    union all
    select
        2 + j % 100,
        case when j % 20 = 0 then 'service_notice' else 'marketing' end,
        case when j % 20 = 0 then 'order_confirmation' else 'newsletter' end,
        member_email(1 + r(j, 2147483629, getvariable('members'))),
        ago(r(j, 16777619, 700), 0),
        1000000000000 + j
    from range(1, greatest(1, getvariable('messages') - (select count(*) from notices) + 1))
        as ids (j)
)
select
    row_number() over (order by place) as message_id,
    campaign_id,
    message_class,
    kind,
    email,
    sent_at
from sent
order by place;

create table mailing.delivery_lists as
select
    n as list_id,
    n as campaign_id,
    'marketing.communications.email' as purpose,
    ago(case when n > 18 then 40 else n end, 0) as created_at
from range(1, 21) as ids (n);

create table mailing.delivery_list_recipients as
select
    1 + n % 20 as list_id,
    1 + n // 20 as recipient_no,
    who as member_id,
    member_email(who) as email,
    'Name ' || who as full_name,
    'sent' as send_status
from (
    select n, 1 + r(n, 1000000007, getvariable('members')) as who
    from range(getvariable('recipients')) as ids (n)
);
"""


def generate(path: Path, as_of: datetime, counts: dict[str, int]) -> None:
    """Write the shop into a new DuckDB file; counts are rows by table.

    Raises FileExistsError rather than write over a warehouse.
    """
    if path.exists():
        raise FileExistsError(f"{path} is there already; remove it, or name another file")
    with duckdb.connect(path) as connection:
        connection.execute("set threads = 2")
        connection.execute(f"set variable as_of = timestamp '{as_of.isoformat(' ')}'")
        for name, count in counts.items():
            connection.execute(f"set variable {name} = cast({count} as bigint)")
        connection.execute(MACROS)
        connection.execute(TABLES)


def main() -> None:
    """Read the command line and generate."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("path", type=Path, help="the DuckDB file to make")
    parser.add_argument("--members", type=int, default=1_000_000)
    parser.add_argument("--orders", type=int, default=3_000_000)
    parser.add_argument("--consent-events", type=int, default=3_000_000)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--recipients", type=int, default=200_000)
    parser.add_argument("--as-of", type=datetime.fromisoformat, default=datetime(2026, 11, 1))
    arguments = vars(parser.parse_args())
    generate(arguments.pop("path"), arguments.pop("as_of"), arguments)


if __name__ == "__main__":
    main()
