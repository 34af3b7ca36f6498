"""Rewriting the file: what was deleted is gone from its bytes, all else is still there, and both are proved."""

import json
import os
import random
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration import erase
from orchestration.declarations import DeclarationError, Declarations, Period
from orchestration.erase import (
    Canaries,
    Deleted,
    EraseError,
    ErasePolicy,
    ErasureDelayedError,
    NotVerifiedError,
    are_planted,
    canaries_of,
    deleted_since,
    erase_policy,
    interrupted,
    note_deleted,
    note_erased,
    plant_canaries,
    plant_late,
    read_record,
    reason_to_wait,
    rewrite,
)
from orchestration.keys import ensure_key, read_pads
from orchestration.settings import REPOSITORY, Settings, parse_moment
from orchestration.warehouse import connect
from tests.test_declarations import SETTINGS, Project

CANARY = "canary-" + "q7x" * 11
RUN = "a-run"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A small warehouse with one of everything, in which a purge has deleted its canary."""
    settings = Settings.from_env({"KIGEN_HOME": str(tmp_path / "data")})
    ensure_key(settings.key)
    for name in ("target", "dagster", "leases"):
        (settings.home / name).mkdir()
    with duckdb.connect(str(settings.warehouse)) as connection:
        # Without compression the canary would stand in the file as it is.
        connection.execute("pragma force_compression = 'uncompressed'")
        connection.execute("create schema shop")
        connection.execute("create schema staging")
        connection.execute("create table shop.members (member_id bigint, email varchar)")
        connection.execute(
            "insert into shop.members select i, ? || i from range(5000) t(i)", [CANARY]
        )
        connection.execute("checkpoint")
        connection.execute("create sequence shop.numbers start 7")
        connection.execute("select nextval('shop.numbers')")
        connection.execute("create macro shop.twice(x) as x * 2")
        connection.execute("create type shop.mood as enum ('well', 'unwell')")
        connection.execute("create table shop.moods (mood shop.mood, n integer unique)")
        connection.execute("create index by_id on shop.members (member_id)")
        # A view that comes first by name, on one that comes later; as dbt compiles them.
        connection.execute('create view staging.zz as select * from "warehouse"."shop"."members"')
        connection.execute('create view staging.aa as select * from "warehouse"."staging"."zz"')
        connection.execute("delete from shop.members where member_id >= 10")
        connection.execute("update shop.members set email = 'kept'")
        connection.execute("checkpoint")
    settings.warehouse.chmod(0o640)
    with connect(settings, read_only=False) as connection:
        plant_canaries(connection, read_pads(settings.key), RUN)
        connection.execute("delete from purge.canaries where kind = 'deleted'")
    note_deleted(settings, RUN)
    return settings


def canaries(settings: Settings) -> Canaries:
    return canaries_of(read_pads(settings.key), RUN)


def execute(settings: Settings, *statements: str) -> list[tuple[Any, ...]]:
    with connect(settings, read_only=False) as connection:
        for statement in statements:
            connection.execute(statement)
        return connection.fetchall()


def rewritten_by(settings: Settings, *lines: str) -> subprocess.CompletedProcess[str]:
    """Rewrite in a process in which some of the module is another."""
    script = [
        "import os, pathlib, sys",
        "from orchestration import erase",
        *(textwrap.dedent(line) for line in lines),
        f"sys.exit(erase.main([{RUN!r}, '1']))",
    ]
    return subprocess.run(
        [sys.executable, "-c", "\n".join(script)],
        env={**os.environ, **settings.environment()},
        capture_output=True,
        text=True,
        check=False,
    )


def inode(settings: Settings) -> int:
    return settings.warehouse.stat().st_ino


def is_whole(settings: Settings) -> bool:
    """Whether the file opens, and holds what it is to hold."""
    found = execute(settings, "select count(*), min(email) from staging.aa")
    return found == [(10, "kept")] and len(execute(settings, "from purge.canaries")) == 1


def held(settings: Settings, text: str) -> bool:
    return text.encode() in settings.warehouse.read_bytes()


# What the rewriting does.


def test_deleted_value_is_in_the_bytes_before_and_not_after(settings: Settings) -> None:
    assert held(settings, CANARY)
    rewrite(settings, RUN)
    assert not held(settings, CANARY)
    assert sorted(path.name for path in settings.home.iterdir()) == [
        "dagster", "erasure.json", "keys", "leases", "target", "warehouse.duckdb",
    ]  # fmt: skip


def test_everything_else_survives(settings: Settings) -> None:
    rewrite(settings, RUN)
    with duckdb.connect(str(settings.warehouse)) as connection:
        found = connection.execute("select count(*), min(email) from staging.aa").fetchall()
        assert found == [(10, "kept")]
        assert connection.execute("select shop.twice(21)").fetchall() == [(42,)]
        assert connection.execute("select nextval('shop.numbers')").fetchall() == [(8,)]
        connection.execute("insert into shop.moods values ('well', 1)")
        with pytest.raises(duckdb.ConstraintException):
            connection.execute("insert into shop.moods values ('unwell', 1)")
    assert stat.S_IMODE(settings.warehouse.stat().st_mode) == 0o640


def test_view_that_reads_the_key_survives(settings: Settings) -> None:
    execute(settings, "create view staging.ids as select key_id from kigen_key.pads")
    rewrite(settings, RUN)
    assert len(execute(settings, "from staging.ids")) == 1


def test_file_behind_a_symbolic_link_is_the_one_that_is_replaced(
    settings: Settings, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "disk" / "elsewhere.duckdb"
    elsewhere.parent.mkdir()
    settings.warehouse.rename(elsewhere)
    settings.warehouse.symlink_to(elsewhere)
    rewrite(settings, RUN)
    assert settings.warehouse.is_symlink()
    assert CANARY.encode() not in elsewhere.read_bytes()
    assert list(elsewhere.parent.iterdir()) == [elsewhere]


def test_file_with_a_second_name_is_refused(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "other.duckdb").hardlink_to(settings.warehouse)
    with pytest.raises(EraseError, match=r"2 names .*; remove those\. The file is the old one"):
        rewrite(settings, RUN)


# How it is verified.


def test_verification_says_what_was_looked_for_where_and_found(settings: Settings) -> None:
    for text in (canaries(settings).deleted, canaries(settings).kept):
        assert held(settings, text)
    verification = rewrite(settings, RUN).verification
    assert {name: verification[name] for name in verification if name != "searched"} == {
        "method": erase._METHOD,
        "canary_run": RUN,
        "deleted_canary_found": 0,
        "encrypted": False,
        "kept_canary_found": True,
        "never_canary_found": 0,
        "freed_blocks": verification["freed_blocks"],
        "blocks_with_deleted_text": verification["blocks_with_deleted_text"],
        "freed_blocks_found": 0,
        "tables": 3,
        "rows": 11,
        "content_digests_equal": True,
        "old_file_held_deleted_canary": True,
    }
    assert verification["freed_blocks"] + verification["blocks_with_deleted_text"] > 0
    places = {place["place"]: place for place in verification["searched"]}
    assert set(places) == {
        "the warehouse file", "its write-ahead log", "files beside it", "KIGEN_HOME",
        "KIGEN_HOME/target", "KIGEN_HOME/dagster", "KIGEN_HOME/leases", "KIGEN_HOME/certificates",
        "KIGEN_HOME/journal",
    }  # fmt: skip
    assert places["the warehouse file"]["bytes"] == settings.warehouse.stat().st_size


def test_nothing_that_is_written_down_holds_a_canary(settings: Settings) -> None:
    note_erased(settings, 1, rewrite(settings, RUN).verification)
    written = settings.erasure_record.read_text()
    for text in (canaries(settings).deleted, canaries(settings).kept, canaries(settings).never):
        assert text not in written


def test_kept_canary_is_plain_in_the_copy_without_a_declared_compression(
    settings: Settings,
) -> None:
    execute(
        settings,
        "create table other as from purge.canaries",
        "drop table purge.canaries",
        "create table purge.canaries as from other",
        "drop table other",
    )
    assert rewrite(settings, RUN).verification["kept_canary_found"]


def test_old_file_without_the_deleted_canary_is_told_and_no_failure(settings: Settings) -> None:
    rewrite(settings, RUN)
    settings.erasure_record.unlink()
    assert rewrite(settings, RUN).verification["old_file_held_deleted_canary"] is False


def test_proof_that_failed_is_made_good_by_the_next_rewriting(settings: Settings) -> None:
    leave("target/a", "deleted")(settings)
    with pytest.raises(NotVerifiedError):
        rewrite(settings, RUN)
    (settings.home / "target" / "a").unlink()
    # The canary was in the file before the first of the two.
    assert rewrite(settings, RUN).verification["old_file_held_deleted_canary"] is True


@pytest.mark.parametrize(("version", "size"), [("v1.5.0", 262144), ("v1.2.0", 16384)])
def test_copy_has_the_format_of_the_file(version: str, size: int, settings: Settings) -> None:
    with connect(settings, read_only=False) as connection:
        made = settings.home / "made.duckdb"
        connection.execute(
            f"attach '{made}' as made (storage_version '{version}', block_size {size})"
        )
        connection.execute("copy from database warehouse to made")
    made.replace(settings.warehouse)
    assert rewrite(settings, RUN).verification["kept_canary_found"]
    found = execute(
        settings,
        "select tags['storage_version'], block_size from duckdb_databases() "
        "join pragma_database_size() using (database_name) where database_name = 'warehouse'",
    )
    assert found == [(f"{version}+", size)]


def leave(where: str, kind: str) -> Callable[[Settings], None]:
    """A file of KIGEN_HOME that holds a canary."""

    def plant(settings: Settings) -> None:
        path = settings.home / where
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"\n  {{'value': '{getattr(canaries(settings), kind)}'}}")

    return plant


def insert(kind: str) -> Callable[[Settings], None]:
    def plant(settings: Settings) -> None:
        with connect(settings, read_only=False) as connection:
            value = getattr(canaries(settings), kind)
            connection.execute("insert into purge.canaries values (?, ?)", [kind, value])

    return plant


def remove_control(settings: Settings) -> None:
    execute(settings, "delete from purge.canaries")


FOUND = "a deleted canary is in 1 files of "
RED: dict[str, tuple[Callable[[Settings], None], str]] = {
    "a copy in target": (leave("target/run/a.sql", "deleted"), f"{FOUND}KIGEN_HOME/target"),
    "a copy in a log": (leave("dagster/storage/x.out", "deleted"), f"{FOUND}KIGEN_HOME/dagster"),
    "a copy in a lease": (leave("leases/a.csv", "deleted"), f"{FOUND}KIGEN_HOME/leases"),
    "a copy in a folder of somebody's": (leave("own/a", "deleted"), f"{FOUND}KIGEN_HOME/own"),
    "a copy in a file of somebody's": (leave("dump.csv", "deleted"), f"{FOUND}KIGEN_HOME"),
    "an old file": (leave("warehouse.duckdb.bak", "deleted"), f"{FOUND}files beside it"),
    "a row left in": (insert("deleted"), f"{FOUND}the warehouse file"),
    "what was kept removed": (remove_control, "kept is not found in the warehouse file"),
    "what was never written": (
        insert("never"),
        "never written is in 1 files of the warehouse file",
    ),
    "never written, in a log": (leave("dagster/a", "never"), "in 1 files of KIGEN_HOME/dagster"),
}


@pytest.mark.parametrize("fault", RED)
def test_verification_is_red_on(fault: str, settings: Settings) -> None:
    plant, told = RED[fault]
    plant(settings)
    with pytest.raises(NotVerifiedError) as raised:
        rewrite(settings, RUN)
    message = str(raised.value)
    assert message.startswith("Erased, but not verified: ")
    assert told in message
    assert "The file is the new one, whole, and not verified; run again." in message
    for text in (canaries(settings).deleted, canaries(settings).kept, canaries(settings).never):
        assert text not in message
    record = read_record(settings)
    assert record.deleted_not_erased_since is not None
    assert record.erased_at is None
    assert record.said == message


def test_keys_are_not_searched(settings: Settings) -> None:
    leave("keys/a-backup", "deleted")(settings)
    assert rewrite(settings, RUN).verification["deleted_canary_found"] == 0


def test_what_a_killed_query_wrote_beside_the_file_is_removed(settings: Settings) -> None:
    leave("warehouse.duckdb.tmp/duckdb_temp_storage.tmp", "deleted")(settings)
    assert rewrite(settings, RUN).verification["deleted_canary_found"] == 0


def test_table_whose_rows_differ_is_refused_by_its_name(settings: Settings) -> None:
    refused = rewritten_by(
        settings,
        """
        compare = erase._compare
        def altered(connection, catalog):
            connection.execute("update unerased.shop.members set email = 'other' where member_id = 3")
            return compare(connection, catalog)
        erase._compare = altered
        """,
    )
    assert json.loads(refused.stdout) == {
        "refusal": "the copy of shop.members has as many rows, and not the same ones"
    }
    assert held(settings, CANARY)


def test_table_with_fewer_rows_is_refused(settings: Settings) -> None:
    refused = rewritten_by(
        settings,
        """
        compare = erase._compare
        def altered(connection, catalog):
            connection.execute("delete from unerased.shop.members where member_id = 3")
            return compare(connection, catalog)
        erase._compare = altered
        """,
    )
    assert "the copy of shop.members has 9 rows instead of 10" in refused.stdout


def test_block_of_the_old_file_in_the_new_one_is_refused(settings: Settings) -> None:
    text = "as select md5(i::varchar) as text from range(20000) t(i)"
    execute(
        settings,
        # Blocks of an index are used, and DuckDB does not number them.
        "drop index shop.by_id",
        "drop table shop.moods",
        f"create table shop.gone {text}",
        "force checkpoint",
        f"create table shop.last {text}",
        "force checkpoint",
        "drop table shop.gone",
        "force checkpoint",
    )
    refused = rewritten_by(
        settings,
        f"""
        look, blocks_of, seen = erase.dead_blocks_in, erase.blocks_of, []
        def noted(*arguments):
            seen.append(blocks_of(*arguments))
            return seen[-1]
        def planted(path, blocks, dead):
            old = pathlib.Path({str(settings.warehouse)!r}).read_bytes()
            size = blocks.size
            for number in range(len(old) // size):
                content = old[12288 + number * size:][:size]
                if number not in seen[0].live and any(content[8:]):
                    with path.open('ab') as file:
                        file.write(content)
                    break
            return look(path, blocks, dead)
        erase.dead_blocks_in, erase.blocks_of = planted, noted
        """,
    )
    assert "the copy has 1 blocks of the old file with deleted rows in them" in refused.stdout
    assert held(settings, CANARY)


# The canaries.


def test_canaries_are_of_their_run_and_of_the_key(settings: Settings, tmp_path: Path) -> None:
    ensure_key(tmp_path / "other" / "key.duckdb")
    pads = read_pads(settings.key)
    made = [
        canaries_of(pads, "a"),
        canaries_of(pads, "b"),
        canaries_of(read_pads(tmp_path / "other" / "key.duckdb"), "a"),
    ]
    texts = [text for each in made for text in (each.deleted, each.kept, each.never)]
    assert len(set(texts)) == 9
    assert made[0] == canaries_of(pads, "a")


def test_planting_puts_the_bytes_into_the_file_and_replaces_older_ones(settings: Settings) -> None:
    pads = read_pads(settings.key)
    for run in ("next", "last"):
        with connect(settings, read_only=False) as connection:
            plant_canaries(connection, pads, run)
            assert not are_planted(connection, pads, RUN)
            assert are_planted(connection, pads, run)
    planted = canaries_of(pads, "last")
    assert held(settings, planted.deleted)
    assert held(settings, planted.kept)
    assert not held(settings, planted.never)
    assert execute(settings, "select kind from purge.canaries order by kind") == [
        ("deleted",),
        ("kept",),
    ]


def test_planting_makes_the_table_where_there_is_none(settings: Settings) -> None:
    execute(settings, "drop schema purge cascade")
    pads = read_pads(settings.key)
    with connect(settings, read_only=False) as connection:
        assert not are_planted(connection, pads, RUN)
        plant_canaries(connection, pads, RUN)
        assert are_planted(connection, pads, RUN)
        assert not are_planted(connection, pads, None)


def test_canaries_planted_after_a_purge_prove_the_rewriting_too(settings: Settings) -> None:
    execute(settings, "drop schema purge cascade")
    plant_late(settings, "late")
    assert read_record(settings).canary_run == "late"
    verification = rewrite(settings, "late").verification
    assert verification["kept_canary_found"]
    assert verification["old_file_held_deleted_canary"]


# Whoever else has the file.


def test_reader_that_holds_the_file_delays_it(settings: Settings) -> None:
    since = read_record(settings).deleted_not_erased_since
    with duckdb.connect(str(settings.warehouse), read_only=True):
        with pytest.raises(ErasureDelayedError) as raised:
            rewrite(settings, RUN, wait=0.2)
        message = str(raised.value)
        assert message.startswith(f"Deleted, not yet erased since {since} UTC: ")
        assert f"is open in process {os.getpid()}" in message
        assert "Close it there, and run again." in message
        assert list(settings.home.glob(".warehouse*")) == []
    assert read_record(settings).said == message
    assert read_record(settings).deleted_not_erased_since == since
    rewrite(settings, RUN)


def test_reader_that_ends_is_waited_for(settings: Settings) -> None:
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, sys, time\n"
            "connection = duckdb.connect(sys.argv[1], read_only=True)\n"
            "print('open', flush=True)\n"
            "time.sleep(1.5)\n",
            settings.warehouse,
        ],
        stdout=subprocess.PIPE,
    ) as reader:
        assert reader.stdout is not None
        reader.stdout.readline()
        rewrite(settings, RUN, wait=30)


# A crash.


def test_killed_before_the_swap_leaves_the_old_file_and_says_so(settings: Settings) -> None:
    began_as = inode(settings)
    erase._write(settings, replace(read_record(settings), rewrite_of=began_as))
    killed = rewritten_by(settings, "erase._swap = lambda *a: os.kill(os.getpid(), 9)")
    assert killed.returncode == -9
    assert inode(settings) == began_as
    assert list(settings.home.glob(".warehouse.duckdb.unerased")) != []
    assert str(interrupted(settings)).endswith("The file is the old one, whole; run again.")
    assert is_whole(settings)
    assert held(settings, CANARY)
    rewrite(settings, RUN)
    assert list(settings.home.glob(".warehouse*")) == []
    assert interrupted(settings) is None


def test_killed_after_the_swap_leaves_the_new_file_and_says_so(settings: Settings) -> None:
    erase._write(settings, replace(read_record(settings), rewrite_of=inode(settings)))
    killed = rewritten_by(settings, "erase._verify = lambda *a: os.kill(os.getpid(), 9)")
    assert killed.returncode == -9
    assert "The file is the new one, whole, and not verified" in str(interrupted(settings))
    assert read_record(settings).deleted_not_erased_since is not None
    assert is_whole(settings)
    assert not held(settings, CANARY)
    rewrite(settings, RUN)


def test_child_that_dies_is_told_with_the_file_it_left(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erase.sys, "executable", "/bin/false")
    with pytest.raises(EraseError, match=r"ended with status 1\. The file is the old one, whole"):
        rewrite(settings, RUN)


def test_kill_at_any_moment_leaves_one_whole_file(settings: Settings) -> None:
    execute(
        settings,
        "create table shop.more as select i, md5(i::varchar) as text from range(600000) t(i)",
    )
    command = [sys.executable, "-m", "orchestration.erase", RUN, "5"]
    variables = {**os.environ, **settings.environment()}
    began = time.monotonic()
    subprocess.run(command, env=variables, check=True, stdout=subprocess.DEVNULL)
    whole = time.monotonic() - began
    copy = settings.home / ".warehouse.duckdb.unerased"
    chance = random.Random(7)
    seen = set()
    for turn in range(12):
        began_as = inode(settings)
        with subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL) as child:
            if turn % 2:
                time.sleep(whole * chance.uniform(0.4, 1))
            else:
                # From the moment the copy is there; then it grows, is compared and swapped.
                while child.poll() is None and not copy.exists():
                    time.sleep(0.001)
                time.sleep(whole * chance.uniform(0, 0.5))
            child.kill()
        seen.add((child.returncode, inode(settings) == began_as))
        assert is_whole(settings)
        assert execute(settings, "select count(*), sum(i) from shop.more") == [
            (600000, 600000 * 599999 // 2)
        ]
    assert (-9, True) in seen
    rewrite(settings, RUN)
    assert not copy.exists()


# When it is worth it.

SINCE = "2026-11-02T03:00:00.000000"
NOW = parse_moment(SINCE, "since") + timedelta(days=1)
WEEK = Period(0, 7)


@pytest.mark.parametrize(
    ("policy", "deleted", "now", "waits"),
    [
        (ErasePolicy(0, 0, WEEK), Deleted(1, 0.001, 10), NOW, False),
        (ErasePolicy(5, 0, WEEK), Deleted(10, 4.9, 10**9), NOW, True),
        (ErasePolicy(5, 0, WEEK), Deleted(10, 5.0, 10), NOW, False),
        (ErasePolicy(0, 1000, WEEK), Deleted(10, 99.0, 999), NOW, True),
        (ErasePolicy(0, 1000, WEEK), Deleted(10, 0.1, 1000), NOW, False),
        (ErasePolicy(5, 1000, WEEK), Deleted(10, 4.0, 1000), NOW, False),
        (ErasePolicy(5, 1000, WEEK), Deleted(10, 5.0, 999), NOW, False),
        (ErasePolicy(5, 1000, WEEK), Deleted(10, 4.0, 999), NOW, True),
        (ErasePolicy(5, 1000, WEEK), Deleted(10, 4.0, 999), NOW + timedelta(days=6), False),
        (ErasePolicy(5, 1000, Period(0, 0)), Deleted(10, 4.0, 999), NOW, False),
        (ErasePolicy(5, 1000, WEEK), Deleted(0, 0.0, 0), NOW, False),
    ],
)
def test_file_is_rewritten_when_the_policy_says_so(
    policy: ErasePolicy, deleted: Deleted, now: datetime, waits: bool
) -> None:
    said = reason_to_wait(policy, deleted, SINCE, now)
    assert (said is not None) == waits
    if said:
        assert said.startswith(f"Deleted, not yet erased since {SINCE} UTC: 10 rows")
        assert "at the latest at 2026-11-09T03:00:00.000000 UTC" in said


def test_policy_without_settings_erases_every_purge() -> None:
    assert erase_policy({}) == ErasePolicy(0, 0, WEEK)
    assert erase_policy(
        {"erase_min_share_percent": "2.5", "erase_min_bytes": "7", "erase_within": "P1M"}
    ) == ErasePolicy(2.5, 7, Period(1, 0))


def test_deleted_share_is_of_the_governed_rows_since_the_last_rewrite(
    settings: Settings, tmp_path: Path
) -> None:
    execute(
        settings,
        "create schema club",
        "create table club.people as select i from range(60) t(i)",
        "create table club.visits as select i from range(25) t(i)",
        "create schema memory",
        "create table memory.purge_counts (run_no bigint, deleted bigint, anonymised bigint)",
        "insert into memory.purge_counts values (1, 900, 900), (2, 10, 5), (3, 5, 0)",
    )
    declarations = Project(tmp_path).load()
    assert isinstance(declarations, Declarations)
    with connect(settings, read_only=True) as connection:
        found = deleted_since(connection, settings, declarations, 1)
        assert deleted_since(connection, settings, declarations, 3).rows == 0
    assert found == Deleted(20, 20.0, settings.warehouse.stat().st_size // 5)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("erase_min_share_percent,101,law", "'101' is no share; allowed: 0 to 100, in percent"),
        ("erase_min_share_percent,-1,law", "'-1' is no share"),
        ("erase_min_share_percent,many,law", "'many' is no share"),
        ("erase_min_bytes,1 GB,law", "'1 GB' is no number of bytes; allowed: whole numbers from 0"),
        ("erase_min_bytes,0.5,law", "'0.5' is no number of bytes"),
        ("erase_within,7,law", "'7' is not an ISO 8601 calendar period"),
        ("erase_min_shares_percent,5,law", "unknown setting 'erase_min_shares_percent'"),
    ],
)
def test_bad_setting_is_a_fault_at_load(line: str, told: str, tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.add("policy_settings", line)
    with pytest.raises(DeclarationError) as raised:
        project.load()
    assert [fault.file for fault in raised.value.faults] == [f"{SETTINGS}:9"]
    assert told in str(raised.value)


@pytest.mark.parametrize("line", ["erase_min_share_percent,2.5,law", "erase_min_bytes,0,law"])
def test_good_setting_is_none(line: str, tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.add("policy_settings", line)
    project.load()


# The record.


def test_record_keeps_the_first_unerased_delete_and_the_last_canaries(settings: Settings) -> None:
    first = read_record(settings)
    note_deleted(settings, "second-run")
    record = read_record(settings)
    assert record.deleted_not_erased_since == first.deleted_not_erased_since
    assert record.canary_run == "second-run"
    assert record.said == f"Deleted, not yet erased, since {record.deleted_not_erased_since} UTC."
    note_erased(settings, 4, {"rows": 1})
    record = read_record(settings)
    assert record.deleted_not_erased_since is None
    assert (record.erased_purge, record.verification) == (4, {"rows": 1})
    assert record.said == f"Erased at {record.erased_at} UTC."


# The asset.

ASSET = """
import dagster as dg, duckdb, json
from orchestration import erase
from orchestration.defs import purge
from orchestration.erase import read_record

settings = purge.PROJECT.settings
policy = {}
rewrite = purge.rewrite
purge.rewrite = lambda settings, run: rewrite(settings, run, wait=0.2)
purge.erase_policy = lambda _: erase.erase_policy(policy)

def step():
    with dg.instance_for_test() as instance:
        result = dg.materialize(
            [purge.erased_file], instance=instance, raise_on_error=False
        )
        told = {}
        if result.success:
            metadata = result.asset_materializations_for_node("purge__erased_file")[0].metadata
            told = {name: value.value for name, value in metadata.items()}
        record = read_record(settings)
        print(json.dumps([result.success, told, [record.deleted_not_erased_since is None, record.said,
                          record.waits_by_policy, record.canary_run, record.erased_purge]]), flush=True)

policy = {"erase_min_share_percent": "99"}
step()
policy = {}
with duckdb.connect(str(settings.warehouse), read_only=True):
    step()
(settings.target / "left").write_text(erase.canaries_of(erase.read_pads(settings.key), "a-run").deleted)
step()
(settings.target / "left").unlink()
step()
step()
with duckdb.connect(str(settings.warehouse)) as connection:
    connection.execute("insert into purge.purge_ledger values (2)")
step()
"""


def test_asset_erases_when_it_can_and_should_and_says_what_it_did(settings: Settings) -> None:
    execute(
        settings,
        "create table purge.purge_ledger as select 1::bigint as run_no",
        "create schema memory",
        "create table memory.purge_counts (run_no bigint, deleted bigint, anonymised bigint)",
        "insert into memory.purge_counts values (1, 3, 0)",
        "create table shop.orders as select i from range(90) t(i)",
    )
    done = subprocess.run(
        [sys.executable, "-c", ASSET],
        cwd=REPOSITORY,
        env={**os.environ, **settings.environment(), "DAGSTER_HOME": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    by_policy, busy, unverified, erased, again, unplanted = map(
        json.loads, done.stdout.splitlines()
    )
    assert by_policy[:2] == [True, {"erased": False, "said": by_policy[1]["said"]}]
    assert "3 rows" in by_policy[1]["said"]
    assert by_policy[2][:3] == [False, by_policy[1]["said"], True]
    assert busy[:2] == [True, {"erased": False, "said": busy[1]["said"]}]
    assert "is open in process" in busy[1]["said"]
    assert busy[2][:3] == [False, busy[1]["said"], False]
    assert unverified[0] is False
    assert unverified[2][0] is False
    assert "Erased, but not verified: " in unverified[2][1]
    assert erased[0] is True
    assert erased[1]["erased"] is True
    assert erased[1]["verification"]["kept_canary_found"] is True
    assert erased[2][0] is True
    assert erased[2][3:] == [RUN, 1]
    assert again[1] == {"erased": False, "said": "Nothing was deleted since the last time."}
    assert unplanted[1]["erased"] is True
    assert unplanted[2][4] == 2
    for text in (canaries(settings).deleted, canaries(settings).never):
        assert text not in done.stdout + done.stderr
