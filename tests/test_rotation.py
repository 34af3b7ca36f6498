"""A new key: the memory is carried over, the ledger is checked by the key it was made with."""

from __future__ import annotations

import shutil
from datetime import timedelta

import duckdb
import pytest

from orchestration import rotation
from orchestration.journal import heads, mirror, reconcile
from orchestration.keys import (
    KeyFileError,
    digest,
    digest_as_of_key,
    pads_of,
    read_pads,
    rotated,
)
from orchestration.ledger import broken_link, entries_of
from orchestration.project import Project
from orchestration.rotation import finish_rotation, rotate_key
from tests.conftest import T, seen_from
from tests.house import House, failures

LATER = T + timedelta(hours=1)
DIGESTS = {
    "memory.suppressions": "contact_digest", "memory.left_mailboxes": "contact_digest",
    "memory.purged_records": "record_digest", "memory.contact_activity": "contact_digest",
    "memory.purged_contacts": "contact_digest",
}  # fmt: skip


def digests(house: House) -> dict[str, list[tuple[str, str]]]:
    return {
        table: sorted(house.rows(f"select {column}, key_id from {table}"))
        for table, column in DIGESTS.items()
    }


def test_later_key_digests_the_digest() -> None:
    first, second, third = (pads_of(bytes([number]) * 32) for number in (1, 2, 3))
    both = rotated(first, bytes([2]) * 32)
    assert digest("text", both) == digest(digest("text", first), second)
    assert digest_as_of_key("text", both, first.key_id) == digest("text", first)
    three = rotated(both, bytes([3]) * 32)
    assert three.key_ids == (first.key_id, second.key_id, third.key_id)
    assert digest("text", three) == digest(digest("text", both), third)
    with pytest.raises(KeyFileError, match="has no key 0000"):
        digest_as_of_key("text", three, "0000")


def test_memory_is_carried_over_and_recognises_who_was_purged(
    parsed: Project, purged: House, template: House
) -> None:
    project = seen_from(parsed, purged)
    before, ledger = digests(purged), purged.rows("from purge.purge_ledger order by all")
    old, new, count = rotate_key(project)
    rotate_key(project)
    pads = read_pads(purged.key)
    assert pads.key_ids[:2] == (old, new)
    assert count == sum(map(len, before.values())) > 20
    second, third = pads.later
    assert digests(purged) == {
        table: sorted((digest(digest(each, second), third), pads.key_id) for each, _ in rows)
        for table, rows in before.items()
    }
    assert purged.rows("from purge.purge_ledger order by all") == ledger

    # Who comes back is known by the new digests, in SQL as in Python.
    (gone,) = template.rows(
        "select record_key from purge.purge_plan where table_name = 'shop.members' order by 1 limit 1"
    )
    purged.execute(
        f"attach '{template.warehouse}' as earlier (read_only)",
        f"insert into shop.members from earlier.shop.members where member_id = {gone[0]}",
    )
    purged.build(LATER)
    assert purged.rows(
        "select record_key from purge.purge_plan where table_name = 'shop.members'"
    ) == [gone]
    purge = purged.purge(LATER)
    assert purge.success, failures(purge)

    with duckdb.connect(str(purged.warehouse), read_only=True) as connection:
        assert broken_link(connection, project) is None
        entries = entries_of(connection, project, f"shop.members:{gone[0]}", pads)
    assert [entry[:8] for entry in entries] == ["Purge 1:", "Purge 2:"]
    assert purged.rows("select distinct run_no, key_id from purge.purge_ledger order by all") == [
        (1, old),
        (2, pads.key_id),
    ]


def test_journal_follows_the_key(parsed: Project, purged: House, template: House) -> None:
    project = seen_from(parsed, purged)
    with duckdb.connect(str(purged.warehouse), read_only=True) as connection:
        mirror(connection, project)
    rotate_key(project)
    expected = digests(purged)
    assert reconcile(project).state == "equal"
    shutil.copy(template.warehouse, purged.warehouse)
    assert reconcile(project).state == "file_behind"
    restored = digests(purged)
    restored.pop("memory.contact_activity"), expected.pop("memory.contact_activity")
    assert restored == expected
    assert sorted(heads(project.settings)) == [1]
    purged.build(LATER)


@pytest.mark.parametrize("step", ["_carry_over", "finish_rotation"])
def test_killed_rotation_is_finished_or_undone(
    parsed: Project, purged: House, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    project = seen_from(parsed, purged)
    before, key = digests(purged), read_pads(purged.key)
    calls: list[str] = []
    original = getattr(rotation, step)

    def killed(*arguments: object) -> object:
        calls.append(step)
        if step == "finish_rotation" and len(calls) == 1:
            return original(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(rotation, step, killed)
    with pytest.raises(KeyboardInterrupt):
        rotate_key(project)
    assert read_pads(purged.key) == key
    monkeypatch.undo()

    finish_rotation(project)

    after = read_pads(purged.key)
    assert [path.name for path in purged.key.parent.iterdir()] == ["kigen_key.duckdb"]
    if step == "_carry_over":
        assert (after, digests(purged)) == (key, before)
    else:
        assert after.key_ids[0] == key.key_id
        assert {key_id for rows in digests(purged).values() for _, key_id in rows} == {after.key_id}
    purged.build(LATER)


def test_key_of_before_the_rotation_is_refused(parsed: Project, purged: House) -> None:
    old = purged.key.read_bytes()
    rotate_key(seen_from(parsed, purged))
    purged.key.write_bytes(old)
    result = purged.dbt("run", "--select", "as_of", as_of=LATER)
    assert not result.success
    assert "made with another key than that of the key file" in str(
        result.exception or result.result.results
    )
