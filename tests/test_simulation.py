"""What if: another T or another policy, computed beside the warehouse; the warehouse is not touched."""

from __future__ import annotations

import csv
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from orchestration.declarations import DeclarationError, parse_period
from orchestration.project import Project
from orchestration.simulation import (
    Simulation,
    SimulationError,
    by_period,
    simulate,
    write_forecast,
)
from tests.conftest import T, copy_of, seen_from
from tests.house import PROJECT, RAW_TABLES, REPOSITORY, House

POLICY = REPOSITORY / "seeds" / "policy" / "policy_deletion_classes.csv"
LATER = datetime(2027, 6, 15, 3)

Key = tuple[str, str, str]


@pytest.fixture
def policy(tmp_path: Path) -> Callable[..., Path]:
    """Writes the shop's policy with one row changed: (class, table), then columns."""

    def write(name: str, table: str, **changes: str) -> Path:
        with POLICY.open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        (row,) = [r for r in rows if (r["deletion_class"], r["table_name"]) == (name, table)]
        row.update(changes)
        path = tmp_path / "policy.csv"
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return path

    return write


def due(simulation: Simulation) -> dict[Key, int]:
    return {
        (row.table_name, row.deletion_class, row.action): row.rows
        for row in simulation.what_if
        if row.rows
    }


def totals(simulation: Simulation) -> dict[Key, int]:
    return {key: sum(counts) for key, counts in by_period(simulation, 24)[1].items()}


def planned(house: House) -> dict[Key, int]:
    rows = house.rows(
        "select table_name, deletion_class, action, count(*) from purge.purge_plan group by all"
    )
    return {(table, name, action): count for table, name, action, count in rows}


def test_at_the_t_and_policy_of_the_build_the_plan_is_what_would_go(
    parsed: Project, template: House
) -> None:
    # Followers, too: built by this T and policy, they have the deadline they would have.
    simulation = simulate(seen_from(parsed, template), T)
    assert due(simulation) == planned(template)
    assert simulation == simulate(seen_from(parsed, template), T, POLICY)
    ((digest,),) = template.rows("select distinct policy_digest from purge.purge_plan")
    assert simulation.policy_digest == simulation.built_policy_digest == digest
    assert simulation.months[0] == "2026-11"
    assert simulation.months[-1] == "2028-10"
    assert not [note for note in simulation.notes if "build by" in note]


def test_what_is_held_or_unclocked_is_counted_apart(parsed: Project, template: House) -> None:
    simulation = simulate(seen_from(parsed, template), T)
    apart = Counter[tuple[str, str, str]]()
    for row in simulation.apart:
        apart[row.table_name, row.deletion_class, row.reason] += row.rows
    states = template.rows(
        "select table_name, deletion_class, state, count(*) from retention.record_states "
        "where state in ('held', 'unclocked') group by all"
    )
    assert {state for _, _, state, _ in states} == {"held", "unclocked"}
    for table, name, state, count in states:
        # More are held than are due: a hold reaches what is not due yet.
        assert apart[table, name, "held"] + apart[table, name, "unclocked"] >= count
        if state == "held":
            assert apart[table, name, "held"] >= count


@pytest.mark.parametrize(
    ("name", "table", "period"),
    [
        ("message_log", "mailing.messages", "P1M"),
        ("message_log", "mailing.messages", "P6Y"),
        ("delivery_list", "mailing.delivery_list_recipients", "P5D"),
        ("member_provisional", "shop.members", "P1D"),
        ("member_provisional", "shop.members", "P9Y"),
    ],
)
def test_another_period_moves_exactly_the_rows_whose_clock_says_so(
    parsed: Project,
    template: House,
    policy: Callable[..., Path],
    name: str,
    table: str,
    period: str,
) -> None:
    project = seen_from(parsed, template)
    before = simulate(project, T)
    after = simulate(project, T, policy(name, table, period=period))

    # By hand, record by record: clock plus period; of all else the build is right. What follows
    # the register does so only where no class of its own has it.
    records: dict[str, list[tuple[str, datetime | None, datetime | None, str]]] = {}
    kept = set()
    for key, deletion_class, clock, deadline, state, until in template.rows(
        "select record_key, deletion_class, clock_at, deadline_at, state, floor_until "
        f"from retention.record_states where table_name = '{table}'"
    ):
        records.setdefault(key, []).append((deletion_class, clock, deadline, state))
        if state == "held" or (state == "floored" and until is None):
            kept.add(key)
    kept |= reached_by_holds(template, table)
    expected: Counter[Key] = Counter()
    for key, states in records.items():
        gone = []
        for deletion_class, clock, deadline, state in states:
            if deletion_class == name and clock is not None:
                deadline = parse_period(period).added_to(clock)
                state = "expired" if deadline <= T else "active"
            if state == "expired":
                gone.append((clock is None, deadline, deletion_class))
        if gone and key not in kept:
            expected[table, min(gone)[2], "delete"] += 1
    was, found = due(before), due(after)
    assert {key: n for key, n in found.items() if key[0] == table} == expected
    # Other tables are as they were, but for what follows the rows of this one, under their class.
    assert {key: n for key, n in found.items() if table != key[0] and name != key[1]} == {
        key: n for key, n in was.items() if table != key[0] and name != key[1]
    }
    assert found != was
    assert after.policy_digest != after.built_policy_digest


def reached_by_holds(house: House, table: str) -> set[str]:
    """The records an open hold reaches by their person or address, due or not."""
    rows = house.rows(
        "select record_key from retention.records as records where exists ("
        "select 1 from consent.hold_reach as holds "
        f"where (holds.table_name is null or holds.table_name = '{table}' "
        f"or '{table}' = 'shop.members') "
        "and reach_key = case reach_kind when 'subject' then records.subject_key "
        f"when 'contact' then records.contact end) and records.table_name = '{table}'"
    )
    return {key for (key,) in rows}


def test_notice_is_given_before_anything_goes(
    parsed: Project, template: House, policy: Callable[..., Path]
) -> None:
    project = seen_from(parsed, template)
    key = ("shop.members", "member_inactive", "delete")
    shorter = simulate(project, T, policy("member_inactive", "shop.members", period="P2D"))
    ((more,),) = template.rows(
        "select count(*) from retention.record_states where deletion_class = 'member_inactive' "
        "and state in ('active', 'notice_due', 'in_grace')"
    )
    # Whoever was not warned goes a notice after T, not at T.
    assert due(shorter).get(key, 0) <= due(simulate(project, T)).get(key, 0)
    assert totals(shorter)[key] <= more + due(shorter).get(key, 0)
    assert by_period(shorter, 1)[1][key][0] > due(shorter).get(key, 0)
    longest = simulate(
        project, T, policy("member_inactive", "shop.members", period="P2D", notice="P6M")
    )
    assert by_period(longest, 1)[1][key][0] == due(longest).get(key, 0)
    assert by_period(longest, 1)[1][key][6] > 0


def test_floor_puts_off_what_would_go(
    parsed: Project, template: House, policy: Callable[..., Path]
) -> None:
    project = seen_from(parsed, template)
    key = ("shop.consent_events", "erasure_request", "delete")
    no_floor = simulate(project, T, policy("consent_proof", "shop.consent_events", floor="no"))
    floored = simulate(project, T)
    ((kept,),) = template.rows(
        "select count(*) from retention.record_states where table_name = 'shop.consent_events' "
        "and deletion_class = 'erasure_request' and state = 'floored'"
    )
    assert kept > 0
    assert due(no_floor)[key] == due(floored).get(key, 0) + kept


@pytest.fixture(scope="module")
def rebuilt(template: House, tmp_path_factory: pytest.TempPathFactory) -> House:
    """The same warehouse, built by a later T; what the sample dates after T has not come."""
    house = copy_of(template, tmp_path_factory.mktemp("later") / "data")
    house.execute(
        # A hold without a date is open: one that is placed later has to go as a whole.
        f"delete from legal.holds where placed_at > timestamp '{T}'",
        *(
            f"update {table} set {column} = null where {column} > timestamp '{T}'"
            for table, columns in RAW_TABLES.items()
            for column, kind in columns.items()
            if kind == "timestamp"
        ),
    )
    house.build(LATER)
    return house


def test_later_t_is_what_a_build_by_it_says(
    parsed: Project, template: House, rebuilt: House
) -> None:
    simulation = simulate(seen_from(parsed, template), LATER)
    # Nothing is left out: what follows members who are due by then goes with them.
    ((following,),) = rebuilt.rows(
        "select count(*) from purge.purge_plan inner join retention.record_states "
        "using (table_name, record_key, deletion_class) where clock_source = 'shop.members'"
    )
    assert following > 0
    assert sum(planned(rebuilt).values()) > sum(planned(template).values())
    assert due(simulation) == planned(rebuilt)
    assert any("For an exact answer build by this T." in note for note in simulation.notes)


def test_file_is_untouched_and_the_forecast_is_its_owners(
    parsed: Project, sample: House, policy: Callable[..., Path]
) -> None:
    def digests() -> dict[str, str]:
        return {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sample.home.iterdir()
            if path.name.startswith("warehouse")
        }

    project, before = seen_from(parsed, sample), digests()
    simulation = simulate(project, LATER, policy("message_log", "mailing.messages", period="P1M"))
    assert digests() == before
    path = write_forecast(project.settings, simulation)
    assert path == write_forecast(project.settings, simulation)
    digest = simulation.policy_digest[:12]
    assert path == sample.home / "forecasts" / f"2027-06-15T030000Z-{digest}.csv"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["table", "class", "action", "month", "rows"]
    assert sum(int(row["rows"]) for row in rows) == sum(r.rows for r in simulation.forecast)
    assert {row["month"] for row in rows} <= set(simulation.months)
    assert Simulation.from_json(simulation.as_json()) == simulation


def test_kigen_simulate_tells_the_difference_and_where_the_forecast_is(
    parsed: Project, sample: House, policy: Callable[..., Path]
) -> None:
    # Parsed already: the manifest says the same of every house.
    shutil.copytree(parsed.settings.target, sample.home / "target")
    file = policy("message_log", "mailing.messages", period="P1M")
    told = subprocess.run(
        [sys.executable, "-m", "orchestration", "simulate", "--policy", str(file)],
        cwd=REPOSITORY,
        env={**os.environ, **sample.environment(LATER)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout
    (path,) = (sample.home / "forecasts").iterdir()
    assert str(path) in told.stdout
    assert re.search(r"message_log +delete +\d+ +\d+ +\+\d+", told.stdout)
    table = told.stdout[: told.stdout.index("Not in the forecast")]
    assert max(len(line) for line in table.splitlines()) <= 120


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"period": "3 years"}, "column period: class message_log: '3 years' is not an ISO 8601"),
        ({"action": "shred"}, "unknown action 'shred'; allowed: anonymise, delete, keep"),
        ({"deletion_class": "massage_log"}, "'massage_log' is not among the deletion_classes"),
        ({"table_name": "mailing.mesages"}, "unknown governed table 'mailing.mesages'; nearest of"),
    ],
)
def test_policy_file_that_cannot_be_right_is_refused(
    parsed: Project,
    template: House,
    policy: Callable[..., Path],
    changes: dict[str, str],
    said: str,
) -> None:
    path = policy("message_log", "mailing.messages", **changes)
    with pytest.raises(DeclarationError) as refused:
        simulate(seen_from(parsed, template), T, path)
    assert said in str(refused.value)
    assert f"{path}:" in str(refused.value)


def test_policy_file_that_is_not_there_is_refused(
    parsed: Project, template: House, tmp_path: Path
) -> None:
    with pytest.raises(DeclarationError, match=r"none\.csv: cannot be read: FileNotFoundError"):
        simulate(seen_from(parsed, template), T, tmp_path / "none.csv")


def test_warehouse_that_is_not_built_is_refused(parsed: Project, house: House) -> None:
    house.home.mkdir()
    with pytest.raises(SimulationError, match="run `kigen plan` first"):
        simulate(seen_from(parsed, house), T)
    assert not house.warehouse.exists()
    house.load({})
    with pytest.raises(SimulationError, match="is not built: it lacks as_of"):
        simulate(seen_from(parsed, house), T)


@pytest.mark.parametrize(
    "changes",
    [
        {
            ("member_withdrawn", "shop.members"): {"period": "P1Y"},
            ("member_inactive", "shop.members"): {"period": "P3Y1M"},
            ("delivery_list", "mailing.delivery_list_recipients"): {"period": "P10Y"},
            ("guest_inactive", "shop.orders"): {"period": "P1Y"},
            ("consent_proof", "shop.consent_events"): {"period": "P10Y"},
        },
        {
            ("member_withdrawn", "shop.members"): {"period": "P5D"},
            ("member_unreachable", "shop.members"): {"period": "P1Y"},
            ("order_ledger", "shop.orders"): {"period": "P1Y"},
            ("guest_inactive", "shop.orders"): {"notice_waiver": ""},
            ("consent_proof", "shop.consent_events"): {"period": "P1D"},
            ("message_log", "mailing.messages"): {"period": "P1M"},
            ("legacy_customer", "legacy_shop.customers"): {"period": "P5Y"},
        },
    ],
    ids=["longer", "shorter"],
)
def test_another_policy_is_what_a_build_under_it_says(
    parsed: Project,
    template: House,
    tmp_path: Path,
    changes: dict[tuple[str, str], dict[str, str]],
) -> None:
    # A real build of the same shop by the same T; nothing is left out, followers neither.
    project = tmp_path / "dbt_project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    shutil.copytree(REPOSITORY / "seeds", tmp_path / "seeds")
    path = tmp_path / "seeds" / "policy" / POLICY.name
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        row.update(changes.get((row["deletion_class"], row["table_name"]), {}))
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    house = House(copy_of(template, tmp_path / "data").home, project)
    house.build(T)

    simulation = simulate(seen_from(parsed, template), T, path)
    assert due(simulation) == planned(house)
    assert due(simulation) != planned(template)
    ((digest,),) = house.rows("select distinct policy_digest from purge.purge_plan")
    assert simulation.policy_digest == digest


def test_orders_are_forecast_with_the_member_they_follow(parsed: Project, template: House) -> None:
    simulation = simulate(seen_from(parsed, template), T)
    key = ("shop.orders", "member_inactive", "anonymise")
    assert totals(simulation)[key] > due(simulation)[key]
