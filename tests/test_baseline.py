"""What has changed since the last purge in a way that nobody approved stops the next one."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from orchestration.approvals import approve
from orchestration.baseline import doubts, note, read_baseline
from orchestration.guard import judge
from orchestration.keys import read_pads
from orchestration.plan import read_plan
from orchestration.project import Project
from orchestration.settings import utc_now
from tests.conftest import T, copy_of, seen_from
from tests.house import House

LATER = T + timedelta(days=1)


@pytest.fixture(scope="module")
def noted_template(
    parsed: Project, purged_template: House, tmp_path_factory: pytest.TempPathFactory
) -> House:
    """The purged sample shop, with the baseline its rebuild leaves."""
    house = copy_of(purged_template, tmp_path_factory.mktemp("noted") / "data")
    assert noted(parsed, house)
    return house


@pytest.fixture
def house(noted_template: House, tmp_path: Path) -> House:
    return copy_of(noted_template, tmp_path / "data")


def noted(parsed: Project, house: House, as_of: datetime = T, *, is_approved: bool = False) -> bool:
    with duckdb.connect(str(house.warehouse)) as connection:
        project = seen_from(parsed, house, as_of)
        return note(connection, project, as_of, is_approved=is_approved)


def doubted(parsed: Project, house: House, as_of: datetime = LATER) -> tuple[str, ...]:
    with duckdb.connect(str(house.warehouse), read_only=True) as connection:
        return doubts(connection, seen_from(parsed, house, as_of), as_of)


def test_nothing_is_doubted_before_the_first_purge(parsed: Project, sample: House) -> None:
    with duckdb.connect(str(sample.warehouse)) as connection:
        assert read_baseline(connection) is None
    assert doubted(parsed, sample) == ()


def test_nothing_is_doubted_on_a_quiet_day(parsed: Project, house: House) -> None:
    assert doubted(parsed, house) == ()
    assert doubted(parsed, house, T) == ()
    assert doubted(parsed, house, datetime(2027, 2, 2, 3)) == ()


def test_t_that_jumped_is_doubted(parsed: Project, house: House) -> None:
    (forward,) = doubted(parsed, house, datetime(2027, 2, 2, 3, 0, 1))
    assert "more than P3M (as_of_jump) after the last purge" in forward
    (back,) = doubted(parsed, house, T - timedelta(microseconds=1))
    assert "before that of the last purge" in back


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("delete from shop.members where member_id % 9 > 3", r"^shop.members lost \d+ of 105 rows"),
        ("delete from shop.orders", r"^shop.orders lost 59 of 59 rows"),
        (
            "insert into shop.orders by name "
            "select order_id + 90000 as order_id, email, ordered_at from shop.orders",
            r"^shop.orders has 118 rows, and had 59 .*: it has doubled.$",
        ),
    ],
)
def test_table_that_lost_or_doubled_its_rows_is_doubted(
    parsed: Project, house: House, change: str, said: str
) -> None:
    house.execute(change)
    found = [text for text in doubted(parsed, house) if " lost " in text or " doubled" in text]
    assert len(found) == 1
    assert re.search(said, found[0])


@pytest.mark.parametrize(
    "change",
    [
        "delete from shop.members where member_id % 9 > 6",
        "delete from shop.orders where order_id in (select order_id from shop.orders limit 29)",
        "insert into shop.orders by name select order_id + 90000 as order_id, email, ordered_at "
        "from shop.orders limit 57",
    ],
)
def test_fewer_or_more_rows_within_the_limit_are_not_doubted(
    parsed: Project, house: House, change: str
) -> None:
    house.execute(change)
    assert doubted(parsed, house) == ()


def test_rows_that_the_ledger_has_are_not_lost(parsed: Project, house: House) -> None:
    house.execute(
        "delete from shop.orders",
        "insert into memory.purge_counts by name select 2 as run_no, 'shop.orders' as table_name, "
        "59 as rows_before, 59 as deleted, 0 as rows_after",
    )
    assert doubted(parsed, house) == ()


def test_clocks_that_went_back_are_doubted(parsed: Project, house: House) -> None:
    house.execute(
        "update shop.members set last_login_at = null, registered_at = registered_at - interval 4 year"
    )
    house.build(LATER)
    said = " ".join(doubted(parsed, house))
    assert "Clocks of shop.members under member_inactive went back since the last purge" in said


def test_clocks_that_go_on_are_not_doubted(parsed: Project, house: House) -> None:
    house.execute(
        f"update shop.members set last_login_at = timestamp '{T}' + interval 1 hour",
        "insert into shop.members by name select 9000 + i as member_id, 'active' as status, "
        f"'new' || i || '@example.com' as email, timestamp '{T}' + interval 2 hour as registered_at "
        "from range(80) as ids (i)",
    )
    house.build(LATER)
    assert doubted(parsed, house) == ()


# The shop's own policy, row by row: each change deletes more, and each has its opposite.
CHANGES = [
    ("period = 'P2Y'", "period = 'P4Y'", "member_inactive", "has a shorter period"),
    ("notice = null", "notice = 'P14D'", "member_inactive", "needs no notice any more"),
    ("notice = 'P6D'", "notice = 'P8D'", "member_inactive", "has a shorter notice"),
    ("notice_waiver = 'mailbox_left'", "legal_basis = 'law'", "member_inactive", "waives the notice"),
    ("floor = 'no'", "legal_basis = 'law'", "consent_proof", "is no floor any more"),
    ("action = 'delete'", "legal_basis = 'law'", "order_personal_data", "deletes, and did not"),
    ("deletion_class = 'other'", "legal_basis = 'law'", "message_log", "is new"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "less", "name", "said"), CHANGES)
def test_policy_that_deletes_more_is_doubted(
    parsed: Project, house: House, more: str, less: str, name: str, said: str
) -> None:
    def change(setting: str) -> tuple[str, ...]:
        # The policy model is made anew from the seed alone: the rest of the house has no part in it.
        house.execute(
            f"update policy.policy_deletion_classes set {setting} where deletion_class = '{name}'"
        )
        result = house.dbt("run", "--select", "deletion_classes", as_of=LATER)
        assert result.success
        return doubted(parsed, house)

    assert change(less) == ()
    assert [text for text in change(more) if said in text and "deletes more" in text]


def test_baseline_stands_while_a_doubt_does(parsed: Project, house: House) -> None:
    house.execute("delete from shop.orders")
    assert not noted(parsed, house, LATER)
    assert doubted(parsed, house) != ()
    assert noted(parsed, house, LATER, is_approved=True)
    assert doubted(parsed, house) == ()


def test_doubt_stops_a_purge_until_its_plan_is_approved(parsed: Project, house: House) -> None:
    house.execute(
        "delete from shop.orders",
        "update shop.members set status = 'withdrawn', withdrawn_at = timestamp '2020-01-01' "
        "where member_id = 1001",
    )
    house.build(LATER)
    project, pads = seen_from(parsed, house, LATER), read_pads(house.key)
    with duckdb.connect(str(house.warehouse)) as connection:
        connection.execute(f"attach '{house.key}' as kigen_key (read_only)")
        refused = judge(connection, project, LATER, pads)
        digest = read_plan(connection, project).digest
        approve(
            connection, project, pads,
            plan_digest=digest, approver="dpo", reason="orders moved away", now=utc_now(),
        )  # fmt: skip
        passed = judge(connection, project, LATER, pads)
    assert any(text.startswith("shop.orders lost 59 of 59 rows") for text in refused.refusals)
    assert passed.passes
    assert passed.concerns != ()
