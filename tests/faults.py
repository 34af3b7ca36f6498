"""Planted faults: for every promise, what a bug or a careless hand would do to the sample shop."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import duckdb

from tests.house import House

Snapshot = dict[str, list[tuple[object, ...]]]


@dataclass(frozen=True)
class Fault:
    """What to do to the warehouse, and the proof that must turn red for it.

    The statements may use ``keyed(text)``, the keyed digest of a text.
    """

    proof: str
    about: str
    statements: tuple[str, ...]
    is_left_alone: bool = False
    """It plans a record that is not expired: the guard refuses it, the purge itself passes it by."""

    def __str__(self) -> str:
        return f"{self.proof.removeprefix('proof_')}-{self.about.replace(' ', '_')}"


def _in_newsletter(member_id: int) -> str:
    return (
        "insert into audiences.audience_newsletter_email (email, member_id, granted_at) "
        "select email, member_id, timestamp '2026-10-01' from consent.member_standings "
        f"where member_id = {member_id}"
    )


def _planned(table: str, key: str, deletion_class: str, deadline_at: str) -> str:
    return (
        "insert into purge.purge_plan select coalesce(min(plan_digest), 'x'), "
        f"'{table}', '{key}', 'delete', '{deletion_class}', timestamp '{deadline_at}', "
        "max(policy_digest), true from purge.purge_plan"
    )


# For the sample shop, built at T and not yet purged.
BEFORE = [
    Fault(
        "proof_personal_column_undeclared",
        "a column nobody told of",
        (
            "alter table shop.members add column line_id varchar",
            "insert into tags.scan_findings values "
            "('shop', 'members', 'line_id', 'user.account.username', 0.9, 'its name says so', true)",
        ),
    ),
    Fault(
        "proof_inherited_column_undeclared",
        "a model that does not say what it inherits",
        (
            "insert into tags.inherited_columns values ('staging', 'stg_members', 'phone2', "
            "'user.contact.phone_number', 'shop.members.phone -> staging.stg_members.phone2', "
            "'undeclared', 'staging.stg_members.phone2 inherits user.contact.phone_number')",
        ),
    ),
    Fault("proof_audience_member_without_consent", "nothing said", (_in_newsletter(1016),)),
    Fault("proof_audience_member_without_consent", "the later word is no", (_in_newsletter(1036),)),
    Fault("proof_audience_member_without_consent", "no grant of its own", (_in_newsletter(1039),)),
    Fault("proof_audience_member_withdrawn", "has left", (_in_newsletter(1044),)),
    Fault("proof_audience_member_withdrawn", "left by the old site", (_in_newsletter(1049),)),
    Fault(
        "proof_audience_member_withdrawn",
        "notice to a mailbox that has left",
        (
            "insert into audiences.audience_deletion_notice (email, deadline_at, record_count) "
            "select contact, timestamp '2026-10-01', 1 from consent.left_mailboxes limit 1",
        ),
    ),
    Fault("proof_audience_member_not_active", "in grace", (_in_newsletter(1082),)),
    Fault("proof_audience_member_not_active", "held", (_in_newsletter(1094),)),
    Fault(
        "proof_audience_member_not_active",
        "nobody knows the member",
        (
            "insert into audiences.audience_newsletter_email "
            "values ('nobody@example.com', 999999, timestamp '2026-10-01')",
        ),
    ),
    Fault("proof_audience_contact_twice", "the same row again", (_in_newsletter(1001),)),
    Fault(
        "proof_audience_contact_twice",
        "the other account of a mailbox",
        (_in_newsletter(1040),),
    ),
    Fault(
        "proof_audience_contact_twice",
        "no mailbox",
        (
            "insert into audiences.audience_deletion_notice (email, deadline_at, record_count) "
            "values (null, timestamp '2026-10-01', 1)",
        ),
    ),
    Fault(
        "proof_audience_member_suppressed",
        "suppressed for every purpose since the grant",
        (
            "insert into consent.suppressions select keyed(email), null, 'purge', "
            "timestamp '2026-11-02' from audiences.audience_newsletter_email "
            "where member_id = 1001",
        ),
    ),
    Fault(
        "proof_audience_member_suppressed",
        "suppressed for this purpose since the grant",
        (
            "insert into consent.suppressions select keyed(email), "
            "'marketing.communications.email', 'stop_use', timestamp '2026-11-02' "
            "from audiences.audience_newsletter_email where member_id = 1001",
        ),
    ),
    Fault("proof_regression_in_audience", "said no on the old site", (_in_newsletter(1055),)),
    Fault("proof_regression_in_audience", "left the old site", (_in_newsletter(1048),)),
    Fault("proof_regression_in_audience", "flag without a meaning", (_in_newsletter(1059),)),
    Fault(
        "proof_audience_column_untagged",
        "a column more",
        ("alter table audiences.audience_newsletter_email add column phone varchar",),
    ),
    Fault(
        "proof_audience_column_untagged",
        "a table more",
        ("create table audiences.audience_of_nobody as select 'x' as full_name",),
    ),
    Fault(
        "proof_planned_too_early",
        "an active record",
        (_planned("shop.members", "1001", "member_inactive", "2026-10-01"),),
        is_left_alone=True,
    ),
    Fault(
        "proof_planned_too_early",
        "a record nobody has",
        (_planned("shop.members", "999999", "member_inactive", "2026-10-01"),),
        is_left_alone=True,
    ),
    Fault(
        "proof_planned_too_early",
        "within its grace",
        (
            "update retention.records_members "
            "set member_inactive__grace_until = timestamp '2026-11-03' where member_id = 1083",
        ),
    ),
    Fault(
        "proof_planned_too_early",
        "under a floor",
        (
            "update retention.records_orders "
            "set order_ledger__floor_until = timestamp '2027-06-01' where order_id = 5009",
        ),
    ),
    Fault(
        "proof_planned_while_held",
        "a planned record of a held subject",
        (
            "insert into consent.hold_reach by name "
            "select 99 as hold_id, 'subject' as reach_kind, '1046' as reach_key",
        ),
    ),
    Fault(
        "proof_planned_while_held",
        "a hold on one table",
        (
            "insert into consent.hold_reach by name "
            "select 99 as hold_id, 'all' as reach_kind, 'mailing.messages' as table_name",
        ),
    ),
    Fault(
        "proof_planned_while_held",
        "a held record in the plan",
        (_planned("shop.members", "1094", "member_withdrawn", "2026-10-03"),),
        is_left_alone=True,
    ),
    Fault(
        "proof_planned_without_notice",
        "the notice was never sent",
        ("delete from mailing.messages where kind = 'deletion_notice'",),
    ),
    Fault(
        "proof_planned_without_notice",
        "the notice was sent yesterday",
        (
            "update mailing.messages set sent_at = timestamp '2026-11-01' "
            "where kind = 'deletion_notice'",
        ),
    ),
    Fault(
        "proof_planned_without_notice",
        "a record whose notice is due",
        (_planned("shop.members", "1063", "member_inactive", "2026-10-01"),),
        is_left_alone=True,
    ),
    Fault(
        "proof_personal_table_without_class",
        "the policy lost a table",
        ("delete from retention.deletion_classes where table_name = 'mailing.messages'",),
    ),
    Fault(
        "proof_personal_table_without_class",
        "the policy lost the memory",
        ("delete from retention.deletion_classes where table_name = 'memory.suppressions'",),
    ),
    Fault(
        "proof_class_without_clock",
        "a class nobody judges",
        (
            "insert into retention.deletion_classes by name select 'member_bored' as "
            "deletion_class, 'shop.members' as table_name, 'P1Y' as period, 'delete' as action",
        ),
    ),
]

_LEDGER_ROW = "table_name = 'shop.members' and deletion_class = 'member_inactive'"

# For the sample shop, purged and built again.
AFTER = [
    Fault(
        "proof_purged_too_early",
        "before the deadline",
        (
            "update purge.purge_ledger set deadline_at = purged_at + interval 1 second "
            f"where {_LEDGER_ROW}",
        ),
    ),
    Fault(
        "proof_purged_too_early",
        "without a deadline",
        (f"update purge.purge_ledger set deadline_at = null where {_LEDGER_ROW}",),
    ),
    Fault(
        "proof_purged_too_early",
        "within the grace",
        (
            "update purge.purge_ledger set grace_until = purged_at + interval 1 second "
            f"where {_LEDGER_ROW}",
        ),
    ),
    Fault(
        "proof_purged_too_early",
        "under a floor",
        (
            "update purge.purge_ledger set floor_until = purged_at + interval 1 day "
            f"where {_LEDGER_ROW}",
        ),
    ),
    Fault(
        "proof_purged_while_held",
        "a hold reached it",
        (f"update purge.purge_ledger set hold_id = '1' where {_LEDGER_ROW}",),
    ),
    Fault(
        "proof_purged_without_notice",
        "no notice",
        (f"update purge.purge_ledger set notice_sent_at = null where {_LEDGER_ROW}",),
    ),
    Fault(
        "proof_purged_without_notice",
        "no waiver",
        (
            "update purge.purge_ledger set is_notice_waived = false, notice_sent_at = null "
            "where deletion_class = 'guest_inactive'",
        ),
    ),
    Fault(
        "proof_ledger_without_delete",
        "a ledger row more",
        (
            "insert into purge.purge_ledger select * replace ('another' as record_digest) "
            "from purge.purge_ledger where table_name = 'shop.members' limit 1",
        ),
    ),
    Fault(
        "proof_ledger_without_delete",
        "a run that counted nothing",
        ("delete from memory.purge_counts where table_name = 'shop.orders'",),
    ),
    Fault(
        "proof_ledger_without_delete",
        "the rows did not go",
        (
            "update memory.purge_counts set rows_after = rows_before "
            "where table_name = 'mailing.messages'",
        ),
    ),
    Fault(
        "proof_delete_without_ledger",
        "a ledger row less",
        (
            "delete from purge.purge_ledger where record_digest = "
            f"(select min(record_digest) from purge.purge_ledger where {_LEDGER_ROW})",
        ),
    ),
    Fault(
        "proof_delete_without_ledger",
        "a row that went by another hand",
        ("delete from retention.records_members where member_id = 1001",),
    ),
    Fault(
        "proof_delete_without_ledger",
        "a table emptied by another hand",
        ("delete from retention.records_consent_events",),
    ),
    Fault(
        "proof_lease_overdue",
        "a list that outlives its time",
        (
            "insert into delivery.leases values ('autumn', 'audience_newsletter_email', "
            "'marketing.communications.email', 'marketing', 'csv', 'x', 1, timestamp '2026-10-01', "
            "timestamp '2026-10-01', 'somebody', timestamp '2026-10-08', null, 0, null)",
        ),
    ),
    Fault(
        "proof_lease_altered",
        "a list somebody wrote into",
        (
            "insert into delivery.leases values ('autumn', 'audience_newsletter_email', "
            "'marketing.communications.email', 'marketing', 'csv', 'x', 1, timestamp '2026-10-01', "
            "timestamp '2026-10-01', 'somebody', timestamp '2027-10-08', null, 2, 'recipients.csv was altered')",
        ),
    ),
    Fault(
        "proof_personal_table_undeclared",
        "a list somebody left behind",
        (
            "create table mailing.apology_2025 as select 'somebody@example.com' as mail",
            "insert into tags.scan_findings values "
            "('mailing', 'apology_2025', 'mail', 'user.contact.email', 0.97, 'its name says so', true)",
        ),
    ),
]


def plant(house: House, fault: Fault) -> None:
    """Do what the fault says; every statement must touch something."""
    with duckdb.connect(str(house.warehouse)) as connection:
        key = house.home / "keys" / "kigen_key.duckdb"
        connection.execute(f"attach '{key}' as kigen_key (read_only)")
        connection.execute(
            "create temp macro keyed(t) as (select sha256(outer_pad || unhex(sha256("
            "inner_pad || encode(t)))) from kigen_key.pads)"
        )
        for statement in fault.statements:
            touched = connection.execute(statement).fetchall()
            assert touched != [(0,)], f"{fault}: nothing was planted"


def seal(house: House) -> None:
    """Give the plan the digests of what stands now, as if it had been frozen so."""
    house.execute(
        "update purge.purge_plan set policy_digest = (select sha256(string_agg(concat_ws(chr(9), "
        "deletion_class, table_name, coalesce(period, ''), coalesce(notice, ''), coalesce(notice_waiver, ''), "
        "coalesce(action, ''), coalesce(floor, '')), chr(10) order by table_name, deletion_class)) "
        "from retention.deletion_classes)"
    )
    rows = house.rows(
        "select table_name, record_key, action, deletion_class, deadline_at, policy_digest "
        "from purge.purge_plan"
    )
    house.execute(f"update purge.purge_plan set plan_digest = '{digest_of_plan(rows)}'")


def digest_of_plan(rows: Iterable[tuple[object, ...]]) -> str:
    """SHA-256 over the rows of a plan, parted by tabs, by table and key."""
    lines = ["\t".join(map(str, row)) for row in sorted(rows, key=lambda row: row[:2])]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def snapshot(house: House, *schemas: str) -> Snapshot:
    """Every row of every table of some schemas, in no order of their own."""
    names = house.rows(
        "select table_schema || '.' || table_name from information_schema.tables "
        "where table_type = 'BASE TABLE' and table_catalog = current_database() "
        f"and table_schema in {(*schemas, '')} order by all"
    )
    return {name: sorted(house.rows(f"from {name}"), key=repr) for (name,) in names}


RAW = ("shop", "legacy_shop", "mailing", "legal")


def remains(house: House) -> Snapshot:
    """All that a purge may change: the raw tables, what is remembered, and the ledger."""
    return snapshot(house, *RAW, "memory") | {
        "purge.purge_ledger": sorted(house.rows("from purge.purge_ledger"), key=repr)
    }
