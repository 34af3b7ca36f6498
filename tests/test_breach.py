"""After a leak: how many persons, which categories, which recipients; whom to tell; and what stands to leak."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration import breach as breach_module
from orchestration.approvals import TABLE as APPROVALS
from orchestration.approvals import Approval, ApprovalError
from orchestration.breach import (
    MANY_PERSONS,
    Breach,
    BreachError,
    approve_list,
    expect_approved,
    expire_lists,
    find,
    folder_of,
    freeze,
    listed,
    page,
    told,
)
from orchestration.exposure_page import page as page_of_exposure
from orchestration.exposure_page import write_exposure
from orchestration.facts import facts_of
from orchestration.keys import Pads, digest, pads_as_of, read_pads, rotated, write_pads
from orchestration.leases import (
    DeliveryError,
    Lease,
    Terms,
    expire,
    issue,
    keep,
    lease_of,
    leases_of,
    look_after,
    path_of,
    terms_of,
)
from orchestration.project import Project
from orchestration.settings import utc_now
from tests.conftest import T
from tests.faults import RAW
from tests.house import House, failures
from tests.kigen import call
from tests.oracle import normalise

LEGAL = "audience_legal_notice"
NEWSLETTER = "audience_newsletter_email"
ORDERS = "shop.orders"
REASON = "leak of orders, ticket 12"
PERIOD = "P3Y"


def ask(shop: Project, pads: Pads, place: str = ORDERS, as_of: datetime = T) -> Breach:
    return freeze(shop, place, as_of, T, "the dpo", pads)[0]


def give(
    shop: Project, pads: Pads, breach: Breach, now: datetime | None = None, **words: str
) -> Approval:
    words = {"digest": breach.list_digest, "approver": "dpo", "reason": REASON} | words
    with duckdb.connect(str(shop.settings.warehouse)) as connection:
        given = approve_list(connection, shop, pads, now=now or utc_now(), **words)
    assert given is not None
    assert given[0] == breach
    return given[1]


def terms(shop: Project, breach_id: str, campaign: str = "notice") -> Terms:
    return terms_of(shop, campaign, LEGAL, "", "csv", "P7D", breach_id)


def hand_over(shop: Project, pads: Pads, breach_id: str, campaign: str = "notice") -> Lease:
    asked = terms(shop, breach_id, campaign)
    who = listed(shop, asked, pads, utc_now())
    return issue(shop, asked, T, T, "somebody", pads, who)


def addresses(path: Path) -> set[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["email"] for row in csv.DictReader(file)}


def digests(shop: Project, breach: Breach) -> set[str]:
    with duckdb.connect() as connection:
        file = str(folder_of(shop.settings, breach) / "persons.parquet")
        return {made for (made,) in connection.execute("from read_parquet(?)", [file]).fetchall()}


def build(house: House, select: str, as_of: datetime = T, *more: str) -> None:
    built = house.dbt("build", "--select", *select.split(), *more, as_of=as_of)
    assert built.success, failures(built)


def expected_persons(house: House) -> dict[int, tuple[str, str | None]]:
    """By order: whose it is and where they can be told, read from the raw tables by hand."""
    rows = house.shop()
    emails: dict[int, str | None] = {}
    owners: dict[str, int] = {}
    for member in sorted(rows["shop.members"], key=lambda row: row["member_id"]):
        email = normalise(member["email"])
        emails.setdefault(member["member_id"], email)
        if email:
            owners.setdefault(email, member["member_id"])
    found = {}
    for order in rows["shop.orders"]:
        own = normalise(order["email"])
        member = order["member_id"] if order["member_id"] is not None else owners.get(own or "")
        nobody = f"contact {own}" if own else f"record {order['order_id']}"
        who = nobody if member is None else f"subject {member}"
        found[order["order_id"]] = (who, own or (emails.get(member) if member else None))
    return found


# What is asked.


def test_a_table_is_told_with_its_persons_categories_and_recipients(
    shop: Project, pads: Pads, sample: House
) -> None:
    persons = expected_persons(sample)
    assert len(persons) > 50
    kinds = {who.split()[0] for who, _ in persons.values()}
    assert kinds == {"subject", "contact", "record"}
    lease = issue(
        shop, terms_of(shop, "autumn", NEWSLETTER, "", "csv", "P7D"), T, T, "the mail team", pads
    )
    keep(shop, look_after(shop, pads), pads)
    ((row),) = sample.rows(
        "select place_kind, record_count, person_count, reachable_count, data_categories, "
        f"sensitive_categories, recipients from retention.breach_view where place = '{ORDERS}'"
    )
    assert row[:4] == (
        "table",
        len(sample.shop()[ORDERS]),
        len({who for who, _ in persons.values()}),
        len({who for who, email in persons.values() if email}),
    )
    tagged = sample.rows(
        "select distinct data_category from tags.pii_columns "
        "where schema_name = 'shop' and table_name = 'orders' order by 1"
    )
    assert row[4] == [category for (category,) in tagged]
    assert row[5] == []
    ((recipient),) = row[6]
    assert recipient == {
        "campaign_id": "autumn", "audience": NEWSLETTER, "purpose": "marketing.communications.email",
        "issued_by": "the mail team", "issued_at": T, "expires_at": lease.expires_at, "removed_at": None,
    }  # fmt: skip
    # No audience that was handed over is made from a list of recipients.
    lists = "retention.breach_view where place = 'mailing.delivery_list_recipients'"
    assert sample.rows(f"select recipients from {lists}") == [(None,)]
    # Of one that is not in the project any more nobody knows, so it may be.
    sample.execute("update delivery.leases set audience = 'audience_of_last_year'")
    assert sample.rows(f"select recipients[1].campaign_id, len(recipients) from {lists}") == [
        ("autumn", 1)
    ]
    assert sample.rows(
        "select data_categories, reachable_count, person_count from retention.breach_view "
        "where place = 'lease:autumn'"
    ) == [(None, None, lease.recipients)]


def test_a_person_is_who_can_be_told_apart(sample: House) -> None:
    """Two accounts with one mailbox are two; a guest with it is the lower one; who has none is the record."""
    sample.execute(
        *(
            "insert into shop.members by name select "
            f"{key} as member_id, {email} as email, 'active' as status, timestamp '{T}' as registered_at"
            for key, email in [(9001, "'two@example.com'"), (9002, "'Two@Example.com '"), (9003, "null")]
        ),
        *(
            "insert into shop.orders by name select "
            f"{key} as order_id, {member} as member_id, {email} as email, timestamp '{T}' as ordered_at"
            for key, member, email in [
                (9001, 9002, "null"), (9002, "null", "'two@example.com'"), (9003, "null", "'guest@example.com'"),
                (9004, "null", "'nobody at all'"), (9005, 9003, "null"), (9006, "null", "null"),
            ]
        ),
    )  # fmt: skip
    build(sample, "+record_persons")
    found = sample.rows(
        "select table_name, record_key, person_key, email from retention.record_persons "
        f"where record_key like '900%' and table_name in ('shop.members', '{ORDERS}') order by all"
    )
    assert found == [
        ("shop.members", "9001", "subject 9001", "two@example.com"),
        ("shop.members", "9002", "subject 9002", "two@example.com"),
        ("shop.members", "9003", "subject 9003", None),
        (ORDERS, "9001", "subject 9002", "two@example.com"),
        (ORDERS, "9002", "subject 9001", "two@example.com"),
        (ORDERS, "9003", "contact guest@example.com", "guest@example.com"),
        (ORDERS, "9004", "contact nobody at all", None),
        (ORDERS, "9005", "subject 9003", None),
        (ORDERS, "9006", "record 9006", None),
    ]


def scans(house: House, query: str) -> Counter[str]:
    """How often a query reads each table of the warehouse, by DuckDB's own plan."""
    found: Counter[str] = Counter()

    def walk(node: dict[str, Any]) -> None:
        table = node["extra_info"].get("Table", "").rpartition(".")[2]
        # Of one row.
        if table not in ("", "as_of"):
            found[table] += 1
        for child in node["children"]:
            walk(child)

    ((_, plan),) = house.rows(f"explain (format json) {query}")
    for node in json.loads(plan):
        walk(node)
    return found


def test_each_table_is_read_once_and_only_those_that_are_asked_about(template: House) -> None:
    view = "select * from retention.breach_view"
    one = scans(template, f"{view} where place = '{ORDERS}'")
    assert set(one) == {"records_orders", "member_standings", "leases"}
    every = scans(template, view)
    assert {name for name in every if name.startswith("records_")} > {"records_orders"}
    exposure = template.home / "target/compiled/kigen/models/4_retention/exposure.sql"
    held = scans(template, exposure.read_text())
    assert {"orders", "members", "records_orders"} <= set(held)
    assert {*one.values(), *every.values(), *held.values()} == {1}


def test_what_the_policy_calls_sensitive_is_named(shop: Project, pads: Pads, sample: House) -> None:
    sample.execute(
        "update policy.policy_data_categories set sensitivity = 'special' where data_category = 'user.name'"
    )
    built = sample.dbt("run", "--select", "breach_view", as_of=T)
    assert built.success, failures(built)
    found = ask(shop, pads)
    assert (found.sensitive_categories, found.is_many) == (("user.name",), False)
    assert any("A report is due: sensitive categories (Enforcement" in line for line in told(found))
    assert "By what the data says, a report is due." in page(found)
    many = replace(found, sensitive_categories=(), person_count=MANY_PERSONS + 1)
    assert any(
        "A report is due: more than 1,000 persons (art. 7(iv))" in line for line in told(many)
    )
    few = replace(many, person_count=MANY_PERSONS)
    assert not few.is_report_due
    assert any("What the data says makes no report due." in line for line in told(few))
    unknown = replace(few, sensitive_categories=None)
    assert any("whether it is sensitive, nobody says" in line for line in told(unknown))


def test_a_place_nobody_knows_is_refused_with_those_there_are(shop: Project, pads: Pads) -> None:
    with pytest.raises(
        BreachError, match=r"'shop\.order' is no place that Kigen knows; .*shop\.orders"
    ):
        ask(shop, pads, "shop.order")
    assert not shop.settings.breaches.exists()


# What is frozen.


def test_answer_is_frozen_for_its_owner_without_an_address(
    shop: Project, pads: Pads, sample: House
) -> None:
    found = ask(shop, pads)
    emails = {email for _, email in expected_persons(sample).values() if email}
    assert digests(shop, found) == {digest(email, pads) for email in emails}
    assert found.contact_count == len(emails)
    folder = folder_of(shop.settings, found)
    assert folder.name == "shop.orders-20261102T030000"
    assert [path.stat().st_mode & 0o777 for path in (folder.parent, folder)] == [0o700] * 2
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "breach.json": 0o600, "breach.html": 0o600, "persons.parquet": 0o600,
    }  # fmt: skip
    shown = "\n".join(told(found))
    for text in (shown, *(path.read_bytes().decode("latin-1") for path in folder.iterdir())):
        assert not any(email in text for email in emails)
        assert "@example" not in text
    assert found.list_digest in shown
    assert found.list_digest in (folder / "breach.html").read_text()
    # The same place and T have one answer, whatever became of the tables.
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    sample.execute("delete from shop.orders")
    assert freeze(shop, ORDERS, T, T, "another", pads) == (found, False)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert find(shop.settings, found.breach_id, pads) == found
    later = ask(shop, pads, as_of=T + timedelta(days=1))
    assert later.list_digest != found.list_digest


def test_answer_that_dies_leaves_nothing_that_counts(
    shop: Project, pads: Pads, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(breach_module, "write_sealed", die)
        patched.setattr(breach_module.shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            ask(shop, pads)
    (half,) = shop.settings.breaches.iterdir()
    assert half.name.startswith(".")
    with pytest.raises(BreachError, match="there are: none"):
        find(shop.settings, "shop.orders-20261102T030000", pads)
    found = ask(shop, pads)
    assert list(shop.settings.breaches.iterdir()) == [folder_of(shop.settings, found)]


def test_list_goes_in_time_and_the_answer_stays(shop: Project, pads: Pads) -> None:
    found = ask(shop, pads)
    assert expire_lists(shop.settings, datetime(2029, 11, 2, 2, 59), pads, PERIOD) == ()
    assert expire_lists(shop.settings, datetime(2029, 11, 2, 3), pads, PERIOD) == (found.breach_id,)
    assert not (folder_of(shop.settings, found) / "persons.parquet").exists()
    assert find(shop.settings, found.breach_id, pads) == found
    with pytest.raises(BreachError, match="is not there any more; ask `kigen breach"):
        give(shop, pads, found)


# A lease.


def test_lease_is_told_by_its_own_digests_also_after_its_end(shop: Project, pads: Pads) -> None:
    asked = terms_of(shop, "autumn", NEWSLETTER, "", "csv", "P7D")
    lease = issue(shop, asked, T, T, "the mail team", pads)
    people = addresses(path_of(shop.settings, lease))
    expire(shop.settings, T + timedelta(days=8), pads)
    keep(shop, look_after(shop, pads), pads)
    found = ask(shop, pads, "autumn")
    assert (found.place, found.place_kind) == ("lease:autumn", "lease")
    assert (found.person_count, found.reachable_count, found.contact_count) == (len(people),) * 3
    assert digests(shop, found) == {digest(email, pads) for email in people}
    assert found.data_categories == (
        "user.contact.email", "user.privacy_preferences", "user.unique_id",
    )  # fmt: skip
    ((recipient),) = found.recipients
    assert (recipient.issued_by, recipient.removed_at) == ("the mail team", T + timedelta(days=8))
    assert "taken away 2026-11-10 03:00" in "\n".join(told(found))
    # Once its digests have gone nobody knows any more, and it says so.
    expire(shop.settings, T + timedelta(days=3 * 366 + 8), pads)
    late = ask(shop, pads, "lease:autumn", T + timedelta(days=3 * 366 + 8))
    assert (late.person_count, late.contact_count, late.list_digest) == (len(people), None, "")
    assert "nobody knows any more who they are" in "\n".join(told(late))
    assert "Nobody knows any more" in page(late)


# Whom to tell.


def test_legal_notice_reaches_whom_the_list_names_also_who_has_left_and_nobody_else(
    shop: Project, pads: Pads, sample: House
) -> None:
    found = ask(shop, pads, "shop.members")
    with pytest.raises(BreachError, match="Nobody has approved it"):
        hand_over(shop, pads, found.breach_id)
    give(shop, pads, found, digest=found.list_digest[:12])
    lease = hand_over(shop, pads, found.breach_id)
    reached = addresses(path_of(shop.settings, lease))
    members = {normalise(row["email"]) for row in sample.shop()["shop.members"]} - {None}
    assert reached == members
    audience = [email for (email,) in sample.rows(f"select email from audiences.{LEGAL}")]
    assert len(audience) == len(set(audience))
    # Guests are in the audience, and not on this list; who has left, or said no, is on it.
    assert set(audience) > reached
    left = {email for (email,) in sample.rows("select contact from consent.left_mailboxes")}
    assert reached & left
    assert lease.terms.breach_id == found.breach_id
    (standing,) = look_after(shop, pads)
    assert (standing.problems, standing.revoked) == ((), 0)
    # The same campaign has the same file, and is for no other breach.
    other = ask(shop, pads)
    give(shop, pads, other)
    assert lease_of(shop, terms(shop, found.breach_id), T, pads) == lease
    with pytest.raises(DeliveryError, match=f"breach_id '{found.breach_id}', not"):
        lease_of(shop, terms(shop, other.breach_id), T, pads)


def test_who_was_erased_since_is_not_handed_over(shop: Project, pads: Pads, sample: House) -> None:
    found = ask(shop, pads)
    give(shop, pads, found)
    (gone,) = (
        email
        for (email,) in sample.rows(
            "select min(email) from shop.orders where member_id is null and email like 'g%'"
        )
    )
    assert digest(normalise(gone) or "", pads) in digests(shop, found)
    sample.execute(
        *(
            f"delete from {table} where email = '{gone}'"
            for table in ("shop.orders", *RAW_TABLES_WITH_PERSONS)
        )
    )  # fmt: skip
    build(sample, f"+{LEGAL}")
    lease = hand_over(shop, pads, found.breach_id)
    reached = addresses(path_of(shop.settings, lease))
    assert normalise(gone) not in reached
    assert {digest(email, pads) for email in reached} < digests(shop, found)
    assert found.contact_count is not None
    assert lease.recipients == found.contact_count - 1


def test_no_notice_without_a_list_and_no_list_without_a_notice(shop: Project, pads: Pads) -> None:
    with pytest.raises(DeliveryError, match="a legal notice, which needs a list somebody approved"):
        terms(shop, "")
    with pytest.raises(BreachError, match="There is no breach 'nothing'; there are: none"):
        hand_over(shop, pads, "nothing")
    marketing = terms_of(shop, "autumn", NEWSLETTER, "", "csv", "P7D")
    assert expect_approved(shop, marketing, pads, utc_now()) is None
    assert listed(shop, marketing, pads, utc_now()) == ""
    for wrong, who in ((terms(shop, "b"), ""), (marketing, "true")):
        with pytest.raises(DeliveryError, match="do not go together"):
            issue(shop, wrong, T, T, "somebody", pads, who)
    purposes = {
        n: p for n, p in shop.declarations.purposes.items() if p.message_class == "marketing"
    }
    without = replace(
        shop, declarations=shop.declarations.model_copy(update={"purposes": purposes})
    )
    with pytest.raises(BreachError, match="does not have; add the row"):
        hand_over(without, pads, "b")


@pytest.mark.parametrize(
    ("forgery", "said"),
    [
        (f"update {APPROVALS} set expires_at = expires_at + interval 1 year", "none was sealed"),
        (f"update {APPROVALS} set digest = (select sha256('x'))", "Nobody has approved it"),
        (f"update {APPROVALS} set seal = sha256(digest)", "none was sealed"),
        (f"delete from {APPROVALS}", "Nobody has approved it"),
    ],
)
def test_approval_that_was_altered_is_none(
    shop: Project, pads: Pads, sample: House, forgery: str, said: str
) -> None:
    found = ask(shop, pads)
    give(shop, pads, found)
    assert hand_over(shop, pads, found.breach_id, "first").recipients == found.contact_count
    sample.execute(forgery)
    with pytest.raises(BreachError, match=said):
        hand_over(shop, pads, found.breach_id)


def test_approval_ends_and_is_of_one_list_only(shop: Project, pads: Pads) -> None:
    found, other = ask(shop, pads), ask(shop, pads, as_of=T + timedelta(days=1))
    # The same persons: and another list all the same.
    assert digests(shop, found) == digests(shop, other)
    give(shop, pads, found, now=utc_now() - timedelta(days=7, minutes=1))
    with pytest.raises(BreachError, match="Its approval has expired"):
        hand_over(shop, pads, found.breach_id)
    give(shop, pads, found)
    with pytest.raises(BreachError, match="Nobody has approved it"):
        hand_over(shop, pads, other.breach_id)
    assert hand_over(shop, pads, found.breach_id).recipients == found.contact_count
    with pytest.raises(ApprovalError, match="The reason holds"):
        give(shop, pads, other, reason="as taro@example.com asked")
    with duckdb.connect(str(shop.settings.warehouse)) as connection:
        for wrong in (other.list_digest[:11], "0" * 64, ""):
            assert approve_list(
                connection, shop, pads, digest=wrong, approver="dpo", reason=REASON, now=T
            ) is None  # fmt: skip


def test_list_or_record_written_by_another_hand_is_refused(shop: Project, pads: Pads) -> None:
    found, wide = ask(shop, pads), ask(shop, pads, "shop.members")
    give(shop, pads, found)
    own, others = (folder_of(shop.settings, each) for each in (found, wide))
    kept = (own / "persons.parquet").read_bytes()
    shutil.copyfile(others / "persons.parquet", own / "persons.parquet")
    for use in (lambda: hand_over(shop, pads, found.breach_id), lambda: give(shop, pads, found)):
        with pytest.raises(BreachError, match="is not the list that was frozen"):
            use()
    (own / "persons.parquet").write_bytes(kept)
    record = json.loads((own / "breach.json").read_text())
    for name, value in (
        ("person_count", 1),
        ("file_digest", wide.file_digest),
        ("place", "shop.members"),
    ):
        altered = {**record, "breach": {**record["breach"], name: value}}
        (own / "breach.json").write_text(json.dumps(altered))
        with pytest.raises(BreachError, match="is not the record that was written for this breach"):
            hand_over(shop, pads, found.breach_id)
    # Another's whole answer under this name is none, either.
    shutil.copyfile(others / "breach.json", own / "breach.json")
    with pytest.raises(BreachError, match="is not the record"):
        hand_over(shop, pads, found.breach_id)
    # And the lists of others still go in time.
    with pytest.raises(BreachError, match="is not the record"):
        expire_lists(shop.settings, datetime(2030, 1, 1), pads, PERIOD)
    assert not (others / "persons.parquet").exists()


def test_list_outlives_a_rotated_key_and_its_approval_does_not(
    shop: Project, pads: Pads, sample: House
) -> None:
    found = ask(shop, pads)
    give(shop, pads, found)
    after = rotated(pads, b"a new key")
    assert pads_as_of(after, pads.key_id).key_ids == pads.key_ids
    write_pads(shop.settings.key, after, replaces=True)
    with pytest.raises(BreachError, match="none was sealed with the key at hand"):
        hand_over(shop, after, found.breach_id)
    give(shop, after, found)
    lease = hand_over(shop, after, found.breach_id)
    assert {digest(e, pads) for e in addresses(path_of(shop.settings, lease))} == digests(
        shop, found
    )


def test_lease_written_before_there_were_breaches_is_still_read(shop: Project, pads: Pads) -> None:
    asked = terms_of(shop, "autumn", NEWSLETTER, "", "csv", "P7D")
    lease = issue(shop, asked, T, T, "somebody", pads)
    file = shop.settings.leases / "autumn" / "lease.json"
    record = json.loads(file.read_text())["lease"]
    del record["terms"]["breach_id"]
    text = json.dumps(record, indent=2, sort_keys=True)
    file.write_text(json.dumps({"lease": record, "seal": digest(f"lease\t{text}", pads)}))
    assert leases_of(shop.settings, pads) == (lease,)


def test_leak_is_answered_approved_and_told_by_the_public_doors(sample: House) -> None:
    told_to = {"KIGEN_WAREHOUSE": str(sample.warehouse), "KIGEN_AS_OF": T.isoformat()}

    def kigen(*arguments: str, status: int = 0) -> str:
        said = call(*arguments, home=sample.home, **told_to)
        assert said.returncode == status, said.stdout + said.stderr
        assert "@example" not in said.stdout + said.stderr
        return said.stdout + said.stderr

    # Since last night's build: the answer is by what is there now.
    sample.execute(
        "insert into shop.orders by name select 9001 as order_id, 'late@example.com' as email, "
        f"timestamp '{T - timedelta(hours=1)}' as ordered_at"
    )
    said = kigen("breach", ORDERS)
    persons = expected_persons(sample)
    assert f"{len({who for who, _ in persons.values()})} persons" in said
    pads = read_pads(sample.key)
    record = json.loads(
        (sample.home / "breaches" / "shop.orders-20261102T030000" / "breach.json").read_text()
    )
    list_digest = record["breach"]["list_digest"]
    notice = ["deliver", "notice", "--audience", LEGAL, "--breach", "shop.orders-20261102T030000"]
    assert "Nobody has approved it" in kigen(*notice, status=1)
    said = kigen("approve", list_digest[:12], "--reason", REASON)
    assert f"--audience {LEGAL} --breach shop.orders-20261102T030000` hands it over" in said
    kigen(*notice)
    reached = addresses(sample.home / "leases" / "notice" / "recipients.csv")
    assert reached == {email for _, email in persons.values() if email}
    assert "late@example.com" in reached
    assert digest("late@example.com", pads) not in json.dumps(record)


# What stands to leak.


def exposure(house: House) -> dict[tuple[str, str], tuple[int, int, int]]:
    return {
        (table, category): (values, past, records)
        for table, category, values, past, records in house.rows(
            "select table_name, data_category, cast(sum(value_count) as bigint), "
            "cast(sum(past_use_count) as bigint), cast(sum(record_count) as bigint) "
            "from retention.exposure group by all"
        )
    }


def expected_exposure(house: House) -> dict[tuple[str, str], tuple[int, int, int]]:
    """The same by hand: the raw tables, and for what is past use the states."""
    keys = {
        "shop.members": "member_id", "shop.orders": "order_id", "shop.consent_events": "event_id",
        "shop.erasure_requests": "request_id", "legacy_shop.customers": "customer_id",
        "mailing.delivery_list_recipients": "list_id || '|' || recipient_no",
        "mailing.messages": "message_id", "legal.holds": "hold_id",
    }  # fmt: skip
    columns: dict[tuple[str, str], list[str]] = {}
    for schema, table, column, category in house.rows(
        "select schema_name, table_name, column_name, data_category from tags.pii_columns "
        f"where schema_name in {RAW} and tagged_by = 'declared'"
    ):
        columns.setdefault((f"{schema}.{table}", category), []).append(column)
    found = {}
    for (table, category), names in columns.items():
        if table not in keys:
            continue
        values = " + ".join(f"({name} is not null)::bigint" for name in names)
        past = (
            f"cast({keys[table]} as varchar) in (select record_key from retention.records where "
            f"table_name = '{table}' and state in ('expired', 'held', 'floored'))"
        )
        ((counts),) = house.rows(
            f"select coalesce(sum({values}), 0)::bigint, "
            f"coalesce(sum({values}) filter (where {past}), 0)::bigint, "
            f"count(*) filter (where {values} > 0) from {table}"
        )
        if counts[0]:
            found[(table, category)] = counts
    return found


def test_exposure_is_what_the_raw_tables_hold(sample: House) -> None:
    """Also of rows whose key stands twice, which are of an unknown age."""
    ((active,),) = sample.rows(
        f"select min(record_key) from retention.records where table_name = '{ORDERS}' and state = 'active'"
    )
    sample.execute(f"insert into shop.orders select * from shop.orders where order_id = {active}")
    build(sample, "+exposure")
    expected = expected_exposure(sample)
    assert len(expected) > 20
    assert sum(past for _, past, _ in expected.values()) > 0
    assert exposure(sample) == expected
    ages = dict(
        sample.rows(
            "select age_band, record_count from retention.exposure "
            f"where table_name = '{ORDERS}' and data_category = 'user.name'"
        )
    )
    assert ages["unknown"] >= 2
    legacy = sample.rows(
        "select case when update_date > as_of - interval 12 months then 'under_1_year' "
        "when update_date > as_of - interval 36 months then '1_to_3_years' "
        "when update_date > as_of - interval 60 months then '3_to_5_years' "
        "when update_date is not null then '5_years_and_more' else 'unknown' end as age, count(email) "
        "from legacy_shop.customers, staging.as_of where update_date <= as_of or update_date is null "
        "group by all having count(email) > 0 order by all"
    )
    assert len(legacy) > 2
    found = sample.rows(
        "select age_band, cast(sum(value_count) as bigint) from retention.exposure where "
        "table_name = 'legacy_shop.customers' and data_category = 'user.contact.email' group by all order by all"
    )
    assert {age: count for age, count in found if age != "unknown"} == {
        age: count for age, count in legacy if age != "unknown"
    }


def test_what_a_hold_keeps_is_past_use(sample: House) -> None:
    """It is expired before, and held after: neither is used. Who is not expired is used, hold or not."""
    key = ("shop.members", "user.contact.email")
    before = exposure(sample)[key]
    (expired,), (active,) = (
        sample.rows(
            f"select min(record_key) from retention.records where table_name = 'shop.members' and state = '{state}'"
        )[0]
        for state in ("expired", "active")
    )
    sample.execute(
        *(
            f"insert into legal.holds by name select {number} as hold_id, {member} as member_id, "
            f"timestamp '{T - timedelta(days=1)}' as placed_at"
            for number, member in ((901, expired), (902, active))
        )
    )
    build(sample, "+exposure")
    assert sample.rows(
        f"select record_key, state from retention.records where table_name = 'shop.members' "
        f"and record_key in ('{expired}', '{active}') order by state"
    ) == [(active, "active"), (expired, "held")]
    assert exposure(sample)[key] == before


def test_a_purge_takes_the_exposure_down_to_what_must_stay(purged: House, template: House) -> None:
    after, before = exposure(purged), exposure(template)
    assert sum(past for _, past, _ in after.values()) < sum(past for _, past, _ in before.values())
    assert after == expected_exposure(purged)
    states = purged.rows("select distinct state from retention.records where state = 'expired'")
    assert states == []


def test_trend_has_a_row_for_each_day_and_forgets_none(sample: House) -> None:
    select = "as_of exposure exposure_trend"

    def days() -> dict[date, int]:
        return dict(
            sample.rows(
                "select judged_on, cast(sum(value_count) as bigint) from retention.exposure_trend group by all"
            )
        )

    first = days()
    assert first == {T.date(): sum(values for values, _, _ in exposure(sample).values())}
    sample.execute("update shop.members set phone = null")
    build(sample, select)
    assert list(days()) == [T.date()]
    less = days()[T.date()]
    assert less < first[T.date()]
    tomorrow = T + timedelta(days=1)
    sample.execute("delete from shop.orders")
    build(sample, select, tomorrow)
    build(sample, select, tomorrow, "--full-refresh")
    assert set(days()) == {T.date(), tomorrow.date()}
    assert days()[T.date()] == less > days()[tomorrow.date()]
    assert sample.rows(
        "select judged_on, table_name, data_category from retention.exposure_trend group by all having count(*) > 1"
    ) == []  # fmt: skip
    # A day on which nothing is held any more has no row left of before.
    for table in RAW_TABLES_WITH_PERSONS:
        sample.execute(f"delete from {table}")
    build(sample, select, tomorrow)
    assert set(days()) == {T.date()}


RAW_TABLES_WITH_PERSONS = (
    "shop.members", "shop.consent_events", "shop.erasure_requests", "legacy_shop.customers",
    "mailing.delivery_list_recipients", "mailing.messages", "legal.holds",
)  # fmt: skip


def test_dagster_shows_the_totals(shop: Project, sample: House) -> None:
    node = shop.manifest["nodes"]["model.kigen.exposure"]
    facts = facts_of(shop, {"exposure": node})["exposure"]
    counted = exposure(sample).values()
    assert (facts["value_count"], facts["past_use_count"]) == (
        sum(values for values, _, _ in counted), sum(past for _, past, _ in counted),
    )  # fmt: skip


def test_page_of_what_stands_to_leak_has_the_counts_and_nothing_else(
    shop: Project, sample: House
) -> None:
    build(sample, "as_of exposure_trend", T + timedelta(days=3))
    (path,) = write_exposure(shop)
    assert (path.name, path.stat().st_mode & 0o777) == ("exposure.html", 0o600)
    told = path.read_text()
    counted = exposure(sample)
    for (table, category), (values, past, _) in counted.items():
        assert f"<code>{table}</code></td><td><code>{category}</code>" in told
        assert f'<td class="n">{values:,}</td><td class="n past">{past or "–"}</td>' in told
    assert "@" not in told
    # Two days, of which the second is at the right end of the picture, at the same height.
    (line,) = re.findall(r'<polyline class="values" points="([^"]*)"', told)
    assert line == "0.0,0.0 720.0,0.0"
    assert page_of_exposure([], []).count("<polyline") == 0
