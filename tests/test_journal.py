"""A restored backup takes the ledger and the memory back; the journal brings them forward again."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from orchestration.journal import JournalError, heads, mirror, reconcile
from orchestration.keys import read_pads
from orchestration.project import Project
from tests.conftest import T, copy_of, seen_from
from tests.house import House, failures
from tests.kigen import files_that_hold
from tests.test_purge import personal_values

LATER = T + timedelta(hours=1)


def mirrored(parsed: Project, house: House) -> Project:
    """The project of a house whose journal has all its purges."""
    project = seen_from(parsed, house)
    with duckdb.connect(str(house.warehouse), read_only=True) as connection:
        mirror(connection, project)
    return project


@pytest.fixture
def journalled(parsed: Project, purged: House) -> tuple[House, Project]:
    return purged, mirrored(parsed, purged)


def journal_of(house: House) -> Path:
    (folder,) = (house.home / "journal").iterdir()
    return folder


def memory_of(house: House) -> dict[str, list[tuple[object, ...]]]:
    return {
        table: sorted(house.rows(f"from {table}"), key=repr)
        for table in (
            "purge.purge_ledger", "memory.purge_counts", "memory.suppressions", "memory.purged_records",
            "memory.left_mailboxes", "memory.purged_contacts",
        )
    }  # fmt: skip


def test_journal_that_agrees_changes_nothing(journalled: tuple[House, Project]) -> None:
    house, project = journalled
    before = house.warehouse.read_bytes()
    assert reconcile(project).state == "equal"
    assert house.warehouse.read_bytes() == before
    ((chain,),) = house.rows("select distinct chain_digest from purge.purge_ledger")
    assert heads(project.settings) == {1: chain}


def test_journal_holds_no_personal_value_and_no_key(
    journalled: tuple[House, Project], template: House
) -> None:
    house, _ = journalled
    journal = journal_of(house)
    assert files_that_hold(personal_values(template), journal, but=set()) == {}
    for path in journal.rglob("*.parquet"):
        with duckdb.connect() as connection:
            for row in connection.execute(f"from read_parquet('{path}')").fetchall():
                assert not [
                    value
                    for value in row
                    if isinstance(value, str) and ("@" in value or "|" in value)
                ]
    modes = {path.stat().st_mode & 0o077 for path in journal.rglob("*")}
    assert modes == {0}


def test_crash_before_the_mirror_is_made_up_for(parsed: Project, purged: House) -> None:
    project = seen_from(parsed, purged)
    found = reconcile(project)
    assert (found.state, found.runs) == ("file_ahead", (1,))
    assert reconcile(project).state == "equal"


def test_crash_within_the_mirror_is_made_up_for(journalled: tuple[House, Project]) -> None:
    house, project = journalled
    journal = journal_of(house)
    (journal / "000001").rename(journal / ".000001.4711")
    assert reconcile(project).state == "file_ahead"
    assert sorted(path.name for path in journal.iterdir()) == ["000001"]


def test_restored_backup_is_brought_forward(
    journalled: tuple[House, Project], template: House, tmp_path: Path
) -> None:
    house, project = journalled
    expected = memory_of(house)
    shutil.copy(template.warehouse, house.warehouse)
    assert house.rows("from purge.purge_ledger") == []

    found = reconcile(project)

    assert (found.state, found.runs) == ("file_behind", (1,))
    assert "it was restored" in found.said
    assert memory_of(house) == expected
    assert reconcile(project).state == "equal"


def test_backup_from_before_the_first_build_is_brought_forward(
    journalled: tuple[House, Project],
) -> None:
    house, project = journalled
    expected = memory_of(house)
    raw = house.shop()
    house.warehouse.unlink()
    house.load(raw)
    assert reconcile(project).state == "file_behind"
    assert memory_of(house) == expected
    house.build(LATER)


def test_restored_people_stay_out_and_are_planned_at_once_without_a_notice(
    parsed: Project, purged: House, template: House
) -> None:
    project = mirrored(parsed, purged)
    gone = {
        key
        for (key,) in template.rows(
            "select record_key from purge.purge_plan where table_name = 'shop.members'"
        )
    }
    shutil.copy(template.warehouse, purged.warehouse)
    # Nobody was told anything in the backup: the notices were sent after it was made.
    purged.execute("delete from mailing.messages where kind = 'deletion_notice'")
    reconcile(project)
    purged.build(LATER)
    planned = purged.rows(
        "select record_key from purge.purge_plan where table_name = 'shop.members'"
    )
    assert gone <= {key for (key,) in planned}
    mailed = purged.rows(
        "select cast(member_id as varchar) from audiences.audience_newsletter_email"
    )
    assert gone & {key for (key,) in mailed} == set()
    assert purged.dbt("run", "--select", "proof_purged_subject_resurfaced", as_of=LATER).success
    back = purged.rows(
        "select record_key from proofs.proof_purged_subject_resurfaced where table_name = 'shop.members'"
    )
    assert {key for (key,) in back} == gone
    purge = purged.purge(LATER)
    assert purge.success, failures(purge)
    left = purged.rows("select cast(member_id as varchar) from shop.members")
    assert gone & {key for (key,) in left} == set()


def test_grant_after_the_purge_lifts_what_a_restore_brought_back(
    parsed: Project, purged: House, template: House
) -> None:
    project = mirrored(parsed, purged)
    ((key, email),) = template.rows(
        "select member_id, email from consent.member_standings where member_id in "
        "(select cast(record_key as bigint) from purge.purge_plan where deletion_class = 'member_inactive' "
        "and table_name = 'shop.members') order by 1 limit 1"
    )
    shutil.copy(template.warehouse, purged.warehouse)
    reconcile(project)
    purged.execute(
        f"insert into shop.consent_events values (99999, {key}, '{email}', 'marketing.communications.email', "
        f"'granted', timestamp '{T}' + interval 30 minute, 'web_form', 'form')",
        f"update shop.members set newsletter_flag = 1, last_login_at = timestamp '{T}' + interval 30 minute "
        f"where member_id = {key}",
    )
    purged.build(LATER)
    assert (str(key),) not in purged.rows("select record_key from purge.purge_plan")
    assert (key,) in purged.rows("select member_id from audiences.audience_newsletter_email")


@pytest.mark.parametrize(
    "tampering",
    [
        "update purge.purge_ledger set chain_digest = sha256('x')",
        "update purge.purge_ledger set run_no = 2",
        "insert into purge.purge_ledger select * replace (2 as run_no, sha256('x') as chain_digest) "
        "from purge.purge_ledger where false; delete from purge.purge_ledger; "
        "insert into purge.purge_ledger (run_no, chain_digest) values (2, 'x')",
    ],
)
def test_two_histories_are_refused(journalled: tuple[House, Project], tampering: str) -> None:
    house, project = journalled
    house.execute(tampering)
    with pytest.raises(JournalError, match="have different histories from purge 1 on") as refused:
        reconcile(project)
    assert "move the journal's folder away" in str(refused.value)


def test_altered_journal_is_not_replayed(
    journalled: tuple[House, Project], template: House
) -> None:
    house, project = journalled
    shutil.copy(template.warehouse, house.warehouse)
    path = journal_of(house) / "000001" / "memory.suppressions.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(JournalError, match="is not what the journal wrote"):
        reconcile(project)
    assert house.rows("from purge.purge_ledger") == []
    head = journal_of(house) / "000001" / "head.json"
    head.write_text("{")
    with pytest.raises(JournalError, match="cannot be read"):
        reconcile(project)


def test_memory_is_kept_once_and_the_ledger_run_by_run(
    journalled: tuple[House, Project], parsed: Project
) -> None:
    house, project = journalled
    house.execute(
        "update shop.members set status = 'withdrawn', withdrawn_at = timestamp '2020-01-01' where member_id = 1001"
    )
    house.build(LATER)
    purge = house.purge(LATER)
    assert purge.success, failures(purge)
    mirrored(parsed, house)
    journal = journal_of(house)
    assert sorted(path.parent.name for path in journal.rglob("ledger.parquet")) == [
        "000001",
        "000002",
    ]
    assert {path.parent.name for path in journal.rglob("memory.*.parquet")} == {"000002"}
    heads_of = [
        json.loads((journal / run / "head.json").read_text()) for run in ("000001", "000002")
    ]
    assert heads_of[1]["chain_digest_before"] == heads_of[0]["chain_digest"]
    expected = memory_of(house)
    house.warehouse.unlink()
    house.load({})
    assert reconcile(project).runs == (1, 2)
    assert memory_of(house) == expected


def test_journal_belongs_to_one_file(parsed: Project, purged: House, tmp_path: Path) -> None:
    project = mirrored(parsed, purged)
    other = copy_of(purged, tmp_path / "other")
    shutil.copytree(purged.home / "journal", other.home / "journal", dirs_exist_ok=True)
    assert heads(project.settings) != {}
    assert heads(seen_from(parsed, other).settings) == {}
    assert read_pads(other.key).key_id == read_pads(purged.key).key_id
