"""The rules of DESIGN section 5 in plain Python: the judge of what the SQL says.

Written from the text alone, on plain dicts, for clarity rather than speed. Each function
names the sentence it comes from. Where the text leaves a choice, the choice taken is the
one that neither mails nor deletes in doubt, and the docstring says so.

No message or assertion may print an e-mail: rows are named by table and key.
"""

from __future__ import annotations

import calendar
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import cache, cached_property
from typing import Any

Row = dict[str, Any]
Shop = dict[str, list[Row]]
Key = tuple[str, str]
"""(table name, record key)"""

MEMBERS = "shop.members"
ORDERS = "shop.orders"
CONSENT_EVENTS = "shop.consent_events"
ERASURE_REQUESTS = "shop.erasure_requests"
LEGACY_CUSTOMERS = "legacy_shop.customers"
DELIVERY_LISTS = "mailing.delivery_lists"
RECIPIENTS = "mailing.delivery_list_recipients"
MESSAGES = "mailing.messages"
BOUNCES = "mailing.bounces"
HOLDS = "legal.holds"

KEYS: dict[str, tuple[str, ...]] = {
    MEMBERS: ("member_id",),
    ORDERS: ("order_id",),
    CONSENT_EVENTS: ("event_id",),
    ERASURE_REQUESTS: ("request_id",),
    LEGACY_CUSTOMERS: ("customer_id",),
    RECIPIENTS: ("list_id", "recipient_no"),
    MESSAGES: ("message_id",),
    HOLDS: ("hold_id",),
}
"""The governed tables and their keys. A delivery list holds nothing personal: it is no record."""

SUBJECTS: dict[str, str | None] = {
    MEMBERS: "member_id",
    ORDERS: "member_id",
    CONSENT_EVENTS: "member_id",
    ERASURE_REQUESTS: "member_id",
    LEGACY_CUSTOMERS: "customer_id",
    RECIPIENTS: "member_id",
    MESSAGES: None,
    HOLDS: "member_id",
}
"""The column that names the subject. A message has only an address, which is no key to show."""

PERSONAL_ORDER_COLUMNS = (
    "email",
    "recipient_name",
    "recipient_phone",
    "postal_code",
    "street_address",
)

EMAIL_MARKETING = "marketing.communications.email"
SMS_MARKETING = "marketing.communications.sms"
POLICY_PURPOSES: dict[str, str] = {
    EMAIL_MARKETING: "marketing",
    SMS_MARKETING: "marketing",
    "essential.service.notifications.email": "service_notice",
    "essential.legal_obligation": "legal_notice",
}
"""Purpose and its message class."""

MARKETING_PURPOSES = tuple(sorted(p for p, c in POLICY_PURPOSES.items() if c == "marketing"))
PERSON_SOURCES = frozenset({"web_form", "my_page", "support"})

LEFT_MEANINGS: dict[str | None, bool] = {"1": True, "0": False}
CONSENT_MEANINGS: dict[str | None, bool] = {"1": True, "2": True, "3": False, None: False}

FURTHEST_FIRST = ("expired", "held", "floored", "in_grace", "notice_due", "unclocked", "active")
"""The record's own state is the furthest of its classes, in this order."""

ALWAYS = datetime.max
"""The time of a refusal without a time: it is the latest there can be."""


# --- Periods and dates --------------------------------------------------------------------


@dataclass(frozen=True)
class Period:
    """A calendar period; the reference shop needs years and days, months are kept for the rule."""

    years: int = 0
    months: int = 0
    days: int = 0


PERIODS: dict[str, Period] = {
    "member_provisional": Period(days=30),
    "member_withdrawn": Period(days=30),
    "member_inactive": Period(years=3),
    "member_unreachable": Period(years=5),
    "guest_inactive": Period(years=3),
    "order_personal_data": Period(years=5),
    "order_ledger": Period(years=7),
    "consent_proof": Period(years=3),
    "delivery_list": Period(days=30),
    "legacy_customer": Period(years=1),
    "message_log": Period(years=3),
    "request_record": Period(years=3),
    "hold_record": Period(years=3),
    "erasure_request": Period(),
}
NOTICE = timedelta(days=7)
OPEN_AFTER_DELIVERY = Period(days=30)
OPEN_AFTER_ORDER = Period(days=90)
BUSINESS_OFFSET = timedelta(hours=9)
"""Asia/Tokyo, which keeps no summer time."""


def add_period(at: datetime, period: Period) -> datetime:
    """Add a period in UTC; years and months never run past a month's end.

    "P1M after 31 January is the last day of February; P1Y after 29 February is 28 February."
    """
    months = at.year * 12 + at.month - 1 + period.years * 12 + period.months
    year, month = divmod(months, 12)
    day = min(at.day, calendar.monthrange(year, month + 1)[1])
    return at.replace(year=year, month=month + 1, day=day) + timedelta(days=period.days)


def after(at: datetime | None, period: Period) -> datetime | None:
    """The deadline of a clock: null when the clock is."""
    return None if at is None else add_period(at, period)


def ledger_clock(ordered_at: datetime | None) -> datetime | None:
    """DESIGN: "1 June, 00:00 business time, after the fiscal year … of ordered_at", in UTC.

    The fiscal year runs from April to March, by the business calendar. The day it returns may
    still be ahead of T: it is no event, only derived from one.
    """
    if ordered_at is None:
        return None
    local = ordered_at + BUSINESS_OFFSET
    year = local.year + 1 if local.month >= 4 else local.year
    return datetime(year, 6, 1) - BUSINESS_OFFSET


def moment(value: Any) -> datetime | None:
    """A time as it stands; a date is its midnight, UTC."""
    if value is None or isinstance(value, datetime):
        return value
    assert isinstance(value, date), "neither a time nor a date"
    return datetime.combine(value, time.min)


def latest(times: Iterable[datetime | None]) -> datetime | None:
    """The latest time that is there; null when none is."""
    return max((at for at in times if at is not None), default=None)


# --- Addresses and keys -------------------------------------------------------------------

_TO_ASCII = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
_TO_LOWER = {code: code + 0x20 for code in range(ord("A"), ord("Z") + 1)}


@cache
def normalise(email: str | None) -> str | None:
    """DESIGN: "Normalised e-mail": full-width to ASCII, blanks off, A-Z to a-z, empty is null."""
    if email is None:
        return None
    text = email.translate(_TO_ASCII).strip(" \t\r\n\u00a0").translate(_TO_LOWER)
    return text or None


def own_email(row: Row) -> str | None:
    """The normalised e-mail in the row itself."""
    return normalise(row["email"])


def record_key(table: str, row: Row) -> str | None:
    """The key as text, parts joined by ``|``; null when a part is null."""
    parts = [row[column] for column in KEYS[table]]
    return None if any(part is None for part in parts) else "|".join(str(part) for part in parts)


def subject_key(table: str, row: Row) -> str | None:
    """The subject's key as text, where the table has one."""
    column = SUBJECTS[table]
    value = row[column] if column is not None else None
    return None if value is None else str(value)


def is_still_personal(order: Row) -> bool:
    """DESIGN: "Still personal": a personal column is not null, or the subject key is not null.

    An empty text is not null.
    """
    return order["member_id"] is not None or any(
        order[c] is not None for c in PERSONAL_ORDER_COLUMNS
    )


# --- What a judgement is ------------------------------------------------------------------


@dataclass(frozen=True)
class State:
    """One record under one deletion class that applies to it."""

    table_name: str
    record_key: str
    subject_key: str | None
    deletion_class: str
    clock_at: datetime | None
    deadline_at: datetime | None
    notice_sent_at: datetime | None
    grace_until: datetime | None
    floor_until: datetime | None
    hold_id: int | None
    state: str


@dataclass
class Judgement:
    """All answers about a shop at T.

    ``words``: (normalised e-mail, purpose) -> granted; a pair that is missing is a no.
    ``regressions``: (member_id, kind) -> is open; a ``clock_jump`` is never open.
    ``records``: (table, key) -> state, class, deadline; duplicates are one ``unclassed`` entry,
    and so are all rows of a table whose key is null, under the key ``""``.
    ``plan``: (table, key) -> action, class, deadline.
    ``newsletter``: normalised e-mail -> member_id. ``notices``: normalised e-mail -> deadline.
    """

    words: dict[tuple[str, str], bool] = field(default_factory=dict)
    regressions: dict[tuple[int, str], bool] = field(default_factory=dict)
    states: list[State] = field(default_factory=list)
    records: dict[Key, tuple[str, str | None, datetime | None]] = field(default_factory=dict)
    plan: dict[Key, tuple[str, str, datetime]] = field(default_factory=dict)
    newsletter: dict[str, int] = field(default_factory=dict)
    notices: dict[str, datetime] = field(default_factory=dict)


# --- What former purges left behind -------------------------------------------------------


@dataclass(frozen=True)
class Purged:
    """A row of the ledger: under which rule, and when."""

    deletion_class: str
    deadline_at: datetime
    purged_at: datetime


@dataclass(frozen=True)
class Parting:
    """How a mailbox stood when a purge took a member row from it.

    ``leavers`` are the members that had left at that time: what they did then is answered by
    ``had_left``, and must not be read anew once the rows beside them are gone.
    """

    had_left: bool
    purged_at: datetime
    leavers: frozenset[int | None]


@dataclass(frozen=True)
class LegacyWord:
    """What legacy rows say; a meaning that is None is unmapped."""

    has_left: bool | None
    consents: bool | None
    created_at: datetime | None
    updated_at: datetime | None


@dataclass
class Past:
    """The ledger, the suppressions and the memory, in plain text.

    Times are kept as they stood in the rows, future ones too, and read against each T anew.
    """

    deleted: dict[Key, Purged] = field(default_factory=dict)
    followed: dict[str, dict[int, Purged]] = field(default_factory=dict)
    suppressed: set[tuple[str, datetime]] = field(default_factory=set)
    refusals: set[tuple[str, str, datetime]] = field(default_factory=set)
    partings: dict[str, Parting] = field(default_factory=dict)
    member_orders: set[tuple[int, datetime]] = field(default_factory=set)
    member_grants: set[tuple[int, datetime]] = field(default_factory=set)
    mailbox_grants: set[tuple[str, datetime]] = field(default_factory=set)
    guest_activity: set[tuple[str, datetime]] = field(default_factory=set)
    legacy_words: dict[int, set[LegacyWord]] = field(default_factory=dict)
    legacy_links: dict[int, set[int]] = field(default_factory=dict)


# --- The shop at T ------------------------------------------------------------------------


def _by(rows: Iterable[Row], column: str) -> dict[Any, list[Row]]:
    found: dict[Any, list[Row]] = {}
    for row in rows:
        if row[column] is not None:
            found.setdefault(row[column], []).append(row)
    return found


def _by_email(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        email = own_email(row)
        if email is not None:
            found.setdefault(email, []).append(row)
    return found


class World:
    """A shop and its past, seen at T, with the look-ups the rules need."""

    def __init__(self, shop: Shop, as_of: datetime, past: Past | None = None) -> None:
        self.shop = shop
        self.as_of = as_of
        self.past = past or Past()

    def known(self, value: Any) -> datetime | None:
        """DESIGN: "An event later than T does not exist yet": such a time counts as null."""
        at = moment(value)
        return at if at is not None and at <= self.as_of else None

    def latest_known(self, pairs: Iterable[tuple[Any, datetime]]) -> dict[Any, datetime]:
        """The latest time of each, up to T."""
        found: dict[Any, datetime] = {}
        for key, at in pairs:
            if at <= self.as_of and (key not in found or found[key] < at):
                found[key] = at
        return found

    @cached_property
    def members_by_id(self) -> dict[int, list[Row]]:
        return _by(self.shop[MEMBERS], "member_id")

    @cached_property
    def members_by_email(self) -> dict[str, list[Row]]:
        return _by_email(self.shop[MEMBERS])

    @cached_property
    def legacy_by_id(self) -> dict[int, list[Row]]:
        return _by(self.shop[LEGACY_CUSTOMERS], "customer_id")

    @cached_property
    def legacy_links(self) -> dict[int, set[int]]:
        """The legacy customers of each member, of members that were purged too."""
        links = {member_id: set(ids) for member_id, ids in self.past.legacy_links.items()}
        for member_id, rows in self.members_by_id.items():
            links.setdefault(member_id, set()).update(
                row["legacy_customer_id"] for row in rows if row["legacy_customer_id"] is not None
            )
        return links

    @cached_property
    def members_by_legacy_id(self) -> dict[int, set[int]]:
        """The members that were moved from each legacy customer, of them those purged too."""
        found: dict[int, set[int]] = {}
        for member_id, customer_ids in self.legacy_links.items():
            for customer_id in customer_ids:
                found.setdefault(customer_id, set()).add(member_id)
        return found

    def member_emails(self, member_id: int | None) -> set[str]:
        """The current normalised e-mail of a member; several only where its key is a duplicate."""
        rows = self.members_by_id.get(member_id, []) if member_id is not None else []
        return {email for email in map(own_email, rows) if email is not None}

    def contact_points(self, row: Row) -> set[str]:
        """DESIGN: "A row with a member_id and an e-mail is about both: its own normalised e-mail
        and the current normalised e-mail of that member."
        """
        email = own_email(row)
        return self.member_emails(row["member_id"]) | ({email} if email is not None else set())

    @cached_property
    def member_orders(self) -> set[tuple[int, datetime]]:
        """Who ordered when, as it stands."""
        return {
            (order["member_id"], order["ordered_at"])
            for order in self.shop[ORDERS]
            if order["member_id"] is not None and order["ordered_at"] is not None
        }

    @cached_property
    def last_orders(self) -> dict[int, datetime]:
        """A member's latest ordered_at, also of orders that went or lost their member."""
        return self.latest_known(self.member_orders | self.past.member_orders)

    @cached_property
    def guest_orders(self) -> set[tuple[str, datetime]]:
        """Which mailbox ordered as a guest when, as it stands."""
        return {
            (email, order["ordered_at"])
            for order in self.shop[ORDERS]
            if order["member_id"] is None and order["ordered_at"] is not None
            for email in [own_email(order)]
            if email is not None
        }

    @cached_property
    def last_guest_activity(self) -> dict[str, datetime]:
        """A mailbox's latest guest order, and what purges remembered beside it."""
        return self.latest_known(self.guest_orders | self.past.guest_activity)

    @cached_property
    def list_times(self) -> dict[int, datetime]:
        """A list's created_at as it stands; of lists with one id the latest."""
        found: dict[int, datetime] = {}
        for row in self.shop[DELIVERY_LISTS]:
            at = row["created_at"]
            if row["list_id"] is not None and at is not None:
                found[row["list_id"]] = max(at, found.get(row["list_id"], at))
        return found

    @cached_property
    def list_clocks(self) -> dict[int, datetime]:
        """A list's created_at up to T; of lists with one id the latest."""
        return self.latest_known(
            (row["list_id"], row["created_at"])
            for row in self.shop[DELIVERY_LISTS]
            if row["list_id"] is not None and row["created_at"] is not None
        )

    @cached_property
    def notices(self) -> dict[str, list[datetime]]:
        """DESIGN: "A notice is a mailing.messages row of kind deletion_notice", by address.

        A bounced notice is no notice.
        """
        found: dict[str, list[datetime]] = {}
        for email, sent_at, has_bounced in self.sent_notices:
            if not has_bounced:
                found.setdefault(email, []).append(sent_at)
        return found

    @cached_property
    def sent_notices(self) -> list[tuple[str, datetime, bool]]:
        """Every deletion notice up to T: to whom, when, and whether it came back by T."""
        bounces: dict[int, list[datetime | None]] = {}
        for bounce in self.shop.get(BOUNCES, []):
            if bounce["message_id"] is not None:
                bounces.setdefault(bounce["message_id"], []).append(moment(bounce["bounced_at"]))
        found = []
        for row in self.shop[MESSAGES]:
            email, sent_at = own_email(row), self.known(row["sent_at"])
            if row["kind"] == "deletion_notice" and email is not None and sent_at is not None:
                times = bounces.get(row["message_id"], [])
                # Without a time it came back whenever that was.
                found.append((email, sent_at, any(at is None or at <= self.as_of for at in times)))
        return found

    @cached_property
    def unreachable(self) -> dict[str, datetime]:
        """Mailboxes whose last notice came back, and when that was sent."""
        last: dict[str, datetime] = {}
        bounced: dict[str, datetime] = {}
        for email, sent_at, has_bounced in self.sent_notices:
            last[email] = max(sent_at, last.get(email, sent_at))
            if has_bounced:
                bounced[email] = max(sent_at, bounced.get(email, sent_at))
        return {email: at for email, at in bounced.items() if at == last[email]}

    def is_unreachable(self, email: str, acted_at: datetime | None) -> bool:
        """The last notice to a mailbox came back, and the person has not acted since it was sent."""
        sent_at = self.unreachable.get(email)
        return sent_at is not None and acted_at is not None and acted_at < sent_at

    @cached_property
    def proof_clocks(self) -> dict[str, datetime]:
        """consent_proof: "latest of the contact point's consent events and marketing messages".

        The contact point is the event's own normalised e-mail, not that of its member.
        """
        events = ((own_email(row), row["occurred_at"]) for row in self.shop[CONSENT_EVENTS])
        messages = (
            (own_email(row), row["sent_at"])
            for row in self.shop[MESSAGES]
            if row["message_class"] == "marketing"
        )
        return self.latest_known(
            (email, at)
            for pairs in (events, messages)
            for email, at in pairs
            if email is not None and at is not None
        )

    # What was said, as sets: what a purge takes away is the difference before and after it.

    @cached_property
    def said_refusals(self) -> set[tuple[str, str, datetime | None]]:
        """Every refusal in a row that is there: contact point, purpose, time (null: none)."""
        return {
            (email, purpose, at)
            for source in (_event_refusals, _withdrawals, _stops)
            for email, purpose, at in source(self)
        }

    @cached_property
    def last_refusals(self) -> dict[tuple[str, str], datetime]:
        """The latest refusal of each contact point and purpose, remembered ones too.

        "Without a time … a refusal is the latest."
        """
        return self.latest_known(
            ((email, purpose), at)
            for email, purpose, at in self.said_refusals | self.past.refusals
            if at is not None
        ) | {(email, purpose): ALWAYS for email, purpose, at in self.said_refusals if at is None}

    @cached_property
    def grants(self) -> list[tuple[Row, datetime, bool]]:
        """Every grant that exists: the event, its time, whether the person made it.

        "A grant written by a machine … does not exist unless it carries evidence"; "without a
        time, a grant does not exist". A grant of no known purpose is nothing.
        """
        return [
            (row, at, row["source"] in PERSON_SOURCES)
            for row in self.shop[CONSENT_EVENTS]
            for at in [self.known(row["occurred_at"])]
            if row["status"] == "granted"
            and row["purpose"] in POLICY_PURPOSES
            and at is not None
            and (row["source"] in PERSON_SOURCES or (row["evidence"] or "").strip())
        ]

    @cached_property
    def grants_by_member(self) -> dict[tuple[int, str], list[tuple[datetime, bool]]]:
        """The grants of a member for a purpose: time, whether the person made it."""
        found: dict[tuple[int, str], list[tuple[datetime, bool]]] = {}
        for row, at, is_persons in self.grants:
            if row["member_id"] is not None:
                found.setdefault((row["member_id"], row["purpose"]), []).append((at, is_persons))
        return found

    @cached_property
    def _personal_grants(self) -> list[Row]:
        """DESIGN: "A grant by the person" is for e-mail marketing, with a person's source."""
        return [
            row
            for row in self.shop[CONSENT_EVENTS]
            if row["status"] == "granted"
            and row["purpose"] == EMAIL_MARKETING
            and row["source"] in PERSON_SOURCES
            and row["occurred_at"] is not None
        ]

    @cached_property
    def member_grants(self) -> set[tuple[int, datetime]]:
        """Who made a grant by the person when, as it stands."""
        return {
            (row["member_id"], row["occurred_at"])
            for row in self._personal_grants
            if row["member_id"] is not None
        }

    @cached_property
    def last_member_grants(self) -> dict[int, datetime]:
        """A member's latest grant by the person that is still there."""
        return self.latest_known(self.member_grants)

    @cached_property
    def last_member_grants_ever(self) -> dict[int, datetime]:
        """The same, with those whose proof has gone: what they closed stays closed."""
        return self.latest_known(self.member_grants | self.past.member_grants)

    @cached_property
    def mailbox_grants(self) -> set[tuple[str, datetime]]:
        """About which mailbox a grant by the person was made when, as it stands."""
        return {
            (email, row["occurred_at"])
            for row in self._personal_grants
            for email in self.contact_points(row)
        }

    @cached_property
    def last_mailbox_grants_ever(self) -> dict[str, datetime]:
        return self.latest_known(self.mailbox_grants | self.past.mailbox_grants)

    @cached_property
    def said_suppressions(self) -> set[tuple[str, datetime]]:
        """DESIGN: "Suppression rows come from … verified erasures": since the verification.

        A request that is closed since still counts, as its refusal does. Stop requests are
        refusals from the day they are made, which bars the same.
        """
        return {
            (email, row["identity_verified_at"])
            for row in self.shop[ERASURE_REQUESTS]
            if row["kind"] == "erase" and row["identity_verified_at"] is not None
            for email in self.contact_points(row)
        }

    @cached_property
    def suppressed_since(self) -> dict[str, datetime]:
        return self.latest_known(self.said_suppressions | self.past.suppressed)

    @cached_property
    def erase_requests(self) -> list[Row]:
        """The erase requests that are not closed, verified or not."""
        return [
            row
            for row in self.shop[ERASURE_REQUESTS]
            if row["kind"] == "erase" and self.known(row["closed_at"]) is None
        ]

    @cached_property
    def erase_requests_by_member(self) -> dict[int, list[Row]]:
        return _by(self.erase_requests, "member_id")

    @cached_property
    def erase_requests_by_email(self) -> dict[str, list[Row]]:
        return _by_email(self.erase_requests)

    @cached_property
    def erase_requests_by_legacy_id(self) -> dict[int, list[Row]]:
        found: dict[int, list[Row]] = {}
        for member_id, rows in self.erase_requests_by_member.items():
            for customer_id in self.legacy_links.get(member_id, ()):
                found.setdefault(customer_id, []).extend(rows)
        return found

    @cached_property
    def holds(self) -> HoldIndex:
        return HoldIndex(self)


# --- The word of a contact point ----------------------------------------------------------


def _event_refusals(world: World) -> Iterator[tuple[str, str, datetime | None]]:
    """DESIGN: "A status that is null, unknown or not mapped counts as a refusal at its time; a
    refusal with a null or unknown purpose refuses every marketing purpose."
    """
    for row in world.shop[CONSENT_EVENTS]:
        if row["status"] == "granted":
            continue
        known = row["purpose"] in POLICY_PURPOSES
        for email in world.contact_points(row):
            for purpose in (row["purpose"],) if known else MARKETING_PURPOSES:
                yield email, purpose, row["occurred_at"]


def _withdrawals(world: World) -> Iterator[tuple[str, str, datetime | None]]:
    """DESIGN: "A member's withdrawn_at (a refusal of every marketing purpose)"; without a time the
    latest, "a member with status withdrawn and no withdrawn_at, too".
    """
    for row in world.shop[MEMBERS]:
        email = own_email(row)
        if email is None:
            continue
        times: set[datetime | None] = {row["withdrawn_at"]} - {None}
        if row["status"] == "withdrawn" and world.known(row["withdrawn_at"]) is None:
            times.add(None)
        for at in times:
            for purpose in MARKETING_PURPOSES:
                yield email, purpose, at


def _stops(world: World) -> Iterator[tuple[str, str, datetime | None]]:
    """DESIGN: "An erasure request of kind erase or stop_use at requested_at, closed or not (a
    refusal of every marketing purpose; no identity check is needed to stop)." One of a kind nobody
    knows stops too: a bad row never leads to a mail (section 7).
    """
    for row in world.shop[ERASURE_REQUESTS]:
        if row["kind"] == "disclose":
            continue
        for email in world.contact_points(row):
            for purpose in MARKETING_PURPOSES:
                yield email, purpose, row["requested_at"]


def contact_words(world: World) -> dict[tuple[str, str], bool]:
    """DESIGN: "The latest event is the word; on a tie the refusal." A machine's grant "never
    outranks a refusal, however old; a refusal always counts". "No event: no word, and no word is
    no."
    """
    by_machine: set[tuple[str, str]] = set()
    by_person: dict[tuple[str, str], datetime] = {}
    for row, at, is_persons in world.grants:
        for email in world.contact_points(row):
            pair = (email, row["purpose"])
            if is_persons:
                by_person[pair] = max(at, by_person.get(pair, at))
            else:
                by_machine.add(pair)
    words = {}
    for pair in by_machine | set(by_person) | set(world.last_refusals):
        refused_at = world.last_refusals.get(pair)
        words[pair] = refused_at is None or (pair in by_person and by_person[pair] > refused_at)
    return words


def latest_own_grant(world: World, member: Row, purpose: str) -> datetime | None:
    """The latest grant "this member has made … since the contact point's last refusal".

    Where there is a refusal only grants by the person count: a machine's never outranks it.
    Such a grant is about the member's current e-mail, so that with one the word is a grant.
    """
    email = own_email(member)
    if email is None or member["member_id"] is None:
        return None
    refused_at = world.last_refusals.get((email, purpose))
    grants = world.grants_by_member.get((member["member_id"], purpose), [])
    return latest(
        at for at, is_persons in grants if refused_at is None or (is_persons and at > refused_at)
    )


def consenting_since(world: World, member: Row) -> datetime | None:
    """DESIGN: "Consent of a member for a purpose", e-mail marketing: the grant it rests on.

    "A flag without a grant is no proof: not consenting."
    """
    if (
        member["status"] != "active"
        or is_withdrawn(world, member)
        or member["newsletter_flag"] != 1
    ):
        return None
    return latest_own_grant(world, member, EMAIL_MARKETING)


def is_suppressed(world: World, member: Row) -> bool:
    """DESIGN: "a suppression yields to a grant by the person later than its since"."""
    email = own_email(member)
    since = world.suppressed_since.get(email) if email is not None else None
    granted_at = world.last_member_grants.get(member["member_id"])
    return since is not None and (granted_at is None or granted_at <= since)


# --- Migration regressions ----------------------------------------------------------------


def legacy_word(world: World, customer_id: int) -> LegacyWord:
    """What the legacy rows of a customer say together, with what a purged one said.

    Rows that disagree are unmapped; no row is unmapped; of the dates of change the latest counts.
    Rows that disagree on when they were made do not say it: an earlier date may delete somebody.
    """
    words = [_row_word(row) for row in world.legacy_by_id.get(customer_id, [])]
    words += world.past.legacy_words.get(customer_id, ())
    left = {word.has_left for word in words}
    consents = {word.consents for word in words}
    return LegacyWord(
        has_left=left.pop() if len(left) == 1 else None,
        consents=consents.pop() if len(consents) == 1 else None,
        created_at=world.known(words[0].created_at)
        if len({word.created_at for word in words}) == 1
        else None,
        updated_at=latest(world.known(word.updated_at) for word in words),
    )


def _row_word(row: Row) -> LegacyWord:
    """DESIGN: "legacy left: del_flg 1 yes, 0 no; legacy consent: mailmaga_flg 1 or 2 yes, 3 or
    null no; anything else … is unmapped". The dates are as they stand.
    """
    return LegacyWord(
        has_left=LEFT_MEANINGS.get(row["del_flg"]),
        consents=CONSENT_MEANINGS.get(row["mailmaga_flg"]),
        created_at=moment(row["create_date"]),
        updated_at=moment(row["update_date"]),
    )


def regressions(world: World, member: Row) -> dict[str, bool]:
    """DESIGN: "Migration regression": the kinds a member row shows, and whether each is open."""
    if member["legacy_customer_id"] is None:
        return {}
    word = legacy_word(world, member["legacy_customer_id"])
    found = {}
    if word.has_left is True and not is_withdrawn(world, member):
        found["left_to_active"] = not _has_acted_after_move(world, member, word.updated_at)
    is_unanswered = not _has_granted_after_move(world, member, word.updated_at)
    if word.consents is False and member["newsletter_flag"] == 1:
        found["no_to_yes"] = is_unanswered
    if word.has_left is None or word.consents is None:
        found["unmapped"] = is_unanswered
    if registered_at(world, member) != world.known(member["registered_at"]):
        # "It bars nobody": nothing closes it, so it is never open.
        found["clock_jump"] = False
    return found


def _has_granted_after_move(world: World, member: Row, updated_at: datetime | None) -> bool:
    """DESIGN: "later than the legacy update_date (any, where there is no legacy row or date …)"."""
    granted_at = world.last_member_grants_ever.get(member["member_id"])
    return granted_at is not None and (updated_at is None or granted_at > updated_at)


def _has_acted_after_move(world: World, member: Row, updated_at: datetime | None) -> bool:
    """DESIGN: "Open until the person acts after the legacy update_date: a grant by the person, a
    login, an order"; without a date "logins and orders then close nothing".
    """
    acts = [world.known(member["last_login_at"]), world.last_orders.get(member["member_id"])]
    return _has_granted_after_move(world, member, updated_at) or any(
        at is not None and updated_at is not None and at > updated_at for at in acts
    )


# --- Members: what they are ---------------------------------------------------------------


def is_withdrawn(world: World, member: Row) -> bool:
    """Status withdrawn, or a withdrawn_at that is not ahead of T."""
    return member["status"] == "withdrawn" or world.known(member["withdrawn_at"]) is not None


def is_left_to_active(world: World, member: Row) -> bool:
    """DESIGN: "While open the member is governed as withdrawn": whether it is open."""
    return regressions(world, member).get("left_to_active", False)


def _jumped_from(world: World, member: Row) -> datetime | None:
    """DESIGN: "clock_jump: registered_at (not after T) later than the legacy create_date"."""
    at = world.known(member["registered_at"])
    if at is None or member["legacy_customer_id"] is None:
        return None
    created_at = legacy_word(world, member["legacy_customer_id"]).created_at
    return created_at if created_at is not None and created_at < at else None


def registered_at(world: World, member: Row) -> datetime | None:
    """DESIGN: "The earlier date counts as registered_at", wherever it is used."""
    return _jumped_from(world, member) or world.known(member["registered_at"])


def activity(world: World, member: Row) -> datetime | None:
    """member_inactive: "latest of registered_at, last_login_at, the member's latest ordered_at"."""
    return latest(
        [
            registered_at(world, member),
            world.known(member["last_login_at"]),
            world.last_orders.get(member["member_id"]),
        ]
    )


def is_active(world: World, member: Row) -> bool:
    """DESIGN: "Active member row (status active, none of these)": not withdrawn, no open
    left_to_active, not covered by a verified erasure that is not closed.
    """
    return member["status"] == "active" and not is_leaving(world, member)


def is_leaving(world: World, member: Row) -> bool:
    """A member row that makes its mailbox one that has left, unless an active one has it too."""
    return (
        is_withdrawn(world, member)
        or is_left_to_active(world, member)
        or erased_at(world, MEMBERS, member) is not None
    )


def has_left(world: World, email: str) -> bool:
    """DESIGN: "A mailbox that has left": a member row left and no active member row has it; "or it
    had left when a purge took its last member row …, with no active member row and no later grant
    by the person since".

    A purge must change no answer, so the mailbox is remembered as it stood whenever one took a
    member row, the last or not: rows that are neither active nor leaving, or that had left
    beside an active row which is gone, would otherwise turn the answer.
    """
    rows = world.members_by_email.get(email, [])
    if any(is_active(world, row) for row in rows):
        return False
    leavers = {row["member_id"] for row in rows if is_leaving(world, row)}
    parting = world.past.partings.get(email)
    if parting is None:
        return bool(leavers)
    if not parting.had_left:
        return bool(leavers - parting.leavers)
    granted_at = world.last_mailbox_grants_ever.get(email)
    return bool(leavers) or granted_at is None or granted_at <= parting.purged_at


# --- Erasures and holds: whom they reach --------------------------------------------------


def _naming_requests(world: World, table: str, row: Row) -> list[Row]:
    """The open erase requests that name this row's person.

    "An erasure covers what it names …: rows with its member_id (and that member's legacy row),
    and, if it names an e-mail, rows without a member_id (legacy rows too) that carry it".
    """
    found: list[Row] = []
    if table == LEGACY_CUSTOMERS:
        found += world.erase_requests_by_legacy_id.get(row["customer_id"], [])
    elif row["member_id"] is not None:
        return world.erase_requests_by_member.get(row["member_id"], [])
    email = own_email(row)
    return found + (world.erase_requests_by_email.get(email, []) if email is not None else [])


def _own_date(world: World, table: str, row: Row) -> datetime | None:
    """The date an erasure looks at, as it stands, a future one too: "registered_at, ordered_at,
    occurred_at, created_at, create_date".
    """
    if table == MEMBERS:
        return _jumped_from(world, row) or moment(row["registered_at"])
    if table == RECIPIENTS:
        return world.list_times.get(row["list_id"])
    column = {ORDERS: "ordered_at", CONSENT_EVENTS: "occurred_at", LEGACY_CUSTOMERS: "create_date"}[
        table
    ]
    return moment(row[column])


def erased_at(world: World, table: str, row: Row) -> datetime | None:
    """When the row was erased: "identity_verified_at (the earliest)" of those that cover it.

    "It covers what is dated up to its verification (… null counts as covered)."
    """
    dated = _own_date(world, table, row)
    verified = [
        at
        for request in _naming_requests(world, table, row)
        for at in [world.known(request["identity_verified_at"])]
        if at is not None and (dated is None or dated <= at)
    ]
    return min(verified, default=None)


class HoldIndex:
    """The open holds, by whom they reach: one hop through the mailbox.

    "By member, records with that member_id or that member's normalised e-mail; by e-mail, records
    with that normalised e-mail or of members who have it; legacy rows also through
    legacy_customer_id."
    """

    def __init__(self, world: World) -> None:
        self.everybody: list[Row] = []
        self.by_member: dict[int, list[Row]] = {}
        self.by_email: dict[str, list[Row]] = {}
        self.by_legacy_id: dict[int, list[Row]] = {}
        for hold in world.shop[HOLDS]:
            if is_open_hold(world, hold):
                self._add(world, hold)

    def _add(self, world: World, hold: Row) -> None:
        if not _has_subject(hold):
            self.everybody.append(hold)
            return
        emails = world.contact_points(hold)
        members = {
            row["member_id"] for email in emails for row in world.members_by_email.get(email, [])
        }
        members = (members | {hold["member_id"]}) - {None}
        for email in emails:
            self.by_email.setdefault(email, []).append(hold)
        for member_id in members:
            self.by_member.setdefault(member_id, []).append(hold)
        for customer_id in {c for m in members for c in world.legacy_links.get(m, ())}:
            self.by_legacy_id.setdefault(customer_id, []).append(hold)

    def on(self, table: str, row: Row) -> Row | None:
        """The hold with the lowest id that covers the row; null when none does.

        "An open hold on a subject, whatever its table, also keeps that subject's member row."
        """
        reaching = list(self.everybody)
        email = own_email(row)
        if email is not None:
            reaching += self.by_email.get(email, [])
        if table == LEGACY_CUSTOMERS:
            reaching += self.by_legacy_id.get(row["customer_id"], [])
        elif table != MESSAGES:
            reaching += self.by_member.get(row["member_id"], [])
        covering = [
            hold
            for hold in reaching
            if _held_table(hold) in (None, table) or (table == MEMBERS and _has_subject(hold))
        ]
        return min(covering, key=lambda h: (h["hold_id"] is None, h["hold_id"] or 0), default=None)


def is_open_hold(world: World, hold: Row) -> bool:
    """DESIGN: "A hold without placed_at is open"; one placed later than T does not exist yet."""
    is_placed = hold["placed_at"] is None or world.known(hold["placed_at"]) is not None
    return is_placed and world.known(hold["released_at"]) is None


def _has_subject(hold: Row) -> bool:
    return hold["member_id"] is not None or own_email(hold) is not None


def _held_table(hold: Row) -> str | None:
    """DESIGN: "An unknown table_name counts as all" (null)."""
    return hold["table_name"] if hold["table_name"] in KEYS else None


# --- Classes: clocks, deadlines, notices --------------------------------------------------


@dataclass(frozen=True)
class Claim:
    """A class that applies to a record, before holds and floors."""

    deletion_class: str
    clock_at: datetime | None
    deadline_at: datetime | None
    stage: str
    notice_sent_at: datetime | None = None
    grace_until: datetime | None = None


def plain_claim(world: World, deletion_class: str, clock_at: datetime | None) -> Claim:
    """A class without a notice: "unclocked (the clock is null …)", "expired (deadline <= T …)"."""
    deadline_at = after(clock_at, PERIODS[deletion_class])
    if deadline_at is None:
        return Claim(deletion_class, None, None, "unclocked")
    stage = "expired" if deadline_at <= world.as_of else "active"
    return Claim(deletion_class, clock_at, deadline_at, stage)


def noticed_claim(
    world: World, deletion_class: str, clock_at: datetime | None, email: str
) -> Claim:
    """A class with a notice: "in this cycle when S > clock and S >= deadline - notice".

    "Without a notice sent, a record of a notice class never expires by that class, however late
    it is found."
    """
    deadline_at = after(clock_at, PERIODS[deletion_class])
    if clock_at is None or deadline_at is None:
        return Claim(deletion_class, None, None, "unclocked")
    due_at = deadline_at - NOTICE
    sent_at = min(
        (s for s in world.notices.get(email, []) if s > clock_at and s >= due_at), default=None
    )
    if sent_at is None:
        stage = "notice_due" if world.as_of >= due_at else "active"
        return Claim(deletion_class, clock_at, deadline_at, stage)
    grace_until = max(deadline_at, sent_at + NOTICE)
    stage = "expired" if grace_until <= world.as_of else "in_grace"
    return Claim(deletion_class, clock_at, deadline_at, stage, sent_at, grace_until)


def member_claims(world: World, row: Row) -> Iterator[Claim]:
    """The member classes: one of withdrawn, provisional, inactive or unreachable, or none."""
    if is_withdrawn(world, row):
        clock_at = world.known(row["withdrawn_at"])
        if clock_at is None:
            clock_at = world.known(row["updated_at"])
        yield plain_claim(world, "member_withdrawn", clock_at)
    elif is_left_to_active(world, row):
        word = legacy_word(world, row["legacy_customer_id"])
        yield plain_claim(world, "member_withdrawn", word.updated_at)
    elif row["status"] == "provisional":
        yield plain_claim(world, "member_provisional", registered_at(world, row))
    elif row["status"] == "active":
        email = own_email(row)
        if email is None or world.is_unreachable(email, activity(world, row)):
            yield plain_claim(world, "member_unreachable", activity(world, row))
        else:
            yield noticed_claim(world, "member_inactive", activity(world, row), email)


def guest_clock(world: World, email: str) -> datetime | None:
    """guest_inactive: "latest of: ordered_at of any guest order with that e-mail; the activity (as
    in member_inactive) of any active member with it".
    """
    members = world.members_by_email.get(email, [])
    return latest(
        [world.last_guest_activity.get(email)]
        + [activity(world, row) for row in members if is_active(world, row)]
    )


def is_lost_guest(world: World, email: str) -> bool:
    """The mailbox of a guest counts as unreachable: "a guest order without an e-mail goes by
    order_personal_data".
    """
    return world.is_unreachable(email, guest_clock(world, email))


def order_claims(world: World, row: Row) -> Iterator[Claim]:
    """The order classes; order_open is only a floor and shows nowhere else."""
    email = own_email(row)
    if row["member_id"] is None and email is not None and not is_lost_guest(world, email):
        # P7D, "none for a mailbox that has left".
        if has_left(world, email):
            yield plain_claim(world, "guest_inactive", guest_clock(world, email))
        else:
            yield noticed_claim(world, "guest_inactive", guest_clock(world, email), email)
    ordered_at = world.known(row["ordered_at"])
    if is_still_personal(row):
        delivered_at = world.known(row["delivered_at"])
        yield plain_claim(
            world, "order_personal_data", delivered_at if delivered_at is not None else ordered_at
        )
    yield plain_claim(world, "order_ledger", ledger_clock(ordered_at))


def consent_proof(world: World, row: Row) -> Claim:
    """consent_proof: by the event's own normalised e-mail; "without one, the event's own time"."""
    email = own_email(row)
    clock_at = world.known(row["occurred_at"]) if email is None else world.proof_clocks.get(email)
    return plain_claim(world, "consent_proof", clock_at)


def own_claims(world: World, table: str, row: Row) -> list[Claim]:
    """The classes that apply to a record by the table of classes in section 5."""
    claims: list[Claim] = []
    if table == MEMBERS:
        claims += member_claims(world, row)
    elif table == ORDERS:
        claims += order_claims(world, row)
    elif table == CONSENT_EVENTS:
        claims.append(consent_proof(world, row))
    elif table == RECIPIENTS:
        claims.append(plain_claim(world, "delivery_list", world.list_clocks.get(row["list_id"])))
    elif table == LEGACY_CUSTOMERS:
        claims.append(plain_claim(world, "legacy_customer", world.known(row["update_date"])))
    elif table == MESSAGES:
        claims.append(plain_claim(world, "message_log", world.known(row["sent_at"])))
    elif table == ERASURE_REQUESTS and world.known(row["closed_at"]) is not None:
        claims.append(plain_claim(world, "request_record", world.known(row["closed_at"])))
    elif table == HOLDS and world.known(row["released_at"]) is not None:
        claims.append(plain_claim(world, "hold_record", world.known(row["released_at"])))
    if table in (MEMBERS, ORDERS, RECIPIENTS, LEGACY_CUSTOMERS, CONSENT_EVENTS):
        verified_at = erased_at(world, table, row)
        if verified_at is not None:
            claims.append(plain_claim(world, "erasure_request", verified_at))
    return claims


# --- Who was purged stays purged ----------------------------------------------------------


def has_member_acted(world: World, member_id: int, since: datetime) -> bool:
    """DESIGN: "Whose person has … acted (login, order, grant by the person, new registration) after
    purged_at". The person of a member is that account, as in "a grant by the person".
    """
    rows = world.members_by_id.get(member_id, [])
    acts = [world.last_orders.get(member_id), world.last_member_grants_ever.get(member_id)]
    acts += [world.known(row["last_login_at"]) for row in rows]
    acts += [registered_at(world, row) for row in rows]
    return any(at is not None and at > since for at in acts)


def has_mailbox_acted(world: World, email: str, since: datetime) -> bool:
    """The same of a mailbox, for rows that name no member: any account or guest order with it."""
    acts = [world.last_guest_activity.get(email), world.last_mailbox_grants_ever.get(email)]
    members = {row["member_id"] for row in world.members_by_email.get(email, [])} - {None}
    return any(at is not None and at > since for at in acts) or any(
        has_member_acted(world, member_id, since) for member_id in members
    )


def _has_person_acted(world: World, table: str, row: Row, since: datetime) -> bool:
    """Whoever the row is about: its member, the members moved from it, else its mailbox."""
    if table == LEGACY_CUSTOMERS:
        linked = world.members_by_legacy_id.get(row["customer_id"], set())
    else:
        linked = {row["member_id"]} - {None}
    if linked:
        return any(has_member_acted(world, member_id, since) for member_id in linked)
    email = own_email(row)
    return email is not None and has_mailbox_acted(world, email, since)


def ledger_claim(world: World, table: str, row: Row) -> Claim | None:
    """DESIGN: "A member, legacy or recipient row whose digest stands in the ledger as deleted, and
    whose person has not acted …, is expired under the ledger's class, without a notice."
    """
    if table not in (MEMBERS, LEGACY_CUSTOMERS, RECIPIENTS):
        return None
    key = record_key(table, row)
    purged = world.past.deleted.get((table, key)) if key is not None else None
    if purged is None or _has_person_acted(world, table, row, purged.purged_at):
        return None
    return Claim(purged.deletion_class, None, purged.deadline_at, "expired")


def claims_of(world: World, table: str, row: Row) -> list[Claim]:
    """All classes of a record: "one row per record and applicable class"."""
    claims = own_claims(world, table, row)
    again = ledger_claim(world, table, row)
    if again is None:
        return claims
    # The ledger's class and deadline stand for the record's own in that class.
    return [claim for claim in claims if claim.deletion_class != again.deletion_class] + [again]


# --- Floors, holds, states ----------------------------------------------------------------


@dataclass(frozen=True)
class Floor:
    """A minimum for an action: not before ``until``; null when that cannot be told."""

    until: datetime | None

    def keeps(self, as_of: datetime) -> bool:
        return self.until is None or self.until > as_of


def action_of(table: str, deletion_class: str) -> str:
    """The action in the table of classes; an order that follows its member is anonymised."""
    return "anonymise" if table == ORDERS and deletion_class != "order_ledger" else "delete"


def floor_of(world: World, table: str, row: Row, action: str) -> Floor | None:
    """order_open for anonymise; order_ledger and consent_proof "also the floor for delete"."""
    if table == ORDERS and action == "anonymise":
        delivered_at = world.known(row["delivered_at"])
        if delivered_at is not None:
            return Floor(add_period(delivered_at, OPEN_AFTER_DELIVERY))
        return Floor(after(world.known(row["ordered_at"]), OPEN_AFTER_ORDER))
    if table == ORDERS:
        return Floor(after(ledger_clock(world.known(row["ordered_at"])), PERIODS["order_ledger"]))
    if table == CONSENT_EVENTS:
        return Floor(consent_proof(world, row).deadline_at)
    return None


def settle(world: World, table: str, row: Row, claim: Claim, floor: Floor | None) -> State:
    """The state under one class: an expired claim is held by a hold, else floored by a floor.

    "A hold alone does not stop use before expiry."
    """
    state, floor_until, hold_id = claim.stage, None, None
    if claim.stage == "expired":
        if floor is not None and floor.keeps(world.as_of):
            state, floor_until = "floored", floor.until
        hold = world.holds.on(table, row)
        if hold is not None:
            state, hold_id = "held", hold["hold_id"]
    key = record_key(table, row)
    assert key is not None, f"a row of {table} without a key has no state"
    return State(
        table_name=table,
        record_key=key,
        subject_key=subject_key(table, row),
        deletion_class=claim.deletion_class,
        clock_at=claim.clock_at,
        deadline_at=claim.deadline_at,
        notice_sent_at=claim.notice_sent_at,
        grace_until=claim.grace_until,
        floor_until=floor_until,
        hold_id=hold_id,
        state=state,
    )


def states_of(world: World, table: str, row: Row) -> list[State]:
    """The states of a record under all classes of its own."""
    return [
        settle(
            world,
            table,
            row,
            claim,
            floor_of(world, table, row, action_of(table, claim.deletion_class)),
        )
        for claim in claims_of(world, table, row)
    ]


def _naming_order(state: State) -> tuple[datetime, str]:
    """DESIGN: "The class with the earliest deadline …, by name on a tie"."""
    return state.deadline_at or datetime.max, state.deletion_class


def named_state(states: list[State]) -> State:
    """The state that stands for the record: the furthest, under the class that is named.

    Of expired classes those act whose action is taken: "deleted if any such class deletes".
    """
    furthest = min((state.state for state in states), key=FURTHEST_FIRST.index)
    candidates = [state for state in states if state.state == furthest]
    if furthest == "expired":
        deleting = [s for s in candidates if action_of(s.table_name, s.deletion_class) == "delete"]
        candidates = deleting or candidates
    return min(candidates, key=_naming_order)


# --- Followers of a member row ------------------------------------------------------------


@dataclass(frozen=True)
class Cause:
    """Why something follows: a member's class and deadline, ordered as names are given."""

    deadline_at: datetime
    deletion_class: str


class Followers:
    """DESIGN: "When a member row is deleted (any class), in the same plan, under the same class":
    which members are deleted, and what goes with them by member_id and by e-mail.

    Members that stand in the ledger cause the same, while their person has not acted since.
    By e-mail nothing follows "where … [another] member row that stays has it".
    """

    def __init__(self, world: World, plan: Mapping[Key, tuple[str, str, datetime]]) -> None:
        self.by_member: dict[int, Cause] = {}
        self.by_email: dict[str, list[Cause]] = {}
        leaving = [
            row for row in world.shop[MEMBERS] if (MEMBERS, record_key(MEMBERS, row)) in plan
        ]
        self.deleted_members: list[Row] = leaving
        self.staying_emails = {
            own_email(row)
            for row in world.shop[MEMBERS]
            if (MEMBERS, record_key(MEMBERS, row)) not in plan
        } - {None}
        for row in leaving:
            _, deletion_class, deadline_at = plan[(MEMBERS, str(row["member_id"]))]
            self.by_member[row["member_id"]] = Cause(deadline_at, deletion_class)
        for row in leaving:
            email = own_email(row)
            if email is not None and email not in self.staying_emails:
                self.by_email.setdefault(email, []).append(self.by_member[row["member_id"]])
        self._add_past(world)

    def _add_past(self, world: World) -> None:
        planned = set(self.by_member)
        for (table, key), purged in world.past.deleted.items():
            if (
                table == MEMBERS
                and int(key) not in planned
                and not has_member_acted(world, int(key), purged.purged_at)
            ):
                self.by_member[int(key)] = Cause(purged.deadline_at, purged.deletion_class)
        for email, members in world.past.followed.items():
            for member_id, purged in members.items():
                if (
                    email not in self.staying_emails
                    and member_id not in planned
                    and not has_member_acted(world, member_id, purged.purged_at)
                    and not has_mailbox_acted(world, email, purged.purged_at)
                ):
                    cause = Cause(purged.deadline_at, purged.deletion_class)
                    self.by_email.setdefault(email, []).append(cause)

    def claim(self, table: str, row: Row) -> Claim | None:
        """DESIGN: "The orders with that member_id that are still personal …; the recipient rows
        with that member_id, or with the normalised e-mail".
        """
        causes = []
        if row["member_id"] in self.by_member:
            causes.append(self.by_member[row["member_id"]])
        email = own_email(row)
        if table == RECIPIENTS and email is not None:
            causes += self.by_email.get(email, [])
        if not causes:
            return None
        cause = min(causes, key=lambda c: (c.deadline_at, c.deletion_class))
        return Claim(cause.deletion_class, None, cause.deadline_at, "expired")


def states_of_follower(world: World, table: str, row: Row, followers: Followers) -> list[State]:
    """A follower's own states, and the member's class where none of its own has it expired.

    "One row per record and applicable class": a class it is under itself, held or floored by the
    same hold and floor, stands for the member's.
    """
    states = states_of(world, table, row)
    claim = followers.claim(table, row)
    if claim is None or any(
        state.state == "expired" or state.deletion_class == claim.deletion_class for state in states
    ):
        return states
    return [*states, settle(world, table, row, claim, floor_of(world, table, row, "anonymise"))]


# --- Messages -----------------------------------------------------------------------------


def grace_starts(world: World, judgement: Judgement) -> set[tuple[str, datetime]]:
    """The notices, by contact point and time, that started the grace of a record "still there".

    A record in the plan is not there any more, deleted or anonymised.
    """
    rows = {
        (table, record_key(table, row)): row
        for table in (MEMBERS, ORDERS)
        for row in world.shop[table]
    }
    found = set()
    for state in judgement.states:
        key = (state.table_name, state.record_key)
        if state.notice_sent_at is not None and key not in judgement.plan:
            email = own_email(rows[key])
            assert email is not None, f"a notice without a contact point: {state.table_name}"
            found.add((email, state.notice_sent_at))
    # And those that came back, while a record "still there" is judged by that.
    for (table, key), row in rows.items():
        email = own_email(row)
        if email not in world.unreachable or (table, key) in judgement.plan:
            continue
        is_guest = table == ORDERS and row["member_id"] is None
        if (
            table == MEMBERS
            and key is not None
            and world.is_unreachable(email, activity(world, row))
        ) or (is_guest and is_lost_guest(world, email)):
            found.add((email, world.unreachable[email]))
    return found


def message_states(world: World, row: Row, kept: set[tuple[str, datetime]]) -> list[State]:
    """message_log; "a deletion notice is not purged (it is floored) while …" it is kept."""
    is_kept = row["kind"] == "deletion_notice" and (own_email(row), row["sent_at"]) in kept
    floor = Floor(None) if is_kept else None
    return [settle(world, MESSAGES, row, claim, floor) for claim in claims_of(world, MESSAGES, row)]


# --- Audiences ----------------------------------------------------------------------------


def newsletter(world: World, judgement: Judgement) -> dict[str, int]:
    """audience_newsletter_email: "one row per normalised e-mail, for the member with the latest
    grant (the lowest member_id on a tie) among those who pass everything".
    """
    best: dict[str, tuple[datetime, int]] = {}
    for row in world.shop[MEMBERS]:
        email, member_id = own_email(row), row["member_id"]
        if email is None or member_id is None:
            continue
        if judgement.records[(MEMBERS, str(member_id))][0] != "active":
            continue
        if any(regressions(world, row).values()) or is_suppressed(world, row):
            continue
        if world.is_unreachable(email, activity(world, row)):
            continue
        granted_at = consenting_since(world, row)
        if granted_at is not None:
            best[email] = max((granted_at, -member_id), best.get(email, (granted_at, -member_id)))
    return {email: -negative_id for email, (_, negative_id) in best.items()}


def notices(world: World, judgement: Judgement) -> dict[str, datetime]:
    """audience_deletion_notice: "one row per contact point with a record in notice_due, …; not a
    mailbox that has left; not covered by an erase request that is not closed".

    A contact point that such a request is about, by its own address or by its member's: in doubt
    nobody is mailed.
    """
    due: dict[str, datetime] = {}
    barred = {
        email
        for request in world.erase_requests
        if moment(request["requested_at"]) is None
        or world.known(request["requested_at"]) is not None
        or world.known(request["identity_verified_at"]) is not None
        for email in world.contact_points(request)
    }
    for table in (MEMBERS, ORDERS):
        for row in world.shop[table]:
            key, email = record_key(table, row), own_email(row)
            if key is None or email is None:
                continue
            state, _, deadline_at = judgement.records[(table, key)]
            if state != "notice_due" or deadline_at is None:
                continue
            due[email] = min(deadline_at, due.get(email, deadline_at))
            if has_left(world, email):
                barred.add(email)
    return {email: at for email, at in due.items() if email not in barred}


# --- The public doors ---------------------------------------------------------------------


def _classed_rows(judgement: Judgement, table: str, rows: list[Row]) -> list[Row]:
    """DESIGN: "A row with a duplicate key is unclassed", one without a key too: all the others."""
    keys = [record_key(table, row) for row in rows]
    counts = Counter(keys)
    for key in counts:
        if key is None or counts[key] > 1:
            judgement.records[(table, key or "")] = ("unclassed", None, None)
    return [
        row for row, key in zip(rows, keys, strict=True) if key is not None and counts[key] == 1
    ]


def _record(judgement: Judgement, table: str, row: Row, states: list[State]) -> None:
    """Enter a record: its states, the state that stands for it, and its line in the plan.

    "A record no class applies to … is unclassed." "A record is purged when a class has it expired."
    """
    key = (table, record_key(table, row) or "")
    judgement.states += states
    if not states:
        judgement.records[key] = ("unclassed", None, None)
        return
    named = named_state(states)
    judgement.records[key] = (named.state, named.deletion_class, named.deadline_at)
    if named.state == "expired":
        assert named.deadline_at is not None, f"expired without a deadline: {table}"
        action = action_of(table, named.deletion_class)
        judgement.plan[key] = (action, named.deletion_class, named.deadline_at)


def judge(shop: Shop, as_of: datetime, past: Past | None = None) -> Judgement:
    """All answers about a shop at T (``as_of``, naive UTC), with what former purges left behind."""
    world = World(shop, as_of, past)
    judgement = Judgement(words=contact_words(world))
    for row in shop[MEMBERS]:
        if row["member_id"] is not None:
            for kind, is_open in regressions(world, row).items():
                pair = (row["member_id"], kind)
                judgement.regressions[pair] = is_open or judgement.regressions.get(pair, False)
    # Members first: orders and recipients follow them, and messages wait for both.
    for row in _classed_rows(judgement, MEMBERS, shop[MEMBERS]):
        _record(judgement, MEMBERS, row, states_of(world, MEMBERS, row))
    followers = Followers(world, judgement.plan)
    for table in (ORDERS, RECIPIENTS):
        for row in _classed_rows(judgement, table, shop[table]):
            _record(judgement, table, row, states_of_follower(world, table, row, followers))
    for table in (CONSENT_EVENTS, ERASURE_REQUESTS, LEGACY_CUSTOMERS, HOLDS):
        for row in _classed_rows(judgement, table, shop[table]):
            _record(judgement, table, row, states_of(world, table, row))
    kept = grace_starts(world, judgement)
    for row in _classed_rows(judgement, MESSAGES, shop[MESSAGES]):
        _record(judgement, MESSAGES, row, message_states(world, row, kept))
    judgement.newsletter = newsletter(world, judgement)
    judgement.notices = notices(world, judgement)
    return judgement


def apply(shop: Shop, judgement: Judgement) -> Shop:
    """What survives the purge: planned rows gone, or their personal columns and member_id null."""
    remaining: Shop = {}
    for table, rows in shop.items():
        remaining[table] = []
        for row in rows:
            key = record_key(table, row) if table in KEYS else None
            planned = judgement.plan.get((table, key)) if key is not None else None
            if planned is None:
                remaining[table].append(dict(row))
            elif planned[0] == "anonymise":
                nulls = dict.fromkeys((*PERSONAL_ORDER_COLUMNS, "member_id"))
                remaining[table].append({**row, **nulls})
    return remaining


def remember(shop: Shop, judgement: Judgement, as_of: datetime, past: Past | None = None) -> Past:
    """What the purge of ``judgement`` leaves behind; purged_at is T.

    "Whatever refusal goes with a purged row … lives on"; so does each that reached a contact point
    only through a member row that goes. One without a time is remembered since T.
    """
    before = World(shop, as_of, past)
    gone = World(apply(shop, judgement), as_of, past)
    memory = deepcopy(past) if past is not None else Past()
    for key, (action, deletion_class, deadline_at) in judgement.plan.items():
        if action == "delete":
            memory.deleted[key] = Purged(deletion_class, deadline_at, as_of)
    memory.refusals |= {
        (email, purpose, at if at is not None else as_of)
        for email, purpose, at in before.said_refusals - gone.said_refusals
    }
    memory.suppressed |= before.said_suppressions - gone.said_suppressions
    # "A member's activity goes with the last row that needs it."
    staying = {row["member_id"] for row in gone.shop[MEMBERS]}
    memory.member_orders |= before.member_orders - gone.member_orders
    memory.member_orders = {each for each in memory.member_orders if each[0] in staying}
    memory.member_grants |= before.member_grants - gone.member_grants
    memory.member_grants = {each for each in memory.member_grants if each[0] in staying}
    memory.mailbox_grants |= before.mailbox_grants - gone.mailbox_grants
    memory.guest_activity |= before.guest_orders - gone.guest_orders
    for row in shop[LEGACY_CUSTOMERS]:
        key = (LEGACY_CUSTOMERS, record_key(LEGACY_CUSTOMERS, row) or "")
        if key in judgement.plan:
            memory.legacy_words.setdefault(row["customer_id"], set()).add(_row_word(row))
    _remember_members(before, judgement, memory)
    return memory


def _remember_members(before: World, judgement: Judgement, memory: Past) -> None:
    """What goes with a member row: its link, its activity, how it left its mailbox, and
    "the contact point enters the suppressions under the same condition, since the purge".
    """
    followers = Followers(before, judgement.plan)
    partings: dict[str, Parting] = {}
    for row in followers.deleted_members:
        member_id, email = row["member_id"], own_email(row)
        if row["legacy_customer_id"] is not None:
            memory.legacy_links.setdefault(member_id, set()).add(row["legacy_customer_id"])
        if email is None:
            continue
        active_at = activity(before, row)
        if is_active(before, row) and active_at is not None:
            memory.guest_activity.add((email, active_at))
        rows = before.members_by_email[email]
        leavers = frozenset(r["member_id"] for r in rows if is_leaving(before, r))
        partings[email] = Parting(has_left(before, email), before.as_of, leavers)
        if email not in followers.staying_emails:
            memory.suppressed.add((email, before.as_of))
            purged = memory.deleted[(MEMBERS, str(member_id))]
            memory.followed.setdefault(email, {})[member_id] = purged
    memory.partings |= partings
