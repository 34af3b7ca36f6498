"""The story of DESIGN section 10, by its numbers, on a shop of a dozen people moved through time.

Cases 4 and 5 need delivery. For each case stands somebody it must not touch, and a planted fault that
turns its proof red.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.comparison import Answers, shown
from tests.house import House, failures

T = datetime(2026, 3, 10, 9, 0, 0)
DAY = timedelta(days=1)
YEAR = timedelta(days=366)
EMAIL = "marketing.communications.email"

LEFT, CAME_BACK_TO_ACT, NO_MAIL, MAIL = 1, 2, 3, 4
WITHDRAWN, UNVERIFIED, VERIFIED, FLOORED = 5, 6, 7, 8
IDLE, IDLE_AWAKENED, IDLE_OPTED_OUT, IDLE_LATE, HELD = 9, 10, 11, 12, 13
SHARED_NO, SHARED_YES, BACK_OLD, BACK_NEW = 14, 15, 16, 17
ERASED_WITH_A_PAST = 18  # whose row of the old site has another address, which is held


def address(member: int) -> str:
    return {SHARED_NO: "shared@example.com", SHARED_YES: "Shared@Example.com"}.get(
        member,
        "back@example.com" if member in (BACK_OLD, BACK_NEW) else f"person{member}@example.com",
    )


def member(member_id: int, **columns: Any) -> dict[str, Any]:
    row = {
        "member_id": member_id,
        "email": address(member_id),
        "full_name": f"Person {member_id}",
        "status": "active",
    }
    return (
        row
        | {"newsletter_flag": 1, "registered_at": T - YEAR, "last_login_at": T - 9 * DAY}
        | columns
    )


def grant(
    event_id: int, member_id: int, at: datetime, status: str = "granted", **columns: Any
) -> dict[str, Any]:
    row = {
        "event_id": event_id,
        "member_id": member_id,
        "purpose": EMAIL,
        "status": status,
        "occurred_at": at,
    }
    return row | {"source": "my_page"} | columns


def order(
    order_id: int, at: datetime, member_id: int | None = None, **columns: Any
) -> dict[str, Any]:
    row = {
        "order_id": order_id,
        "member_id": member_id,
        "recipient_name": "Somebody",
        "ordered_at": at,
    }
    return (
        row | {"delivered_at": at + 3 * DAY, "status": "delivered", "total_amount": 1200} | columns
    )


def customer(customer_id: int, **columns: Any) -> dict[str, Any]:
    row = {"customer_id": customer_id, "email": address(customer_id), "status": "2", "del_flg": "0"}
    return (
        row
        | {"mailmaga_flg": "1", "create_date": T - 8 * YEAR, "update_date": T - 200 * DAY}
        | columns
    )


IDLE_SINCE = T - timedelta(days=3 * 365 + 1)  # three years and a few hours: past it
SHOP: dict[str, list[dict[str, Any]]] = {
    "shop.members": [
        member(LEFT, legacy_customer_id=LEFT, registered_at=T - 9 * DAY, last_login_at=None),
        member(CAME_BACK_TO_ACT, legacy_customer_id=CAME_BACK_TO_ACT),
        member(NO_MAIL, legacy_customer_id=NO_MAIL),
        member(MAIL, legacy_customer_id=MAIL),
        member(WITHDRAWN, status="withdrawn", withdrawn_at=T - 31 * DAY),
        member(UNVERIFIED),
        member(VERIFIED),
        member(FLOORED),
        member(IDLE, registered_at=IDLE_SINCE, last_login_at=None),
        member(IDLE_AWAKENED, registered_at=IDLE_SINCE, last_login_at=None),
        member(IDLE_OPTED_OUT, registered_at=IDLE_SINCE, last_login_at=None, newsletter_flag=0),
        member(IDLE_LATE, registered_at=IDLE_SINCE - YEAR, last_login_at=None),
        member(HELD, status="withdrawn", withdrawn_at=T - 31 * DAY),
        member(SHARED_NO),
        member(SHARED_YES),
        member(BACK_OLD, status="withdrawn", withdrawn_at=T - 20 * DAY),
        member(BACK_NEW, registered_at=T - 10 * DAY),
        member(ERASED_WITH_A_PAST, legacy_customer_id=ERASED_WITH_A_PAST),
    ],
    "legacy_shop.customers": [
        customer(LEFT, del_flg="1", update_date=T - 5 * YEAR),
        customer(CAME_BACK_TO_ACT, del_flg="1", update_date=T - 300 * DAY),
        customer(NO_MAIL, mailmaga_flg="3"),
        customer(MAIL),
        customer(ERASED_WITH_A_PAST, email="past@example.com"),
    ],
    "shop.consent_events": [
        grant(1, LEFT, T - 9 * DAY, source="migration", evidence="old site"),
        grant(2, CAME_BACK_TO_ACT, T - 20 * DAY),
        grant(3, NO_MAIL, T - 9 * DAY, source="migration", evidence="old site"),
        grant(4, MAIL, T - 9 * DAY, source="migration", evidence="old site"),
        grant(5, WITHDRAWN, T - 100 * DAY),
        grant(6, UNVERIFIED, T - 100 * DAY),
        grant(7, VERIFIED, T - 100 * DAY),
        grant(8, FLOORED, T - 100 * DAY),
        grant(9, HELD, T - 100 * DAY),
        grant(10, SHARED_YES, T - 50 * DAY),
        grant(11, SHARED_NO, T - 40 * DAY, status="refused"),
        grant(12, BACK_OLD, T - 100 * DAY),
        grant(13, BACK_NEW, T - 10 * DAY),
    ],
    "shop.orders": [
        order(1, T - 40 * DAY, WITHDRAWN),
        order(2, T - 5 * DAY, VERIFIED, delivered_at=None, email=address(VERIFIED)),
        order(3, IDLE_SINCE, None, email="guest@example.com"),
        order(4, datetime(2017, 6, 1), MAIL, delivered_at=datetime(2017, 6, 5)),
        order(5, datetime(2019, 6, 1), MAIL, delivered_at=datetime(2019, 6, 5)),
        order(6, T - 100 * DAY, IDLE_AWAKENED + 900),
    ],
    "shop.erasure_requests": [
        {"request_id": 1, "member_id": UNVERIFIED, "kind": "erase", "requested_at": T - DAY},
        {"request_id": 2, "member_id": VERIFIED, "kind": "erase", "requested_at": T - 2 * DAY,
         "identity_verified_at": T - DAY},
        {"request_id": 3, "member_id": ERASED_WITH_A_PAST, "kind": "erase", "requested_at": T - 2 * DAY,
         "identity_verified_at": T - DAY},
    ],
    "mailing.delivery_lists": [{"list_id": 1, "campaign_id": "1", "created_at": T - 9 * DAY}],
    "mailing.delivery_list_recipients": [
        {"list_id": 1, "recipient_no": 1, "member_id": WITHDRAWN, "email": address(WITHDRAWN)},
        {"list_id": 1, "recipient_no": 2, "email": address(WITHDRAWN).upper()},
        {"list_id": 1, "recipient_no": 3, "member_id": MAIL, "email": address(MAIL)},
    ],
    "legal.holds": [{"hold_id": 1, "member_id": HELD, "placed_at": T - 60 * DAY, "reason": "dispute"},
                    {"hold_id": 2, "email": "past@example.com", "placed_at": T - 60 * DAY}],
}  # fmt: skip


@dataclass(frozen=True)
class Story:
    """The house after the story, and what its doors showed on the way."""

    house: House
    days: dict[str, Answers]
    rows: dict[str, dict[str, list[dict[str, Any]]]]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """First night; notices go out; eight days later; somebody restores a backup; the hold is released."""
    house = House(tmp_path_factory.mktemp("story") / "data")
    days: dict[str, Answers] = {}
    rows: dict[str, dict[str, list[dict[str, Any]]]] = {}

    def night(name: str, at: datetime) -> None:
        house.build(at)
        days[name] = shown(house)
        purge = house.purge(at)
        assert purge.success, failures(purge)
        house.build(at)
        days[f"{name}, after"] = shown(house)
        rows[name] = house.shop()

    house.load(SHOP)
    night("first night", T)

    notices = [
        {"message_id": 100 + no, "message_class": "service_notice", "kind": "deletion_notice", "email": email,
         "sent_at": T + timedelta(hours=3) if email != address(IDLE_LATE) else T + 5 * DAY}
        for no, email in enumerate(sorted(days["first night, after"]["notices"]))
    ]  # fmt: skip
    house.load({"mailing.messages": notices})
    house.execute(
        f"update shop.members set last_login_at = '{T + 2 * DAY}' where member_id = {IDLE_AWAKENED}",
    )
    night("in grace", T + 6 * DAY)
    night("week over", T + 8 * DAY)

    house.load(
        {
            "shop.members": [
                row for row in SHOP["shop.members"] if row["member_id"] in (WITHDRAWN, IDLE, LEFT)
            ],
            "mailing.delivery_list_recipients": SHOP["mailing.delivery_list_recipients"][:1],
        }
    )
    house.execute(f"update legal.holds set released_at = '{T + 9 * DAY}'")
    house.build(T + 9 * DAY)
    days["restored"] = shown(house)
    night("next night", T + 10 * DAY)
    proofs = house.dbt("build", "--select", "config.meta.kigen.gate:after", as_of=T + 10 * DAY)
    assert proofs.success, failures(proofs)
    return Story(house, days, rows)


def members(rows: dict[str, list[dict[str, Any]]]) -> set[int]:
    return {row["member_id"] for row in rows["shop.members"]}


def state(answers: Answers, table: str, key: object) -> str:
    return str(answers["records"][table, str(key)][0])


def planned(answers: Answers, table: str, key: object) -> tuple[str, str] | None:
    what = answers["plan"].get((table, str(key)))
    return what and (what[0], what[1])


def test_1_left_five_years_ago_is_in_no_audience_is_shown_and_is_purged(story: Story) -> None:
    first = story.days["first night"]
    assert first["regressions"][LEFT, "left_to_active"] is True
    assert address(LEFT) not in first["newsletter"]
    assert address(LEFT) not in first["notices"]
    assert planned(first, "shop.members", LEFT) == ("delete", "member_withdrawn")
    assert LEFT not in members(story.rows["first night"])
    # The opposite: who left on the old site, and acted since, stays and is written to.
    assert first["regressions"][CAME_BACK_TO_ACT, "left_to_active"] is False
    assert first["newsletter"][address(CAME_BACK_TO_ACT)] == CAME_BACK_TO_ACT


def test_2_who_refused_mail_on_the_old_site_is_in_no_audience(story: Story) -> None:
    first = story.days["first night"]
    assert first["regressions"][NO_MAIL, "no_to_yes"] is True
    assert address(NO_MAIL) not in first["newsletter"]
    assert first["newsletter"][address(MAIL)] == MAIL


def test_3_the_row_of_an_old_delivery_list_goes_with_its_member(story: Story) -> None:
    first = story.days["first night"]
    lists = "mailing.delivery_list_recipients"
    assert planned(first, lists, "1|1") == ("delete", "member_withdrawn")
    assert planned(first, lists, "1|2") == ("delete", "member_withdrawn")
    assert planned(first, lists, "1|3") is None
    assert [row["recipient_no"] for row in story.rows["first night"][lists]] == [3]


def test_6_asking_for_erasure_stops_mail_at_once_and_erases_once_verified(story: Story) -> None:
    first = story.days["first night"]
    assert address(UNVERIFIED) not in first["newsletter"]
    assert address(VERIFIED) not in first["newsletter"]
    assert address(FLOORED) in first["newsletter"]
    assert planned(first, "shop.members", UNVERIFIED) is None
    assert planned(first, "shop.members", VERIFIED) == ("delete", "erasure_request")
    # The order is still open, and the consent is proof: kept, not used, with the date.
    order_state = first["states"]["shop.orders", "2", "erasure_request"]
    assert order_state[-1] == "floored"
    assert order_state[5] == T - 5 * DAY + 90 * DAY
    consent_state = first["states"]["shop.consent_events", "7", "erasure_request"]
    assert (consent_state[-1], consent_state[5]) == ("floored", datetime(2028, 11, 30, 9, 0, 0))


def test_7_three_years_idle_gets_one_notice_and_a_login_keeps_everything(story: Story) -> None:
    first = story.days["first night"]
    idle = {address(each) for each in (IDLE, IDLE_AWAKENED, IDLE_OPTED_OUT, IDLE_LATE)}
    assert set(first["notices"]) == idle | {"guest@example.com"}
    assert not idle & set(first["newsletter"])
    grace = story.days["in grace"]
    assert grace["notices"] == {}
    assert state(grace, "shop.members", IDLE) == "in_grace"
    assert state(grace, "shop.members", IDLE_AWAKENED) == "active"
    over = story.days["week over"]
    assert planned(over, "shop.members", IDLE) == ("delete", "member_inactive")
    assert planned(over, "shop.members", IDLE_OPTED_OUT) == ("delete", "member_inactive")
    assert planned(over, "shop.orders", 3) == ("anonymise", "guest_inactive")
    assert over["notices"] == {}
    left = story.rows["week over"]
    assert IDLE not in members(left)
    assert IDLE_AWAKENED in members(left)
    guest = next(row for row in left["shop.orders"] if row["order_id"] == 3)
    assert (guest["email"], guest["recipient_name"], guest["ordered_at"]) == (
        None,
        None,
        IDLE_SINCE,
    )


def test_8_a_late_notice_gives_the_full_week_and_no_notice_deletes_nobody(story: Story) -> None:
    assert state(story.days["first night"], "shop.members", IDLE_LATE) == "notice_due"
    assert IDLE_LATE in members(story.rows["first night"])
    over = story.days["week over"]
    assert state(over, "shop.members", IDLE_LATE) == "in_grace"
    assert over["states"]["shop.members", str(IDLE_LATE), "member_inactive"][4] == T + 12 * DAY
    assert IDLE_LATE in members(story.rows["next night"])


def test_9_a_hold_keeps_and_its_release_lets_go(story: Story) -> None:
    first = story.days["first night"]
    assert state(first, "shop.members", HELD) == "held"
    assert first["states"]["shop.members", str(HELD), "member_withdrawn"][6] == 1
    assert HELD in members(story.rows["week over"])
    assert planned(story.days["next night"], "shop.members", HELD) == ("delete", "member_withdrawn")
    assert HELD not in members(story.rows["next night"])


def test_9_a_held_row_of_the_old_site_is_erased_on_release_though_its_member_has_gone(
    story: Story,
) -> None:
    first, past = story.days["first night"], ("legacy_shop.customers", str(ERASED_WITH_A_PAST))
    assert planned(first, "shop.members", ERASED_WITH_A_PAST) == ("delete", "erasure_request")
    assert (state(first, *past), planned(first, *past)) == ("held", None)
    assert state(story.days["first night, after"], *past) == "held"
    assert planned(story.days["next night"], *past) == ("delete", "erasure_request")
    assert past not in story.days["next night, after"]["records"]


def test_10_a_restored_backup_stays_out_and_goes_again_without_a_notice(story: Story) -> None:
    restored = story.days["restored"]
    assert address(WITHDRAWN) not in restored["newsletter"]
    assert address(IDLE) not in restored["notices"]
    assert planned(restored, "shop.members", WITHDRAWN) == ("delete", "member_withdrawn")
    assert planned(restored, "shop.members", IDLE) == ("delete", "member_inactive")
    assert planned(restored, "mailing.delivery_list_recipients", "1|1") == (
        "delete",
        "member_withdrawn",
    )
    assert not {WITHDRAWN, IDLE, LEFT} & members(story.rows["next night"])
    assert IDLE_AWAKENED in members(story.rows["next night"])


def test_11_one_mailbox_goes_by_its_later_word_and_who_came_back_is_written_to(
    story: Story,
) -> None:
    first = story.days["first night"]
    assert "shared@example.com" not in first["newsletter"]
    assert first["newsletter"]["back@example.com"] == BACK_NEW
    assert story.days["next night, after"]["newsletter"]["back@example.com"] == BACK_NEW


def test_12_an_old_order_loses_its_person_and_keeps_its_ledger_row_to_the_statutory_day(
    story: Story,
) -> None:
    first = story.days["first night"]
    # June 2017: the books close on 31 March 2018, filing ends on 1 June, seven years after that it goes.
    assert planned(first, "shop.orders", 4) == ("delete", "order_ledger")
    assert first["plan"]["shop.orders", "4"][2] == datetime(2025, 5, 31, 15, 0, 0)
    assert planned(first, "shop.orders", 5) == ("anonymise", "order_personal_data")
    kept = next(row for row in story.rows["next night"]["shop.orders"] if row["order_id"] == 5)
    assert (kept["member_id"], kept["recipient_name"], kept["total_amount"]) == (None, None, 1200)
    assert first["states"]["shop.orders", "5", "order_ledger"][2] == datetime(2027, 5, 31, 15, 0, 0)


def test_a_purge_needs_nothing_more_when_it_is_done(story: Story) -> None:
    for name in ("first night", "in grace", "week over", "next night"):
        assert story.days[f"{name}, after"]["plan"] == {}, name


# What each case must never become, planted: its proof turns red.
PLANTED = {
    "1": ("proof_audience_member_not_active", f"insert into audiences.audience_newsletter_email "
          f"select 'person{LEFT}@example.com', {LEFT}, now()::timestamp"),
    "2": ("proof_regression_in_audience", f"insert into audiences.audience_newsletter_email "
          f"select 'person{NO_MAIL}@example.com', {NO_MAIL}, now()::timestamp"),
    "3": ("proof_ledger_without_delete", "update memory.purge_counts set rows_after = rows_before "
          "where table_name = 'mailing.delivery_list_recipients'"),
    "6": ("proof_audience_member_without_consent", f"insert into audiences.audience_newsletter_email "
          f"select 'person{UNVERIFIED}@example.com', {UNVERIFIED}, now()::timestamp"),
    "7": ("proof_planned_without_notice", f"insert into purge.purge_plan "
          f"select 'x', 'shop.members', '{IDLE_AWAKENED}', 'delete', 'member_inactive', "
          "timestamp '2026-01-01', 'x', true"),
    "8": ("proof_purged_without_notice", "update purge.purge_ledger set notice_sent_at = null "
          "where deletion_class = 'member_inactive'"),
    "9": ("proof_purged_while_held", "update purge.purge_ledger set hold_id = '1' "
          "where table_name = 'shop.members' and run_no = 1"),
    "10": ("proof_audience_member_suppressed", f"insert into audiences.audience_newsletter_email "
           f"select 'person{WITHDRAWN}@example.com', {WITHDRAWN}, now()::timestamp"),
    "11": ("proof_audience_member_without_consent", f"insert into audiences.audience_newsletter_email "
           f"select 'shared@example.com', {SHARED_NO}, now()::timestamp"),
    "12": ("proof_purged_too_early", "update purge.purge_ledger set deadline_at = timestamp '2099-05-31 15:00:00' "
           "where deletion_class = 'order_ledger'"),
}  # fmt: skip


@pytest.mark.parametrize("case", PLANTED)
def test_the_opposite_of_each_case_turns_its_proof_red(
    story: Story, tmp_path: Path, case: str
) -> None:
    proof, fault = PLANTED[case]
    copy = House(tmp_path / "data")
    copy.home.mkdir()
    copy.warehouse.write_bytes(story.house.warehouse.read_bytes())
    (copy.home / "keys").mkdir()
    (copy.home / "keys" / "kigen_key.duckdb").write_bytes(
        (story.house.home / "keys" / "kigen_key.duckdb").read_bytes()
    )
    assert violations(copy, proof) == 0
    copy.execute(fault)
    # Most proofs are views; the one that digests addresses is made anew.
    made = copy.dbt("run", "--select", proof, as_of=T + 10 * DAY)
    assert made.success, failures(made)
    assert violations(copy, proof) > 0


def violations(house: House, proof: str) -> int:
    """How many rows a proof has, read live."""
    return int(house.rows(f"select count(*) from proofs.{proof}")[0][0])
