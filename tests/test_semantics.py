"""The warehouse and a reading of DESIGN section 5 in plain Python agree, before and after a purge."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.comparison import differences, expected, mailbox_groups, shown
from tests.house import House, Rows, failures
from tests.oracle import Past, apply, judge, remember
from tests.random_shop import random_shop

# Whole shops: many people, few runs, for a run costs seconds. A leap day and a month's end are among them.
SHOPS = [
    (1, 3000, datetime(2026, 11, 1, 12, 0, 0)),
    (2, 1000, datetime(2024, 2, 29, 15, 0, 0)),
    (3, 1000, datetime(2025, 3, 31, 23, 59, 59)),
]


@pytest.mark.parametrize(("seed", "members", "as_of"), SHOPS)
def test_doors_show_what_the_design_says_and_a_purge_changes_no_answer(
    house: House, seed: int, members: int, as_of: datetime
) -> None:
    shop = random_shop(seed, members, as_of)
    judgement = judge(shop, as_of)
    house.load(shop)
    house.build(as_of)
    before = shown(house)
    explain(shop, as_of, differences(expected(judgement), before))

    purge = house.purge(as_of)
    assert purge.success, failures(purge)

    survivors = apply(shop, judgement)
    assert keys_of(house.shop()) == keys_of(survivors)
    ledger = house.rows(
        "select table_name, action, deletion_class, deadline_at from purge.purge_ledger order by all"
    )
    assert ledger == sorted((table, *what) for (table, _), what in judgement.plan.items())

    house.build(as_of)
    after = shown(house)
    assert after["plan"] == {}
    planned = set(before["plan"])
    kept_back = {key for key, record in before["records"].items() if record[0] == "held"}
    for door in ("states", "records"):
        changed = {
            key: (before[door].get(key), answer)
            for key, answer in after[door].items()
            if key[:2] not in planned | kept_back and before[door].get(key) != answer
        }
        assert changed == {}, door
    assert {key for key, yes in after["words"].items() if yes} <= {
        key for key, yes in before["words"].items() if yes
    }
    assert after["regressions"].items() <= before["regressions"].items()
    assert after["newsletter"].items() <= before["newsletter"].items()
    assert after["notices"].items() <= before["notices"].items()

    # Some of the purged rows come back from an old export: judged with what the purge remembers.
    returned = come_back(shop, survivors)
    house.load(only_new(returned, survivors))
    house.build(as_of)
    past = remember(shop, judgement, as_of, Past())
    wanted, found = expected(judge(returned, as_of, past)), shown(house)
    for answers in (wanted, found):
        # A word that is missing is a no. What came back goes by the ledger's deadline, whatever its clock and
        # its notice were.
        answers["words"] = {key: yes for key, yes in answers["words"].items() if yes}
        answers["states"] = {
            key: (what[2], what[7]) if key[:2] in before["plan"] else what
            for key, what in answers["states"].items()
        }
    explain(returned, as_of, differences(wanted, found))


def explain(shop: dict[str, Rows], as_of: datetime, found: dict[str, list[str]]) -> None:
    """Fail with what differs, and the few rows that share a mailbox with the first of it."""
    if not found:
        return
    door, lines = next(iter(found.items()))
    culprits = [
        {table: rows for table, rows in part.items() if rows}
        for part in mailbox_groups(shop)
        if any(key_text(table, row) in lines[0] for table, rows in part.items() for row in rows)
    ]
    smallest = min(culprits, key=lambda part: sum(map(len, part.values())), default={})
    counts = {each: len(lines) for each, lines in found.items()}
    pytest.fail(f"at {as_of}: {counts} differ; {door}: {lines[0]}\nits rows: {smallest}")


KEYS = {
    "shop.members": ["member_id"],
    "shop.orders": ["order_id"],
    "shop.consent_events": ["event_id"],
    "shop.erasure_requests": ["request_id"],
    "legacy_shop.customers": ["customer_id"],
    "mailing.delivery_lists": ["list_id"],
    "mailing.delivery_list_recipients": ["list_id", "recipient_no"],
    "mailing.messages": ["message_id"],
    "mailing.bounces": ["message_id"],
    "legal.holds": ["hold_id"],
}


def key_text(table: str, row: dict[str, object]) -> str:
    """A row's key as a difference prints it."""
    return f"'{table}', '{'|'.join(str(row[column]) for column in KEYS[table])}'"


def keys_of(shop: dict[str, Rows]) -> dict[str, list[tuple[str, ...]]]:
    """Keys and personal parts of all rows: what survives of whom."""
    return {
        table: sorted(
            tuple(str(row.get(column)) for column in [*KEYS[table], "member_id", "email"])
            for row in shop[table]
        )
        for table in KEYS
    }


def come_back(shop: dict[str, Rows], survivors: dict[str, Rows]) -> dict[str, Rows]:
    """The survivors, and every third deleted member, legacy and recipient row, as it was."""
    returned = {table: list(rows) for table, rows in survivors.items()}
    moved = {row["legacy_customer_id"] for row in shop["shop.members"]} - {None}
    for table in ("shop.members", "legacy_shop.customers", "mailing.delivery_list_recipients"):
        there = {key_text(table, row) for row in survivors[table]}
        # A purge forgets which member was made from which customer: neither of such a pair comes back here.
        gone = [
            row
            for row in shop[table]
            if key_text(table, row) not in there
            and row.get("legacy_customer_id") is None
            and row.get("customer_id") not in moved
        ]
        returned[table] += gone[::3]
    return returned


def only_new(shop: dict[str, Rows], there: dict[str, Rows]) -> dict[str, Rows]:
    """What must still be loaded."""
    return {table: rows[len(there[table]) :] for table, rows in shop.items()}
