"""Bad rows stop nothing, are never written to, never purged by mistake, and are counted (DESIGN section 7).

The raw tables here are text throughout, as a careless load leaves them; each value that cannot be read stands
where it would do harm if it were taken for none.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.conftest import T as BUILT_AT
from tests.house import RAW_TABLES, House, failures

T = datetime(2026, 10, 1, 12, 0, 0)
DAY = timedelta(days=1)
YEAR = timedelta(days=366)
EMAIL = "marketing.communications.email"
RUBBISH = "2026-13-45"


def member(member_id: int, **columns: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"member_id": member_id, "email": f"bad{member_id}@example.com"}
    row |= {"status": "active", "newsletter_flag": 1, "registered_at": T - YEAR}
    return row | {"updated_at": T - YEAR} | columns


def grant(event_id: int, member_id: int, **columns: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"event_id": event_id, "member_id": member_id, "purpose": EMAIL}
    row |= {"status": "granted", "source": "web_form", "occurred_at": T - 20 * DAY}
    return row | columns


FINE, LEFT, LEFT_BY_STATUS, IDLE_LOGIN, IDLE_ORDER, CLOSED, MOVED, FOREVER = range(1, 9)
OLD = {"registered_at": T - 5 * YEAR}
SHOP: dict[str, list[dict[str, Any]]] = {
    "shop.members": [
        member(FINE),
        member(LEFT, withdrawn_at="退会済"),
        member(LEFT_BY_STATUS, status="withdrawn", withdrawn_at=RUBBISH),
        member(IDLE_LOGIN, last_login_at="yesterday", **OLD),
        member(IDLE_ORDER, **OLD),
        member(CLOSED),
        member(MOVED, legacy_customer_id=7),
        member(FOREVER, last_login_at="infinity"),
    ],
    "shop.consent_events": [
        *(grant(each, each) for each in range(1, 9)),
        grant(20, FINE, occurred_at=RUBBISH),
    ],
    "shop.orders": [
        {"order_id": "1", "member_id": IDLE_ORDER, "ordered_at": RUBBISH},
        {"order_id": "2", "email": "guest@example.com", "ordered_at": T - 6 * YEAR, "delivered_at": RUBBISH},
        {"order_id": "3", "email": "old@example.com", "ordered_at": "0044-03-15 (BC)"},
        {"order_id": "4", "email": "far@example.com", "ordered_at": "290000-01-01"},
        {"order_id": "5", "member_id": "no number", "email": "who@example.com", "ordered_at": T - 6 * YEAR},
        {"order_id": "06", "email": "six@example.com", "ordered_at": T - 6 * YEAR},
        {"order_id": "6", "email": "six@example.com", "ordered_at": T - DAY},
        {"order_id": "7.0", "email": "seven@example.com", "ordered_at": T - 6 * YEAR},
        {"order_id": "", "email": "none@example.com", "ordered_at": T - 6 * YEAR},
        {"order_id": "10", "email": "fine@example.com", "ordered_at": T - 6 * YEAR, "delivered_at": ""},
    ],
    "shop.erasure_requests": [
        {"request_id": 1, "member_id": CLOSED, "kind": "erase", "requested_at": T - 9 * DAY,
         "identity_verified_at": T - 8 * DAY, "closed_at": "done"},
        {"request_id": 2, "email": "bad1@example.com", "kind": "disclose", "requested_at": T - DAY},
    ],
    "legacy_shop.customers": [
        {"customer_id": 7, "del_flg": "1", "mailmaga_flg": "1", "create_date": T - 9 * YEAR, "update_date": "old"},
    ],
    "mailing.delivery_lists": [{"list_id": 1, "created_at": "long ago"}],
    "mailing.delivery_list_recipients": [{"list_id": 1, "recipient_no": 1, "email": "list@example.com"}],
    "mailing.messages": [
        {"message_id": 1, "kind": "deletion_notice", "email": f"bad{IDLE_LOGIN}@example.com", "sent_at": T - 9 * DAY},
        {"message_id": 2, "kind": "deletion_notice", "email": f"bad{IDLE_ORDER}@example.com", "sent_at": T - 9 * DAY},
    ],
    "legal.holds": [],
}  # fmt: skip


@pytest.fixture(scope="module")
def text_house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A house whose raw tables are text, built at T."""
    house = House(tmp_path_factory.mktemp("text") / "data")
    house.load({})
    house.execute(
        *(
            f"create or replace table {table} ({', '.join(f'{column} varchar' for column in columns)})"
            for table, columns in RAW_TABLES.items()
        )
    )
    for table, rows in SHOP.items():
        for row in rows:
            house.execute(insert(table, row))
    house.build(T)
    return house


def insert(table: str, row: Mapping[str, Any]) -> str:
    values = ", ".join("null" if value is None else f"'{value}'" for value in row.values())
    return f"insert into {table} ({', '.join(row)}) values ({values})"


def states(house: House, table: str) -> dict[str | None, str]:
    return dict(
        house.rows(f"select record_key, state from retention.records where table_name = '{table}'")
    )


def test_value_that_cannot_be_read_is_never_written_to(text_house: House) -> None:
    # The one whose row is whole; the grant without a time does not exist, and does no harm.
    assert text_house.rows("select member_id from audiences.audience_newsletter_email") == [(1,)]
    reasons = dict(text_house.rows("select subject_key, reason from audiences.audience_exclusions"))
    assert set(reasons) == set("2345678")
    assert reasons["7"] == "regression_left_to_active"
    assert reasons["6"] == "no_grant_since_refusal"
    assert {reasons[each] for each in "2348"} == {"record_unclassed"}
    assert text_house.rows("from audiences.audience_deletion_notice") == []


def test_row_with_a_value_that_cannot_be_read_has_no_class(text_house: House) -> None:
    members = states(text_house, "shop.members")
    assert {key for key, state in members.items() if state == "unclassed"} == {"2", "3", "4", "8"}
    # The member's own row is fine; when the member ordered last is not known.
    assert members["5"] == "unclocked"
    orders = states(text_house, "shop.orders")
    assert {key for key, state in orders.items() if state == "unclassed"} == {
        "1", "2", "3", "4", "5", "6", "7", None,
    }  # fmt: skip
    assert orders["10"] == "expired"
    assert states(text_house, "legacy_shop.customers") == {"7": "unclassed"}
    assert states(text_house, "mailing.delivery_list_recipients") == {"1|1": "unclocked"}


def test_only_what_can_be_read_is_purged(text_house: House) -> None:
    assert text_house.rows("select table_name, record_key from purge.purge_plan") == [
        ("shop.orders", "10")
    ]
    before = {table: text_house.rows(f"select count(*) from {table}") for table in RAW_TABLES}
    purge = text_house.purge(T)
    assert purge.success, failures(purge)
    assert {
        table: text_house.rows(f"select count(*) from {table}") for table in RAW_TABLES
    } == before
    assert text_house.rows("select email from shop.orders where order_id = '10'") == [(None,)]
    assert text_house.rows("select count(email) from shop.orders where order_id <> '10'") == [(8,)]


def test_every_such_row_is_counted(text_house: House) -> None:
    counted = text_house.rows(
        "select table_name, count(*) from consent.bad_shop_rows "
        "where fault = 'a key or a time that cannot be read' group by all order by all"
    )
    assert counted == [
        ("legacy_shop.customers", 1),
        ("mailing.delivery_lists", 1),
        ("shop.consent_events", 1),
        ("shop.erasure_requests", 1),
        ("shop.members", 4),
        ("shop.orders", 7),
    ]
    told = str(text_house.rows("from proofs.proof_bad_row"))
    assert RUBBISH not in told
    assert "example.com" not in told


def test_policy_without_notices_is_built(sample: House) -> None:
    before = sample.rows("select count(*) from retention.records where state = 'notice_due'")
    sample.execute(
        "update policy.policy_deletion_classes set notice = null, notice_waiver = null where notice is not null"
    )
    result = sample.dbt("run", "--exclude", "config.materialized:purge", as_of=BUILT_AT)
    assert result.success, failures(result)
    assert before > [(0,)]
    assert sample.rows("select count(*) from retention.records where state = 'notice_due'") == [
        (0,)
    ]
