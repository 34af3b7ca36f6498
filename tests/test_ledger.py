"""Whoever alters the ledger breaks its chain, and the first broken link is named."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from orchestration.guard import judge
from orchestration.keys import read_pads
from orchestration.ledger import LedgerError, broken_link, chain_of, entries_of
from orchestration.project import Project
from tests.conftest import T, copy_of, seen_from
from tests.house import House, failures


@pytest.fixture(scope="module")
def chained_template(purged_template: House, tmp_path_factory: pytest.TempPathFactory) -> House:
    """A ledger of three purges."""
    house = copy_of(purged_template, tmp_path_factory.mktemp("chained") / "data")
    for days in (1, 2):
        at = T + timedelta(days=days)
        house.execute(
            f"update shop.members set status = 'withdrawn', withdrawn_at = timestamp '2020-01-0{days}' "
            f"where member_id = {1000 + days}"
        )
        house.build(at)
        purge = house.purge(at)
        assert purge.success, failures(purge)
    return house


@pytest.fixture
def chained(chained_template: House, tmp_path: Path) -> House:
    return copy_of(chained_template, tmp_path / "data")


def broken(parsed: Project, house: House, journal: dict[int, str] | None = None) -> str | None:
    with duckdb.connect(str(house.warehouse), read_only=True) as connection:
        return broken_link(connection, seen_from(parsed, house), journal)


def chain(parsed: Project, house: House) -> dict[int, str]:
    with duckdb.connect(str(house.warehouse), read_only=True) as connection:
        return chain_of(connection, seen_from(parsed, house))


def test_chain_is_whole_as_it_was_written(parsed: Project, chained: House) -> None:
    assert sorted(chain(parsed, chained)) == [1, 2, 3]
    assert broken(parsed, chained) is None
    assert broken(parsed, chained, chain(parsed, chained)) is None


def test_order_of_the_rows_in_the_table_says_nothing(parsed: Project, chained: House) -> None:
    chained.execute(
        "create table purge.other as from purge.purge_ledger order by record_digest",
        "delete from purge.purge_ledger",
        "insert into purge.purge_ledger from purge.other",
    )
    assert broken(parsed, chained) is None


COLUMNS = {
    "plan_digest": "'x'", "table_name": "table_name || 'x'", "record_digest": "sha256('x')", "action": "action || 'x'",
    "deletion_class": "'x'", "deadline_at": "timestamp '2000-01-01'", "purged_at": "timestamp '2000-01-01'",
    "clock_source": "'x'", "is_notice_required": "not is_notice_required", "is_notice_waived": "not is_notice_waived",
    "notice_sent_at": "timestamp '2000-01-01'", "grace_until": "timestamp '2000-01-01'",
    "floor_until": "timestamp '2000-01-01'", "hold_id": "'1'", "key_id": "'x'", "chain_digest": "sha256('x')",
}  # fmt: skip


@pytest.mark.parametrize("column", COLUMNS)
def test_altered_row_is_found(parsed: Project, chained: House, column: str) -> None:
    assert set(COLUMNS) | {"run_no"} == {
        name for name, *_ in chained.rows("describe purge.purge_ledger")
    }
    chained.execute(
        f"update purge.purge_ledger set {column} = {COLUMNS[column]} "
        "where run_no = 2 and record_digest = (select min(record_digest) from purge.purge_ledger where run_no = 2)"
    )
    assert str(broken(parsed, chained)).startswith("The ledger is broken at run 2 (")


@pytest.mark.parametrize(
    ("tampering", "run_no"),
    [
        ("delete from purge.purge_ledger where run_no = 1 and table_name = 'legal.holds'", 1),
        ("delete from purge.purge_ledger where run_no = 2", 3),
        ("delete from purge.purge_ledger where run_no = 1", 2),
        ("insert into purge.purge_ledger select * replace (sha256('y') as record_digest) "
         "from purge.purge_ledger where run_no = 3 limit 1", 3),
        ("insert into purge.purge_ledger from purge.purge_ledger where run_no = 1 limit 1", 1),
        ("update purge.purge_ledger set run_no = 5 - run_no where run_no in (2, 3)", 2),
        ("update purge.purge_ledger set run_no = 2 where run_no = 1 and table_name = 'legal.holds'", 1),
        ("insert into purge.purge_ledger select * replace (9 as run_no, sha256('z') as chain_digest) "
         "from purge.purge_ledger where run_no = 3", 9),
    ],
)  # fmt: skip
def test_dropped_added_and_moved_rows_are_found(
    parsed: Project, chained: House, tampering: str, run_no: int
) -> None:
    chained.execute(tampering)
    assert f"broken at run {run_no} (" in str(broken(parsed, chained))


def test_last_run_that_went_whole_is_found_by_the_journal(parsed: Project, chained: House) -> None:
    journal = chain(parsed, chained)
    chained.execute("delete from purge.purge_ledger where run_no = 3")
    assert broken(parsed, chained) is None
    assert broken(parsed, chained, journal) == "The ledger lacks run 3, which the journal has."


def test_broken_chain_stops_every_purge(parsed: Project, chained: House) -> None:
    chained.execute("update purge.purge_ledger set action = 'delete' where run_no = 1")
    at = T + timedelta(days=2)
    project = seen_from(parsed, chained, at)
    with duckdb.connect(str(chained.warehouse)) as connection:
        connection.execute(f"attach '{chained.key}' as kigen_key (read_only)")
        verdict = judge(connection, project, at, read_pads(chained.key))
    assert any(refusal.startswith("The ledger is broken at run 1") for refusal in verdict.refusals)


def test_ledger_answers_for_one_record(parsed: Project, chained: House) -> None:
    project, pads = seen_from(parsed, chained), read_pads(chained.key)
    with duckdb.connect(str(chained.warehouse), read_only=True) as connection:
        assert entries_of(connection, project, "shop.members:1001", pads) == (
            "Purge 2: delete under member_withdrawn, at 2026-11-03T03:00:00.000000 UTC.",
        )
        assert entries_of(connection, project, "shop.members:1003", pads) == (
            "The ledger has no such record.",
        )
        for wrong in ("shop.members", "shop.members:", "nobody:1", ""):
            with pytest.raises(LedgerError, match=r"write shop\.members:1016"):
                entries_of(connection, project, wrong, pads)
