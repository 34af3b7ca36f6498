"""Holds what the doors of a warehouse show against what the oracle says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from tests.house import House, Rows
from tests.oracle import Judgement

Answers = dict[str, dict[Any, Any]]

# Tables that declare no subject: their rows are found by contact point, or as a member's former record.
WITHOUT_SUBJECT = {"legacy_shop.customers", "mailing.messages"}


def expected(judgement: Judgement) -> Answers:
    """The oracle's answers, as the doors name them."""
    purposes = {purpose for _, purpose in judgement.words}
    return {
        "words": {key: granted for key, granted in judgement.words.items() if key[1] in purposes},
        "regressions": dict(judgement.regressions),
        "states": {
            (each.table_name, each.record_key, each.deletion_class): (
                each.subject_key if each.table_name not in WITHOUT_SUBJECT else None,
                each.clock_at, each.deadline_at, each.notice_sent_at, each.grace_until,
                each.floor_until, each.hold_id, each.state,
            )
            for each in judgement.states
        },
        "records": {key: record for key, record in judgement.records.items() if key[1] != ""},
        "plan": dict(judgement.plan),
        "newsletter": dict(judgement.newsletter),
        "notices": dict(judgement.notices),
    }  # fmt: skip


def shown(house: House) -> Answers:
    """What the public doors of a warehouse show."""
    states = house.rows(
        "select table_name, record_key, deletion_class, subject_key, clock_at, deadline_at, notice_sent_at,"
        " grace_until, floor_until, hold_id, state from retention.record_states"
    )
    records = house.rows(
        "select table_name, record_key, state, deletion_class, deadline_at from retention.records"
        " where record_key is not null"
    )
    plan = house.rows(
        "select table_name, record_key, action, deletion_class, deadline_at from purge.purge_plan"
    )
    return {
        "words": {
            (email, purpose): granted
            for email, purpose, granted in house.rows(
                "select email, purpose, is_granted from consent.contact_words"
            )
        },
        "regressions": {
            (member, kind): is_open
            for member, kind, is_open in house.rows(
                "select member_id, kind, is_open from consent.migration_regressions"
            )
        },
        "states": {tuple(row[:3]): tuple(row[3:]) for row in states},
        "records": {tuple(row[:2]): tuple(row[2:]) for row in records},
        "plan": {tuple(row[:2]): tuple(row[2:]) for row in plan},
        "newsletter": dict(
            house.rows("select email, member_id from audiences.audience_newsletter_email")
        ),
        "notices": dict(
            house.rows("select email, deadline_at from audiences.audience_deletion_notice")
        ),
    }


def differences(expected_answers: Answers, shown_answers: Answers) -> dict[str, list[str]]:
    """By door, what differs: the key, what is expected, what is shown. Random shops only: made-up people."""
    found: dict[str, list[str]] = {}
    for door, answers in expected_answers.items():
        for key in sorted(set(answers) | set(shown_answers[door]), key=str):
            if answers.get(key, "nothing") != shown_answers[door].get(key, "nothing"):
                found.setdefault(door, []).append(
                    f"{key}: expected {answers.get(key, 'nothing')}, shown {shown_answers[door].get(key, 'nothing')}"
                )
    return found


def mailbox_groups(shop: Mapping[str, Rows]) -> list[dict[str, Rows]]:
    """The shop in parts that share no person, mailbox, list or hold: what a difference is shrunk to."""
    from tests.oracle import normalise

    parent: dict[Any, Any] = {}

    def find(node: Any) -> Any:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def nodes(table: str, index: int, row: Mapping[str, Any]) -> Iterable[Any]:
        yield (table, index)
        if row.get("member_id") is not None:
            yield ("member", row["member_id"])
        if row.get("email") is not None and normalise(row["email"]):
            yield ("email", normalise(row["email"]))
        for column in ("legacy_customer_id", "customer_id"):
            if row.get(column) is not None:
                yield ("customer", row[column])
        if (
            table.startswith("mailing.delivery_list")
            and row.get("list_id") is not None
            and table.endswith("lists")
        ):
            yield ("list", row["list_id"])
        for key in ("order_id", "event_id", "request_id", "message_id", "hold_id"):
            if row.get(key) is not None:
                # A bounce goes with its mail.
                yield (table.replace("bounces", "messages"), key, row[key])

    for table, rows in shop.items():
        for index, row in enumerate(rows):
            first, *rest = list(nodes(table, index, row))
            for node in rest:
                parent[find(node)] = find(first)
    parts: dict[Any, dict[str, Rows]] = defaultdict(lambda: {table: [] for table in shop})
    for table, rows in shop.items():
        for index, row in enumerate(rows):
            parts[find((table, index))][table].append(row)
    return list(parts.values())


def at(day: str) -> datetime:
    """A moment from ISO 8601."""
    return datetime.fromisoformat(day)
