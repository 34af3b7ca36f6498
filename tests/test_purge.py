"""A purge takes what is planned, whole or not at all, and only with the guard's verdict."""

from __future__ import annotations

import hashlib
import os
import random
import re
import signal
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dbt.cli.main import dbtRunnerResult

from orchestration.keys import digest, read_pads
from tests.conftest import T, copy_of
from tests.dying import die_at, in_a_child
from tests.faults import BEFORE, RAW, Fault, Snapshot, digest_of_plan, plant, remains, seal
from tests.house import House, failures

FIRST_OF_EACH = list(
    {fault.proof: fault for fault in reversed(BEFORE) if not fault.is_left_alone}.values()
)
NO_VERDICT = "There is no verdict of the guard for plan"


def ledger_result(result: dbtRunnerResult) -> Any:
    """What dbt says of the node purge_ledger."""
    return next(each for each in result.result.results if each.node.name == "purge_ledger")


def apply_frozen(house: House, run: str = "a-run") -> dbtRunnerResult:
    """Run the ledger alone, on what was built: nothing is judged again, so a fault stays planted."""
    return house.dbt("run", "--select", "purge_ledger", as_of=T, run=run)


# A plain build, whatever it is told, purges and restores nothing.


def test_plain_dbt_purges_nothing_and_says_so(sample: House) -> None:
    before = remains(sample)
    assert before["purge.purge_ledger"] == []
    for arguments in (["build"], ["build", "--full-refresh"], ["seed", "--full-refresh"]):
        result = sample.dbt(*arguments, as_of=T)
        assert remains(sample) == before, arguments
        if arguments[0] == "build":
            # What is due is there still, and the proof that is judged after a purge says that.
            assert failures(result) == ["no_expired_record_survives: fail"]
            response = ledger_result(result).adapter_response
            assert (response["_message"], response["rows_affected"]) == ("NOTHING PURGED", 0)
    log = (sample.home / "logs" / "dbt.log").read_text()
    assert log.count(f"purge_ledger: nothing was purged. {NO_VERDICT}") == 2


def test_plain_dbt_after_a_purge_restores_nothing_and_keeps_the_ledger(purged: House) -> None:
    before = remains(purged)
    assert len(before["purge.purge_ledger"]) > 50
    for arguments in (["build"], ["build", "--full-refresh"], ["seed", "--full-refresh"]):
        result = purged.dbt(*arguments, as_of=T)
        assert result.success, failures(result)
        assert remains(purged) == before, arguments


def test_old_verdict_is_used_up_by_its_purge(purged: House) -> None:
    assert purged.rows("from purge.guard_verdicts") == []


# Why a purge refuses: each leaves everything as it was.


@pytest.mark.parametrize("fault", FIRST_OF_EACH, ids=str)
def test_purge_refuses_while_a_proof_is_red(sample: House, fault: Fault) -> None:
    personal = personal_values(sample)
    plant(sample, fault)
    seal(sample)
    if fault.proof == "proof_audience_member_suppressed":
        # A table, for it needs the key: red once it is made anew, as a build does.
        assert sample.dbt("run", "--select", fault.proof, as_of=T).success
    sample.allow()
    before = remains(sample)

    result = apply_frozen(sample)

    assert failures(result) == ["purge_ledger: error"]
    message = ledger_result(result).message
    assert "purge_ledger: nothing is purged while a proof is red." in message
    assert f"proofs.{fault.proof} (" in message
    assert [value for value in personal if value in message] == []
    assert remains(sample) == before


@pytest.mark.parametrize("fault", [fault for fault in BEFORE if fault.is_left_alone], ids=str)
def test_purge_passes_by_a_planned_record_that_is_not_expired(sample: House, fault: Fault) -> None:
    plant(sample, fault)
    seal(sample)
    sample.allow()
    (table, key), *_ = re.findall(r"'(shop.members)', '(\d+)'", fault.statements[0])
    before = sample.rows(f"from {table} where member_id = {key}")
    result = apply_frozen(sample)
    assert result.success, failures(result)
    assert sample.rows(f"from {table} where member_id = {key}") == before
    assert sample.rows("select table_name, skipped from memory.purge_counts where skipped > 0") == [
        (table, 1)
    ]
    pads = read_pads(sample.home / "keys" / "kigen_key.duckdb")
    taken = sample.rows("select record_digest from purge.purge_ledger")
    assert (digest(f"{table}|{key}", pads),) not in taken


def test_every_blocking_proof_before_a_purge_is_planted_against_it(template: House) -> None:
    result = template.dbt(
        "ls", "--select", "path:models/7_proofs,config.meta.kigen.gate:before", as_of=T
    )
    blocking = {
        name.split(".")[-1]
        for name in result.result
        if name.split(".")[-1].startswith("proof_") and "shop" not in name
    }
    counting = {
        "proof_unclocked_record", "proof_unclassed_record", "proof_bad_row",
        "proof_erasure_finds_nothing",
    }  # fmt: skip
    assert {fault.proof for fault in FIRST_OF_EACH} == blocking - counting


def test_purge_does_nothing_without_a_verdict_for_this_run_and_this_plan(sample: House) -> None:
    before = remains(sample)
    sample.allow("another-run")
    result = apply_frozen(sample)
    assert ledger_result(result).adapter_response["_message"] == "NOTHING PURGED"
    assert remains(sample) == before

    sample.allow()
    result = apply_frozen(sample, run="")
    assert ledger_result(result).adapter_response["_message"] == "NOTHING PURGED"
    assert remains(sample) == before

    sample.execute("update purge.guard_verdicts set plan_digest = sha256('another plan')")
    result = apply_frozen(sample)
    assert ledger_result(result).adapter_response["_message"] == "NOTHING PURGED"
    assert remains(sample) == before


@pytest.mark.parametrize(
    "change",
    [
        "update purge.purge_plan set record_key = '1001' where record_key = '1046'",
        "update purge.purge_plan set action = 'delete' where action = 'anonymise'",
        "update purge.purge_plan set deadline_at = deadline_at - interval 1 day "
        "where record_key = '1046'",
        "delete from purge.purge_plan where record_key = '1046'",
        "insert into purge.purge_plan select * replace ('1001' as record_key) "
        "from purge.purge_plan where record_key = '1046'",
        "update purge.purge_plan set plan_digest = sha256('') where record_key = '1046'",
        "update purge.purge_plan set plan_digest = sha256('')",
    ],
)
def test_purge_refuses_a_plan_that_was_altered_after_it_was_frozen(
    sample: House, change: str
) -> None:
    before = remains(sample)
    sample.allow()
    sample.execute(change)
    result = apply_frozen(sample)
    assert failures(result) == ["purge_ledger: error"]
    assert "it was altered after it was frozen" in ledger_result(result).message
    assert remains(sample) == before


def test_digest_of_the_plan_covers_its_rows_in_order(template: House) -> None:
    rows = template.rows(
        "select table_name, record_key, action, deletion_class, deadline_at, policy_digest "
        "from purge.purge_plan"
    )
    stated = template.rows("select distinct plan_digest from purge.purge_plan")
    assert stated == [(digest_of_plan(rows),)]


def test_purge_refuses_a_t_to_come(sample: House) -> None:
    before = remains(sample)
    result = sample.purge(datetime(2999, 1, 1))
    assert failures(result) == ["purge_ledger: error"]
    assert "KIGEN_AS_OF is later than now" in ledger_result(result).message
    assert remains(sample) == before


# What a purge takes, and what it tells.


def test_purge_takes_the_planned_rows_and_nothing_else(template: House, purged: House) -> None:
    plan = {
        (table, key): action
        for table, key, action in template.rows(
            "select table_name, record_key, action from purge.purge_plan"
        )
    }
    keys = {
        "legacy_shop.customers": ["customer_id"],
        "legal.holds": ["hold_id"],
        "mailing.delivery_lists": ["list_id"],
        "mailing.delivery_list_recipients": ["list_id", "recipient_no"],
        "mailing.messages": ["message_id"],
        "mailing.bounces": ["message_id"],
        "shop.consent_events": ["event_id"],
        "shop.erasure_requests": ["request_id"],
        "shop.members": ["member_id"],
        "shop.orders": ["order_id"],
    }
    personal = {"member_id", "email", "recipient_name", "recipient_phone", "postal_code"}
    personal |= {"street_address"}
    before, after = template.shop(), purged.shop()
    assert set(keys) == set(before)
    for table, columns in keys.items():
        expected = []
        for row in before[table]:
            action = plan.get((table, "|".join(str(row[column]) for column in columns)))
            if action == "anonymise":
                row = {name: None if name in personal else row[name] for name in row}
            if action != "delete":
                expected.append(row)
        assert sorted(map(repr, after[table])) == sorted(map(repr, expected)), table


def test_dbt_says_how_many_rows_of_each_table_were_purged(sample: House) -> None:
    planned = sample.rows(
        "select table_name, count(*) from purge.purge_plan group by all order by all"
    )
    response = ledger_result(sample.purge(T)).adapter_response
    assert response["rows_affected"] == sum(count for _, count in planned) > 50
    told = ", ".join(f"{table} {count}" for table, count in planned)
    assert response["_message"] == f"PURGE {told}"
    counts = sample.rows(
        "select table_name, planned, deleted + anonymised, skipped, rows_before - rows_after "
        "- deleted from memory.purge_counts order by all"
    )
    assert counts == [(table, count, count, 0, 0) for table, count in planned]


def test_children_go_before_parents_and_messages_requests_and_holds_last(sample: House) -> None:
    assert sample.purge(T).success
    log = (sample.home / "logs" / "dbt.log").read_text()
    touched = re.findall(r'(?:delete from|update) "warehouse"."(\w+)"."(\w+)"', log)
    order = list(dict.fromkeys(".".join(table) for table in touched if table[0] in RAW))
    assert order == [
        "mailing.delivery_list_recipients", "shop.consent_events", "shop.orders",
        "legacy_shop.customers", "shop.members",
        "legal.holds", "mailing.messages",
    ]  # fmt: skip


def test_ledger_holds_keyed_digests_that_only_the_key_can_make(
    template: House, purged: House
) -> None:
    pads = read_pads(purged.home / "keys" / "kigen_key.duckdb")
    plan = template.rows(
        "select * exclude (plan_digest, policy_digest, is_due) from purge.purge_plan"
    )
    expected = [
        (table, digest(f"{table}|{key}", pads), action, deletion_class, deadline_at, T)
        for table, key, action, deletion_class, deadline_at in plan
    ]
    ledger = purged.rows(
        "select table_name, record_digest, action, deletion_class, deadline_at, purged_at "
        "from purge.purge_ledger"
    )
    assert sorted(ledger) == sorted(expected)
    assert purged.rows("select distinct key_id from purge.purge_ledger") == [(pads.key_id,)]

    written = {str(value) for row in purged.rows("from purge.purge_ledger") for value in row}
    keys = {key for _, key, *_ in plan if key != "12"}
    assert written & (keys | personal_values(template)) == set()
    assert {value for value in written if "@" in value or "|" in value} == set()


def test_chain_of_the_ledger_covers_every_row_and_the_run_before(purged: House) -> None:
    # The second run takes a member row that came back.
    purged.execute(
        "insert into shop.members by name select 1046 as member_id, 'withdrawn' as status, "
        "timestamp '2020-01-01' as registered_at, timestamp '2020-02-01' as withdrawn_at"
    )
    purged.build(T)
    assert purged.purge(T).success

    said = ""
    runs = purged.rows("select distinct run_no, chain_digest from purge.purge_ledger order by 1")
    assert [run_no for run_no, _ in runs] == [1, 2]
    for run_no, chain_digest in runs:
        lines = sorted(
            "\t".join(text_of(value) for value in row)
            for row in purged.rows(
                "select plan_digest, table_name, record_digest, action, deletion_class, "
                "deadline_at, purged_at, clock_source, is_notice_required, is_notice_waived, "
                "notice_sent_at, grace_until, floor_until, hold_id, key_id "
                f"from purge.purge_ledger where run_no = {run_no}"
            )
        )
        said = sha256(f"{said}\n{sha256(chr(10).join(lines))}")
        assert chain_digest == said


def test_what_must_outlive_a_purge_is_remembered_by_key(template: House, purged: House) -> None:
    pads = read_pads(purged.home / "keys" / "kigen_key.duckdb")
    suppressed = dict(
        purged.rows(
            "select contact_digest, deletion_class from memory.suppressions "
            "where reason = 'purge' and purpose is null"
        )
    )
    addresses = dict(template.rows("select member_id, email from staging.stg_members"))
    # 1046 and 1115 share their mailboxes with members who stay; 1078 has no address.
    alone = {1048, 1065, 1067, 1068, 1070, 1072, 1083, 1085, 1091, 1099, 1100, 1106}
    assert set(suppressed) == {digest(addresses[member], pads) for member in alone}
    assert suppressed[digest(addresses[1083], pads)] == "member_inactive"

    deleted = template.rows(
        "select table_name, record_key from purge.purge_plan where action = 'delete' and "
        "table_name in ('shop.members', 'legacy_shop.customers', "
        "'mailing.delivery_list_recipients')"
    )
    remembered = purged.rows("select table_name, record_digest from memory.purged_records")
    assert sorted(remembered) == sorted(
        (table, digest(f"{table}|{key}", pads)) for table, key in deleted
    )
    assert "@" not in repr([remains(purged)[name] for name in remains(purged) if "memory" in name])


def test_what_follows_a_member_goes_in_the_same_plan_under_its_class(template: House) -> None:
    plan = {
        (table, key): (action, deletion_class)
        for table, key, action, deletion_class in template.rows(
            "select table_name, record_key, action, deletion_class from purge.purge_plan"
        )
    }
    assert plan["shop.members", "1083"] == ("delete", "member_inactive")
    assert plan["shop.orders", "5021"] == ("anonymise", "member_inactive")
    assert plan["mailing.delivery_list_recipients", "2|5"] == ("delete", "member_withdrawn")
    # Still open, so kept from the purge of its member.
    assert ("shop.orders", "5017") not in plan


# What changed between the plan and the purge.


def test_purge_leaves_alone_what_is_gone_or_expired_no_longer_and_counts_it(
    sample: House,
) -> None:
    sample.execute(
        # Gone.
        "delete from mailing.delivery_list_recipients where list_id = 1 and recipient_no = 1",
        # Logged in: the member and the order that follows stay.
        f"update shop.members set last_login_at = timestamp '{T - timedelta(hours=1)}' "
        "where member_id = 1083",
        # Held: the member stays, and all that is about the member.
        "insert into legal.holds by name select 99 as hold_id, 1072 as member_id, "
        f"timestamp '{T - timedelta(hours=1)}' as placed_at",
    )
    before = sample.shop()
    result = sample.purge(T)
    assert result.success, failures(result)

    after = sample.shop()
    for table, column, kept in [
        ("shop.members", "member_id", {1072, 1083}),
        ("shop.orders", "order_id", {5021}),
    ]:
        rows = [[row for row in shop[table] if row[column] in kept] for shop in (before, after)]
        assert rows[0] == rows[1] != []
    lists = {
        (row["list_id"], row["recipient_no"]) for row in after["mailing.delivery_list_recipients"]
    }
    # Both are of the held mailbox, and the list of the first is past its time.
    assert {(1, 4), (2, 6)} < lists
    assert (1, 2) not in lists
    skipped = sample.rows(
        "select table_name, skipped from memory.purge_counts where skipped > 0 order by all"
    )
    assert skipped == [
        ("mailing.delivery_list_recipients", 3), ("shop.members", 2), ("shop.orders", 1),
    ]  # fmt: skip
    pads = read_pads(sample.home / "keys" / "kigen_key.duckdb")
    written = {row[0] for row in sample.rows("select record_digest from purge.purge_ledger")}
    assert digest("shop.members|1046", pads) in written
    for left_alone in ("shop.members|1072", "shop.members|1083", "shop.orders|5021"):
        assert digest(left_alone, pads) not in written
    log = (sample.home / "logs" / "dbt.log").read_text()
    assert "purge_ledger: shop.members: 2 planned rows have gone or are expired no longer" in log


def test_what_came_after_the_plan_waits_for_the_next(sample: House) -> None:
    sample.execute(
        "insert into shop.members by name select 99001 as member_id, 'withdrawn' as status, "
        "timestamp '2020-01-01' as registered_at, timestamp '2020-02-01' as withdrawn_at"
    )
    assert sample.purge(T).success
    assert sample.rows("select 1 from shop.members where member_id = 99001") == [(1,)]
    sample.build(T)
    plan = sample.rows("select table_name, record_key from purge.purge_plan")
    assert plan == [("shop.members", "99001")]


# Killed at any statement, and at the commit itself.


def purge_and_die(house: House, at: int, seconds: float = 0) -> None:
    """Apply the frozen plan, and die at a statement of it."""
    seen = die_at(at, seconds)
    result = apply_frozen(house)
    (house.home / "statements").write_text(str(seen[0]))
    os._exit(0 if result.success else 1)


@pytest.fixture(scope="module")
def undisturbed(
    template: House, tmp_path_factory: pytest.TempPathFactory
) -> tuple[House, Snapshot, Snapshot, int]:
    """A house ready to be purged, what it holds, what it holds after, and in how many statements."""
    home = tmp_path_factory.mktemp("undisturbed")
    ready = copy_of(template, home / "ready")
    ready.allow()
    house = copy_of(ready, home / "data")
    assert in_a_child(purge_and_die, house, -1) == 0
    return ready, remains(ready), remains(house), int((house.home / "statements").read_text())


@pytest.mark.parametrize("share", [0, *sorted(random.Random(7).random() for _ in range(5)), 1])
def test_purge_killed_at_any_statement_leaves_nothing_half_done(
    undisturbed: tuple[House, Snapshot, Snapshot, int], tmp_path: Path, share: float
) -> None:
    ready, before, after, statements = undisturbed
    assert statements > 20
    house = copy_of(ready, tmp_path / "data")
    assert in_a_child(purge_and_die, house, 1 + round(share * (statements - 1))) == -signal.SIGKILL
    found = remains(house)
    assert found in (before, after)
    if found == before:
        assert apply_frozen(house).success
    assert remains(house) == after != before


@pytest.mark.parametrize("seconds", [0.0001, 0.001, 0.003])
def test_purge_killed_while_it_commits_leaves_nothing_half_done(
    undisturbed: tuple[House, Snapshot, Snapshot, int], tmp_path: Path, seconds: float
) -> None:
    ready, before, after, statements = undisturbed
    house = copy_of(ready, tmp_path / "data")
    assert in_a_child(purge_and_die, house, statements, seconds) in (-signal.SIGKILL, 0)
    found = remains(house)
    assert found in (before, after)
    if found == before:
        assert apply_frozen(house).success
    assert remains(house) == after != before


def text_of(value: object) -> str:
    """A value as the warehouse writes it as text; null is empty."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def personal_values(house: House) -> set[str]:
    """Every text of a personal column of the raw tables that is long enough to be told apart."""
    named = ("email", "phone", "name", "address", "kana")
    return {
        value
        for table, rows in house.shop().items()
        if table.split(".")[0] in RAW
        for row in rows
        for column, value in row.items()
        if isinstance(value, str)
        and len(value) > 3
        and any(part in column for part in named)
        and column != "table_name"
    }
