"""A shop lives for years, in an order that nobody chose, and at every step the promises hold.

The oracle is told what purges left behind (`tests.oracle.remember`), over several purges and a
restored backup. Where it cannot know what the warehouse has forgotten, the doors are not
compared with it any more: when a member comes back together with the customer it was moved
from. Three promises are watched over without it, from the raw rows and from books of their
own: nobody goes while held, nobody goes un-noticed, and nobody is in the newsletter against a
word that was ever said, in a row that is there or in one that a purge has taken.

`KIGEN_EXAMPLES` sets how many lives are lived, for a long night.
"""

from __future__ import annotations

import copy
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from orchestration.approvals import approve
from orchestration.erase import note_deleted, note_erased, plant_late, rewrite
from orchestration.guard import judge as judge_plan
from orchestration.guard import write_verdict
from orchestration.journal import heads, mirror, reconcile
from orchestration.keys import digest, read_pads
from orchestration.ledger import broken_link
from orchestration.plan import last_purge, read_plan
from orchestration.project import Project
from orchestration.settings import utc_now
from tests.comparison import Answers, differences, expected, shown
from tests.conftest import seen_from
from tests.dying import die_at, in_a_child
from tests.house import RAW_TABLES, House, Rows, environment, failures
from tests.oracle import Judgement, Past, apply, judge, normalise, remember
from tests.random_shop import EMAIL, PERSON_SOURCES, random_shop
from tests.test_semantics import KEYS

MEMBERS = "shop.members"
PERSONAL = ["member_id", "email", "recipient_name", "recipient_phone", "postal_code"]
PERSONAL += ["street_address"]
NOTICE = timedelta(days=7)
LAST = datetime(2026, 11, 1)
"""No purge is for a T to come, and time does not pass here after this one."""

# People enough for every case, and a first day with a month's end in it.
SHOPS = [(1, datetime(2016, 2, 29, 15, 0, 0)), (4, datetime(2019, 3, 31, 23, 59, 59))]
PEOPLE = 250

SEEDS = st.integers(0, 9999)
PERIODS = st.sampled_from(
    [timedelta(hours=5), NOTICE, *(timedelta(days=days) for days in (31, 93, 400, 1103))]
)

Shop = dict[str, Rows]
Keys = set[tuple[str, str]]


# --- Rows ---------------------------------------------------------------------------------


def key_of(table: str, row: dict[str, Any]) -> str:
    return "|".join(str(row[column]) for column in KEYS[table])


def differing(one: Shop, other: Shop) -> list[str]:
    """The tables whose rows differ, in whatever order they stand."""
    return [
        table
        for table in RAW_TABLES
        if Counter(tuple(row.values()) for row in one[table])
        != Counter(tuple(row.values()) for row in other[table])
    ]


def is_chosen(seed: int, number: int, one_in: int) -> bool:
    return (number * 7919 + seed) % one_in == 0


# --- The books: promises read from rows alone, without the oracle ---------------------------


class Books:
    """The raw rows at T, and refusals whose rows a purge has taken."""

    def __init__(self, shop: Shop, as_of: datetime, buried: Iterable[tuple[str, datetime]]) -> None:
        self.shop = shop
        self.as_of = as_of
        self.buried = set(buried)
        self.emails: dict[int, set[str]] = {}
        for row in shop[MEMBERS]:
            email = normalise(row["email"])
            if row["member_id"] is not None and email is not None:
                self.emails.setdefault(row["member_id"], set()).add(email)

    def is_past(self, at: datetime | None) -> bool:
        return at is not None and at <= self.as_of

    def about(self, row: dict[str, Any]) -> set[str]:
        email = normalise(row["email"])
        return self.emails.get(row.get("member_id") or 0, set()) | ({email} if email else set())

    @cached_property
    def refusals(self) -> set[tuple[str, datetime]]:
        """Who said no to marketing by e-mail, in a row that is there, and when; undated: for ever."""
        said: set[tuple[str, datetime]] = set()
        for event in self.shop["shop.consent_events"]:
            is_other = event["purpose"] is not None and event["purpose"] not in ("", EMAIL)
            if event["status"] != "granted" and not (
                is_other and event["purpose"].startswith(("marketing.", "essential."))
            ):
                said |= {(e, event["occurred_at"] or datetime.max) for e in self.about(event)}
        for request in self.shop["shop.erasure_requests"]:
            if request["kind"] in ("erase", "stop_use"):
                said |= {(e, request["requested_at"] or datetime.max) for e in self.about(request)}
        for member in self.shop[MEMBERS]:
            email = normalise(member["email"])
            if email and (member["withdrawn_at"] or member["status"] == "withdrawn"):
                said.add((email, member["withdrawn_at"] or datetime.max))
        return said

    def against_their_word(self, newsletter: dict[str, int]) -> list[int]:
        """The members in the newsletter who may not be."""
        refused: dict[str, datetime] = {}
        for email, at in self.refusals | self.buried:
            if at <= self.as_of or at == datetime.max:
                refused[email] = max(at, refused.get(email, at))
        found = []
        rows = {row["member_id"]: row for row in self.shop[MEMBERS]}
        for email, member_id in newsletter.items():
            row = rows.get(member_id)
            grants = [
                event
                for event in self.shop["shop.consent_events"]
                if event["member_id"] == member_id
                and (event["purpose"], event["status"]) == (EMAIL, "granted")
                and self.is_past(event["occurred_at"])
                and (
                    (event["source"] in PERSON_SOURCES and event["occurred_at"] > refused[email])
                    if email in refused
                    else (event["source"] in PERSON_SOURCES or (event["evidence"] or "").strip())
                )
            ]
            if (
                row is None
                or not grants
                or (row["status"], row["newsletter_flag"]) != ("active", 1)
                or self.is_past(row["withdrawn_at"])
            ):
                found.append(member_id)
        return found

    def held(self, table: str, row: dict[str, Any]) -> bool:
        """Whether an open hold names the row's member or address, or everybody."""
        for hold in self.shop["legal.holds"]:
            if not (hold["placed_at"] is None or self.is_past(hold["placed_at"])):
                continue
            if self.is_past(hold["released_at"]):
                continue
            has_subject = hold["member_id"] is not None or normalise(hold["email"]) is not None
            covers = hold["table_name"] == table or hold["table_name"] not in KEYS
            if table == "mailing.delivery_lists" or not (
                covers or (table == MEMBERS and has_subject)
            ):
                continue
            member_id = row.get("member_id")
            if not has_subject or (member_id is not None and member_id == hold["member_id"]):
                return True
            if "email" in row and self.about(hold) & {normalise(row["email"])}:
                return True
        return False

    def is_noticed(self, row: dict[str, Any]) -> bool:
        """Whether a last mail went to the row's address a week ago or more, after the last login."""
        email = normalise(row["email"])
        since = row.get("last_login_at") if self.is_past(row.get("last_login_at")) else None
        return any(
            message["kind"] == "deletion_notice"
            and normalise(message["email"]) == email
            and self.is_past(message["sent_at"])
            and message["sent_at"] + NOTICE <= self.as_of
            and (since is None or message["sent_at"] > since)
            for message in self.shop["mailing.messages"]
        )


# --- A purge that dies ----------------------------------------------------------------------


def purge_and_die(house: House, as_of: datetime, run: str, at: int, seconds: float) -> None:
    """Purge, and die at a statement of it; without so many statements nothing happens."""
    die_at(at, seconds)
    result = house.dbt(*PURGE, as_of=as_of, run=run)
    os._exit(0 if result.success else 1)


# Seeds are there, and what dbt's own tests ask the guard or the oracle asks.
BUILD = ["run", "--exclude", "config.meta.kigen.gate:after resource_type:seed"]
PURGE = ["run", "--select", "+purge_ledger", "--exclude", "purge_plan resource_type:seed"]


# --- The machine ----------------------------------------------------------------------------


class Life(RuleBasedStateMachine):
    """One shop, moved forward; `parsed` and `homes` are set by the test."""

    parsed: Project
    homes: Path
    ready: dict[int, Path]

    @initialize(number=st.integers(0, len(SHOPS) - 1))
    def open_shop(self, number: int) -> None:
        seed, self.as_of = SHOPS[number]
        home = self.homes / f"life{len(list(self.homes.iterdir()))}"
        self.house = House(home)
        if number not in self.ready:
            first = House(self.homes / f"first{number}")
            shop = random_shop(seed, PEOPLE, self.as_of)
            # Nothing would ever go, if everything were held.
            shop["legal.holds"] = [
                hold
                for hold in shop["legal.holds"]
                if hold["member_id"] is not None or normalise(hold["email"]) is not None
            ]
            first.load(shop)
            first.build(self.as_of)
            self.ready[number] = first.home
        shutil.copytree(self.ready[number], home, ignore=shutil.ignore_patterns("target", "logs"))
        self.shop = self.house.shop()
        self.past = Past()
        self.buried: set[tuple[str, datetime]] = set()
        self.chains: set[str] = set()
        self.mirrored = (self.past, self.buried)
        self.exact = True
        self.built: datetime | None = self.as_of
        self.exports: list[Shop] = [self.shop]
        self.backup: tuple[Path, Past, Shop] | None = None
        self.is_approved = False
        self.backed_up: datetime | None = None
        self.serial = 1_000_000
        self.check_doors()

    def teardown(self) -> None:
        if hasattr(self, "house"):
            try:
                if sys.exc_info()[0] is None:
                    self.plan()
            finally:
                shutil.rmtree(self.house.home, ignore_errors=True)

    # What the rules share.

    @property
    def project(self) -> Project:
        return seen_from(self.parsed, self.house, self.as_of)

    def change(self, *statements: str) -> None:
        """What happens upstream; a second later the next thing happens."""
        self.house.execute(*statements)
        self.shop = self.house.shop()
        self.as_of += timedelta(seconds=1)

    @property
    def at(self) -> str:
        return f"timestamp '{self.as_of}'"

    def next_ids(self) -> int:
        """A number from which a thousand keys are free."""
        self.serial += 1000
        return self.serial

    def read(self) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(str(self.house.warehouse), read_only=True)

    def judged(self) -> Judgement:
        return judge(self.shop, self.as_of, self.past)

    def books(self) -> Books:
        return Books(self.shop, self.as_of, self.buried)

    # Time, and people.

    @rule(period=PERIODS)
    def pass_time(self, period: timedelta) -> None:
        if self.as_of + period < LAST:
            self.as_of += period

    @rule(seed=SEEDS)
    def order(self, seed: int) -> None:
        first = self.next_ids()
        self.change(
            "insert into shop.orders by name select "
            f"{first} + row_number() over () as order_id, "
            "case when member_id % 3 > 0 then member_id end as member_id, email, "
            "full_name as recipient_name, street_address, 12.5 as total_amount, "
            f"{self.at} as ordered_at, case when member_id % 2 = 0 then {self.at} end "
            "as delivered_at, 'placed' as status from shop.members "
            f"where (member_id * 7919 + {seed}) % 20 = 0"
        )

    @rule(seed=SEEDS)
    def login(self, seed: int) -> None:
        self.change(
            f"update shop.members set last_login_at = {self.at} "
            f"where (member_id * 7919 + {seed}) % 10 = 0"
        )

    @rule(
        seed=SEEDS,
        status=st.sampled_from(["granted", "granted", "refused", None]),
        source=st.sampled_from(["web_form", "support", "import", "migration"]),
        writes=st.sampled_from(["own", "none", "neighbour"]),
    )
    def consent(self, seed: int, status: str | None, source: str, writes: str) -> None:
        first = self.next_ids()
        address = {
            "own": "upper(email)",
            "none": "null",
            "neighbour": "lag(email) over (order by member_id)",
        }[writes]
        said = f"'{status}'" if status else "null"
        self.change(
            "insert into shop.consent_events by name select "
            f"{first} + row_number() over () as event_id, member_id, {address} as email, "
            f"'{EMAIL}' as purpose, {said} as status, {self.at} as occurred_at, "
            f"'{source}' as source, case when member_id % 2 = 0 then 'form' end as evidence "
            f"from shop.members where (member_id * 7919 + {seed}) % 10 = 0",
        )

    @rule(seed=SEEDS)
    def withdraw(self, seed: int) -> None:
        self.change(
            f"update shop.members set status = 'withdrawn', withdrawn_at = {self.at}, "
            f"updated_at = {self.at} where (member_id * 7919 + {seed}) % 15 = 0"
        )

    @rule(seed=SEEDS, kind=st.sampled_from(["erase", "erase", "stop_use", "disclose"]))
    def ask_erasure(self, seed: int, kind: str) -> None:
        first = self.next_ids()
        self.change(
            "insert into shop.erasure_requests by name select "
            f"{first} + row_number() over () as request_id, "
            "case when member_id % 3 > 0 then member_id end as member_id, "
            "case when member_id % 3 < 2 then email end as email, "
            f"'{kind}' as kind, {self.at} as requested_at "
            f"from shop.members where (member_id * 7919 + {seed}) % 25 = 0"
        )

    @rule(seed=SEEDS)
    def verify(self, seed: int) -> None:
        self.change(
            f"update shop.erasure_requests set identity_verified_at = {self.at}, "
            "verification_method = 'letter' where identity_verified_at is null "
            f"and closed_at is null and (request_id * 7919 + {seed}) % 2 = 0"
        )

    @rule(seed=SEEDS)
    def close(self, seed: int) -> None:
        self.change(
            f"update shop.erasure_requests set closed_at = {self.at}, outcome = 'done' "
            f"where closed_at is null and (request_id * 7919 + {seed}) % 3 = 0"
        )

    # Holds and notices.

    @rule(seed=SEEDS, names=st.sampled_from(["member", "email", "orders", "lists"]))
    def hold(self, seed: int, names: str) -> None:
        first = self.next_ids()
        self.change(
            "insert into legal.holds by name select "
            f"{first} + row_number() over () as hold_id, "
            f"{'null' if names == 'email' else 'member_id'} as member_id, "
            f"{'email' if names == 'email' else 'null'} as email, "
            + {
                "orders": "'shop.orders'",
                "lists": "'mailing.delivery_list_recipients'",
            }.get(names, "null")
            + f" as table_name, 'claim' as reason, {self.at} as placed_at from shop.members "
            f"where (member_id * 7919 + {seed}) % 12 = 0 "
            + ("and trim(email) <> ''" if names == "email" else "")
        )

    @rule(seed=SEEDS)
    def release(self, seed: int) -> None:
        self.change(
            f"update legal.holds set released_at = {self.at} where "
            f"(released_at is null or released_at > {self.at}) "
            f"and (hold_id * 7919 + {seed}) % 2 = 0"
        )

    @rule(seed=SEEDS, one_in=st.sampled_from([1, 1, 3]))
    def send_notices(self, seed: int, one_in: int) -> None:
        """To the audience as it was built last; the mail goes out now."""
        first = self.next_ids()
        self.change(
            "insert into mailing.messages by name select message_id, 'service_notice' as "
            f"message_class, 'deletion_notice' as kind, email, {self.at} as sent_at from ("
            f"select {first} + row_number() over (order by email) as message_id, email "
            f"from audiences.audience_deletion_notice) where (message_id * 7919 + {seed}) "
            f"% {one_in} = 0"
        )

    @rule(seed=SEEDS)
    def bounce(self, seed: int) -> None:
        """Some notices come back."""
        self.change(
            f"insert into mailing.bounces select message_id, {self.at} from mailing.messages where "
            f"kind = 'deletion_notice' and sent_at <= {self.at} and (message_id * 7919 + {seed}) % 4 = 0"
        )

    # What comes back.

    @rule(
        pick=SEEDS, one_in=st.sampled_from([1, 3]), with_pairs=st.sampled_from([False, False, True])
    )
    def import_old_export(self, pick: int, one_in: int, with_pairs: bool) -> None:
        """Rows of an earlier day that have gone since, as they were."""
        export = self.exports[pick % len(self.exports)]
        moved = {row["legacy_customer_id"] for row in export[MEMBERS]} - {None}
        back: Shop = {}
        for table in (MEMBERS, "legacy_shop.customers", "mailing.delivery_list_recipients"):
            there = {key_of(table, row) for row in self.shop[table]}
            rows = {
                key_of(table, row): row
                for row in export[table]
                if key_of(table, row) not in there
                and all(row[column] is not None for column in KEYS[table])
            }
            back[table] = [
                row
                for number, row in enumerate(rows.values())
                if is_chosen(pick, number, one_in)
                and (
                    with_pairs
                    or (
                        row.get("legacy_customer_id") is None
                        and row.get("customer_id") not in moved
                    )
                )
            ]
        if with_pairs and any(back.values()):
            self.exact = False
        self.house.load(back)
        self.change()

    @precondition(lambda self: self.backed_up != self.as_of)
    @rule()
    def back_up(self) -> None:
        path = self.house.home.parent / f"{self.house.home.name}.backup"
        shutil.copy(self.house.warehouse, path)
        self.backup = (path, copy.deepcopy(self.past), self.shop)
        self.exports.append(self.shop)
        self.backed_up = self.as_of

    @precondition(lambda self: self.backup is not None)
    @rule()
    def restore(self) -> None:
        """The backup over the file; the journal brings what purges did since forward again."""
        assert self.backup is not None
        path, past, shop = self.backup
        # A purge that died before it was mirrored is gone with the file: nobody knows of it.
        kept = set(heads(self.project.settings).values())
        ledger = self.house.rows("from purge.purge_ledger order by all")
        shutil.copy(path, self.house.warehouse)
        reconcile(self.project)
        assert self.house.rows("from purge.purge_ledger order by all") == [
            row for row in ledger if row[-1] in kept
        ]
        # What is kept of rows that are there is the backup's; what is kept of rows that went is all.
        last, self.buried = self.mirrored
        self.past = replace(
            copy.deepcopy(past),
            deleted=last.deleted,
            followed=last.followed,
            suppressed=last.suppressed,
            refusals=last.refusals,
            partings=last.partings,
        )
        self.mirrored = (self.past, self.buried)
        self.shop = shop
        self.built = None

    # Plan, approve, purge, die, erase.

    @rule()
    def plan(self) -> None:
        """Build all anew, as every run does first; what is fresh stays as it is."""
        if self.built == self.as_of:
            return
        assert reconcile(self.project).state in ("equal", "file_ahead")
        self.mirrored = (self.past, self.buried)
        earlier = self.house.rows("select * exclude (is_due) from purge.purge_plan")
        approved = {d for (d,) in self.house.rows("select digest from purge.approvals")}
        built = self.house.dbt(*BUILD, as_of=self.as_of)
        assert built.success, failures(built)
        self.built = self.as_of
        self.is_approved = False
        frozen = {row[1:3]: row[3:6] for row in earlier if row[0] in approved}
        self.check_doors(frozen)

    def check_doors(self, frozen: dict[Any, Any] | None = None) -> None:
        """What was built is what the oracle says; an approved plan stands while a row of it is due still, under the
        class it was approved under."""
        judgement, found = self.judged(), shown(self.house)
        assert self.books().against_their_word(found["newsletter"]) == []
        if not self.exact:
            return
        wanted = expected(judgement)
        if frozen and any(
            key in judgement.plan
            and judgement.plan[key][0] in (action, "delete")
            and wanted["states"].get((*key, name), (None,))[-1] == "expired"
            for key, (action, name, _) in frozen.items()
        ):
            wanted["plan"] = frozen
        for answers in (wanted, found):
            blur(answers, set(self.past.deleted))
        assert differences(wanted, found) == {}, self.as_of

    @precondition(lambda self: self.built is not None and not self.is_approved)
    @rule()
    def approve(self) -> None:
        with duckdb.connect(str(self.house.warehouse)) as connection:
            self.is_approved = True
            plan = read_plan(connection, self.project)
            if plan.rows:
                approve(
                    connection,
                    self.project,
                    read_pads(self.house.key),
                    plan_digest=plan.digest,
                    approver="dpo",
                    reason="looked at it",
                    now=utc_now(),
                )

    def permit(self, signs: bool) -> bool:
        """The guard's verdict; a concern about how much goes may be signed. Nothing else is one."""
        self.run = f"run-{self.next_ids()}"
        with duckdb.connect(str(self.house.warehouse)) as connection:
            connection.execute(f"attach '{self.house.key}' as kigen_key (read_only)")
            pads = read_pads(self.house.key)
            verdict = judge_plan(connection, self.project, self.as_of, pads)
            red = [proof for proof in verdict.proofs if proof.is_blocking and proof.violations]
            assert red == []
            if not verdict.passes and signs:
                assert verdict.concerns, verdict.refusals
                approve(
                    connection,
                    self.project,
                    pads,
                    plan_digest=verdict.plan.digest,
                    approver="dpo",
                    reason="a backlog",
                    now=utc_now(),
                )
                verdict = judge_plan(connection, self.project, self.as_of, pads)
            if verdict.passes:
                write_verdict(connection, verdict, self.run, pads)
            return verdict.passes

    @rule(period=PERIODS, signs=st.sampled_from([True, True, True, False]))
    def apply(self, period: timedelta, signs: bool) -> None:
        """Time passes, and then a whole night: build, guard, purge, mirror, build."""
        self.pass_time(period)
        self.plan()
        is_permitted = self.permit(signs)
        self.exports.append(self.shop)
        planned = self.planned()
        purge = self.house.dbt(*PURGE, as_of=self.as_of, run=self.run)
        assert purge.success, failures(purge)
        taken = self.account(planned)
        assert is_permitted or not taken
        if is_permitted:
            # Nothing came between the plan and the purge: all that was due of it went.
            assert taken == planned & set(self.judgement_before.plan)
        self.mirror()
        self.plan()
        if is_permitted:
            left = set(shown(self.house)["plan"])
            assert left & planned == set()

    @rule(
        event=st.sampled_from(["login", "hold", "withdraw", "release"]),
        seed=SEEDS,
        signs=st.sampled_from([True, True, True, False]),
    )
    def apply_while_things_happen(self, event: str, seed: int, signs: bool) -> None:
        """As `apply`, and something happens between the guard's look and the purge."""
        self.plan()
        planned = self.planned()
        is_permitted = self.permit(signs)
        self.as_of -= timedelta(seconds=1)
        {
            "login": lambda: self.login(seed),
            "hold": lambda: self.hold(seed, "member"),
            "withdraw": lambda: self.withdraw(seed),
            "release": lambda: self.release(seed),
        }[event]()
        purge = self.house.dbt(*PURGE, as_of=self.as_of, run=self.run)
        assert purge.success, failures(purge)
        taken = self.account(planned)
        assert is_permitted or not taken
        self.mirror()

    @rule(
        period=PERIODS,
        at=st.integers(1, 110),
        seconds=st.sampled_from([0, 0, 0.0005, 0.003]),
    )
    def kill(self, period: timedelta, at: int, seconds: float) -> None:
        """A purge that dies somewhere. Nobody tidies up: the next run has to cope."""
        self.pass_time(period)
        self.plan()
        planned = self.planned()
        is_permitted = self.permit(signs=True)
        assert is_permitted
        ended = in_a_child(purge_and_die, self.house, self.as_of, self.run, at, seconds)
        assert ended in (0, -signal.SIGKILL)
        taken = self.account(planned)
        assert not taken or taken == planned & set(self.judgement_before.plan)
        assert ended != 0 or taken == planned & set(self.judgement_before.plan)
        self.built = None

    def mirror(self) -> None:
        with self.read() as connection:
            mirror(connection, self.project)
        self.mirrored = (self.past, self.buried)
        self.built = None

    def planned(self) -> Keys:
        return set(self.house.rows("select table_name, record_key from purge.purge_plan"))

    def account(self, planned: Keys) -> Keys:
        """Enter a purge in the books: what went is what its ledger says, and it was time."""
        before, now = self.shop, self.house.shop()
        self.judgement_before = judgement = self.judged()
        pads = read_pads(self.house.key)
        rows = [
            row
            for row in self.house.rows(
                "select chain_digest, table_name, record_digest, action from purge.purge_ledger"
            )
            if row[0] not in self.chains
        ]
        self.chains |= {row[0] for row in rows}
        digests = {(table, record): action for _, table, record, action in rows}
        taken: dict[tuple[str, str], str] = {}
        for table in KEYS:
            for row in before[table]:
                action = digests.get((table, digest(f"{table}|{key_of(table, row)}", pads)))
                if action is not None:
                    taken[(table, key_of(table, row))] = action
        assert len(taken) == len(digests)

        assert set(taken) <= planned
        early = {key for key in taken if key not in judgement.plan}
        assert early == set(), "nobody is purged early"
        books = self.books()
        rows_of = {(table, key_of(table, row)): row for table in KEYS for row in before[table]}
        assert [key for key in taken if books.held(key[0], rows_of[key])] == [], "held"
        unnoticed = [
            key
            for key in taken
            if key[0] == MEMBERS
            and judgement.plan[key][1] == "member_inactive"
            and key not in self.past.deleted
            and not books.is_noticed(rows_of[key])
        ]
        assert unnoticed == [], "un-noticed"

        purged = copy.copy(judgement)
        purged.plan = {key: (action, *judgement.plan[key][1:]) for key, action in taken.items()}
        survivors = apply(before, purged)
        assert differing(now, survivors) == [], "what went is not what the ledger says"
        if taken:
            self.past = remember(before, purged, self.as_of, self.past)
            self.shop = now
            self.buried = self.buried | (books.refusals - self.books().refusals)
        return set(taken)

    @rule()
    def erase(self) -> None:
        """Write the file anew, as the last step of a night does; no row is another."""
        project = self.project
        with self.read() as connection:
            purge = last_purge(connection, project)
        note_deleted(project.settings)
        inode = self.house.warehouse.stat().st_ino
        with environment(self.house.environment(self.as_of)):
            plant_late(project.settings, "a-run")
            rewritten = rewrite(project.settings, "a-run")
        note_erased(project.settings, purge, rewritten.verification)
        assert self.house.warehouse.stat().st_ino != inode

    # After every step.

    @invariant()
    def chain_is_whole(self) -> None:
        with self.read() as connection:
            found = broken_link(connection, self.project, heads(self.project.settings))
        assert found is None

    @invariant()
    def nothing_goes_but_by_the_ledger(self) -> None:
        assert differing(self.house.shop(), self.shop) == []


def blur(answers: Answers, purged: Keys) -> None:
    """A word that is missing is a no; who came back goes by the ledger, whatever the clock was; a
    member without a key has no regression to name it by."""
    answers["regressions"] = {
        key: is_open for key, is_open in answers["regressions"].items() if key[0] is not None
    }
    answers["words"] = {key: yes for key, yes in answers["words"].items() if yes}
    answers["states"] = {
        key: (what[2], what[7]) if key[:2] in purged else what
        for key, what in answers["states"].items()
    }


def test_promises_hold_whatever_happens_in_whatever_order(
    parsed: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    homes = tmp_path_factory.mktemp("lives")
    machine = type("ALife", (Life,), {"parsed": parsed, "homes": homes, "ready": {}})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=int(os.environ.get("KIGEN_EXAMPLES", "3")),
            stateful_step_count=12,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
