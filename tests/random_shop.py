"""Made-up shops for the judge and the SQL to agree about: few plain cases, many edges.

Deterministic in ``seed``. All addresses are on example.com, example.org and example.net; all
times are naive UTC in whole seconds. About one member in five may be mailed, every deletion
class shows every state it can have in a shop of some thousand members, and the rest is what
breaks rules: shared mailboxes in several spellings, ties to the second, times exactly on a
deadline and one second beside it, the 29th of February, times that are missing or ahead of T,
words nobody mapped, keys that are null or there twice.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any, TypeVar

Row = dict[str, Any]
Shop = dict[str, list[Row]]
T = TypeVar("T")

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
    DELIVERY_LISTS: ("list_id",),
    RECIPIENTS: ("list_id", "recipient_no"),
    MESSAGES: ("message_id",),
    HOLDS: ("hold_id",),
}
HELD_TABLES = tuple(table for table in KEYS if table != DELIVERY_LISTS)

EMAIL = "marketing.communications.email"
SMS = "marketing.communications.sms"
SERVICE = "essential.service.notifications.email"
PURPOSES = (EMAIL, SMS, SERVICE, "essential.legal_obligation")
ODD_PURPOSES = (None, "", "marketing", "marketing.communications", " " + EMAIL)
PERSON_SOURCES = ("web_form", "my_page", "support")
MACHINE_SOURCES = ("migration", "import", None, "batch", "Web_Form")
ODD_STATUSES = (None, "", "Active", " active", "suspended", "WITHDRAWN")

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
NOTICE = timedelta(days=7)
OFFSETS = (-SECOND, timedelta(0), SECOND)


def random_shop(seed: int, members: int, as_of: datetime, *, whole_days: bool = False) -> Shop:
    """A shop with about this many members, twice the orders and twice the consent events.

    ``as_of`` is the T the edges are laid around. ``whole_days`` cuts the two dates of a legacy
    customer to midnight, for a warehouse that keeps them as dates.
    """
    return _Maker(seed, as_of).make(members, whole_days=whole_days)


def _back(at: datetime, years: int = 0, days: int = 0) -> datetime:
    """The time a period before, the day cut to the month's end."""
    year = at.year - years
    day = min(at.day, calendar.monthrange(year, at.month)[1])
    return at.replace(year=year, day=day) - timedelta(days=days)


class _Maker:
    """Fills one shop, table by table, from one source of chance."""

    def __init__(self, seed: int, as_of: datetime) -> None:
        self.rng = Random(seed)
        self.as_of = as_of.replace(microsecond=0)
        self.shop: Shop = {table: [] for table in KEYS}
        self.mailboxes = 0
        self.spared: set[int] = set()
        self.ending: list[Row] = []
        self.guests: list[str] = []
        self.kept: list[Row] = []

    def make(self, members: int, *, whole_days: bool) -> Shop:
        self.add_lists(max(8, members // 40))
        for _ in range(members):
            self.add_member()
        for _ in range(max(6, members // 8)):
            self.add_guest()
        for _ in range(max(3, members // 50)):
            self.add_held_household()
        self.add_stray_orders(max(4, members // 3))
        self.add_stray_events(max(4, members * 3 // 4))
        self.add_stray_messages(max(4, members // 5))
        self.add_stray_recipients(max(4, members // 5))
        self.add_stray_legacy(max(3, members // 25))
        self.add_stray_requests(max(4, members // 25))
        self.add_stray_holds(max(3, members // 60))
        if self.chance(0.05):
            self.add_hold(table_name=self.pick((None, "shop.carts", "members")))
        if self.chance(0.15):
            self.add_hold(table_name=self.pick(HELD_TABLES))
        for row in self.shop[LEGACY_CUSTOMERS] if whole_days else ():
            for column in ("create_date", "update_date"):
                if row[column] is not None:
                    row[column] = datetime.combine(row[column].date(), time.min)
        self.spoil_keys()
        self.add_bounces()
        for rows in self.shop.values():
            self.rng.shuffle(rows)
        return self.shop

    # --- chance ---------------------------------------------------------------------------

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def pick(self, values: Sequence[T]) -> T:
        return values[self.rng.randrange(len(values))]

    def weighted(self, *shares: tuple[float, T]) -> T:
        return self.rng.choices([v for _, v in shares], [w for w, _ in shares])[0]

    # --- times ----------------------------------------------------------------------------

    def ago(self, least: float, most: float) -> datetime:
        """Between so many days before T, in whole seconds."""
        return self.as_of - timedelta(
            seconds=self.rng.randint(int(least * 86400), int(most * 86400))
        )

    def edge(self, years: int = 0, days: int = 0) -> datetime:
        """A clock whose deadline is T, or one second beside it."""
        return _back(self.as_of, years, days) + self.pick(OFFSETS)

    def calendar_edge(self) -> datetime:
        """The 29th of February, a 31st, the fiscal year's turn in business time."""
        year = self.as_of.year - self.rng.randint(1, 9)
        leap = year - year % 4
        at = self.pick(
            [
                datetime(leap, 2, 29, self.rng.randrange(24), self.rng.randrange(60)),
                datetime(year, self.pick((1, 3, 5, 7, 8, 10, 12)), 31, self.rng.randrange(24)),
                datetime(year, 3, 31, 15) + self.pick(OFFSETS),
                datetime(year, 12, 31, 23, 59, 59),
            ]
        )
        return min(at, self.as_of)

    def future(self) -> datetime:
        return self.as_of + self.pick((SECOND, DAY, timedelta(days=self.rng.randint(2, 500))))

    def spoilt(self, at: datetime | None, share: float = 0.02) -> datetime | None:
        """Mostly the time itself; seldom missing, ahead of T, or T itself."""
        if not self.chance(share):
            return at
        return self.pick((None, self.future(), self.as_of))

    def old(self, years: int = 0, days: int = 0) -> datetime:
        """A clock somewhere around a period: before, on and after its deadline."""
        length = years * 365 + days
        return self.weighted(
            (3, self.edge(years, days)),
            (1, self.calendar_edge()),
            (3, self.ago(length * 1.05, length * 2 + 30)),
            (3, self.ago(0, length * 0.95)),
        )

    def idle(self) -> tuple[datetime, list[datetime]]:
        """A clock of three years with a week's notice, and the notices that were sent."""
        late = timedelta(seconds=self.rng.randint(0, 90 * 86400))
        clock = self.weighted(
            (2, self.edge(years=3)),
            (2, _back(self.as_of, years=3) + NOTICE + self.pick(OFFSETS)),
            (2, _back(self.as_of, years=3) + timedelta(seconds=self.rng.randint(0, 7 * 86400))),
            (1, _back(self.as_of, years=3) + NOTICE + late),
            (5, _back(self.as_of, years=3) - late),
            (1, _back(self.as_of, years=6) - late),
            (1, _back(self.as_of, years=4).replace(month=2, day=28) + self.pick((DAY, 2 * DAY))),
        )
        due = _back(clock, years=-3) - NOTICE
        soon = due + timedelta(seconds=self.rng.randint(0, 3 * 86400))
        sent = self.weighted(
            (4, []),
            (3, [soon]),
            (2, [due + self.pick(OFFSETS)]),
            (2, [self.as_of - NOTICE + self.pick(OFFSETS)]),
            (2, [self.ago(0, 6)]),
            (2, [self.ago(8, 40)]),
            (1, [due - timedelta(days=self.rng.randint(1, 400)), soon]),
            (1, [soon, soon, soon + DAY]),
            (1, [clock, clock + SECOND]),
            (1, [self.future()]),
        )
        return clock, sent

    # --- addresses ------------------------------------------------------------------------

    def new_mailbox(self) -> str:
        self.mailboxes += 1
        domain = self.pick(("example.com", "example.org", "example.net"))
        return f"box{self.mailboxes}@{domain}"

    def spell(self, email: str | None) -> str | None:
        """The same mailbox, as people and machines write it."""
        if email is None or not email.isprintable() or self.chance(0.7):
            return email
        wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in email)
        return self.pick(
            [
                email.upper(),
                email.title(),
                wide,
                wide.upper(),
                f" {email}",
                f"{email}\t",
                f"\u3000{email}\u00a0",
                f"\r\n{email.upper()} ",
            ]
        )

    def no_email(self) -> str | None:
        return self.pick((None, None, "", "  ", "\u3000", "\t\r\n\u00a0"))

    def mailbox(self, row: Row) -> str | None:
        """The plain address behind a member's spelling; null for none."""
        email = row["email"]
        if email is None:
            return None
        narrow = "".join(chr(ord(c) - 0xFEE0) if "\uff01" <= c <= "\uff5e" else c for c in email)
        return narrow.strip(" \t\r\n\u00a0\u3000").lower() or None

    # --- rows -----------------------------------------------------------------------------

    def add(self, table: str, row: Row) -> Row:
        self.shop[table].append(row)
        return row

    def next_id(self, table: str) -> int:
        return len(self.shop[table]) + 1

    def new_member(
        self, email: str | None, status: str | None, registered_at: datetime | None
    ) -> Row:
        member_id = self.next_id(MEMBERS)
        return self.add(
            MEMBERS,
            {
                "member_id": member_id,
                "email": email,
                "phone": self.pick((None, f"090-0000-{member_id % 10000:04}")),
                "full_name": f"Name {member_id}",
                "full_name_kana": self.pick((None, f"Kana {member_id}")),
                "birth_date": self.pick((None, date(1950 + member_id % 50, 2, 28))),
                "gender": self.pick((None, "f", "m")),
                "postal_code": f"{member_id % 1000:03}-0000",
                "prefecture": self.pick((None, "Tokyo", "Osaka")),
                "street_address": self.pick((None, "", f"{member_id} Street")),
                "status": status,
                "newsletter_flag": self.weighted((6, 1), (2, 0), (1, None), (0.3, 2)),
                "registered_at": registered_at,
                "last_login_at": None,
                "withdrawn_at": None,
                "legacy_customer_id": None,
                "updated_at": self.spoilt(self.ago(0, 900), 0.1),
            },
        )

    def add_order(
        self,
        member_id: int | None,
        email: str | None,
        ordered_at: datetime | None,
        delivered_at: datetime | None,
    ) -> Row:
        order_id = self.next_id(ORDERS)
        row: Row = {
            "order_id": order_id,
            "member_id": member_id,
            "email": email,
            "recipient_name": self.pick((None, f"Recipient {order_id}")),
            "recipient_phone": self.pick((None, None, "", "080-0000-0000")),
            "postal_code": self.pick((None, "000-0000")),
            "street_address": self.pick((None, f"{order_id} Street")),
            "total_amount": Decimal(self.rng.randint(100, 99999)) / 100,
            "ordered_at": ordered_at,
            "delivered_at": delivered_at,
            "status": self.pick(
                ("placed", "delivered", "delivered", "cancelled", "returned", "lost")
            ),
        }
        return self.add(ORDERS, row)

    def delivery(self, ordered_at: datetime | None) -> datetime | None:
        """When an order arrived: soon, late, near the 30 days, not yet, or nobody knows."""
        if ordered_at is None or self.chance(0.15):
            return None
        return self.weighted(
            (30, min(ordered_at + timedelta(hours=self.rng.randint(1, 200)), self.as_of)),
            (3, min(ordered_at + timedelta(days=self.rng.randint(100, 2000)), self.as_of)),
            (2, self.edge(days=30)),
            (1, self.future()),
        )

    def add_event(
        self,
        member_id: int | None,
        email: str | None,
        occurred_at: datetime | None,
        *,
        status: str | None = "granted",
        purpose: str | None = EMAIL,
        by_person: bool = True,
    ) -> Row:
        source = self.pick(PERSON_SOURCES if by_person else MACHINE_SOURCES)
        return self.add(
            CONSENT_EVENTS,
            {
                "event_id": self.next_id(CONSENT_EVENTS),
                "member_id": member_id,
                "email": email,
                "purpose": purpose,
                "status": status,
                "occurred_at": occurred_at,
                "source": source,
                "evidence": self.pick((None, "", " ", "form 3", "form 4")),
            },
        )

    def add_message(self, email: str | None, sent_at: datetime | None, kind: str) -> Row:
        is_marketing = kind == "newsletter" or self.chance(0.05)
        return self.add(
            MESSAGES,
            {
                "message_id": self.next_id(MESSAGES),
                "campaign_id": self.rng.randint(1, 40),
                "message_class": "marketing" if is_marketing else "service_notice",
                "kind": kind,
                "email": email,
                "sent_at": sent_at,
            },
        )

    def add_request(
        self,
        member_id: int | None,
        email: str | None,
        requested_at: datetime | None,
        verified_at: datetime | None,
        *,
        kind: str | None = None,
        closed_at: datetime | None = None,
    ) -> Row:
        return self.add(
            ERASURE_REQUESTS,
            {
                "request_id": self.next_id(ERASURE_REQUESTS),
                "member_id": member_id,
                "email": email,
                "kind": kind
                or self.weighted(
                    (12, "erase"), (4, "stop_use"), (2, "disclose"), (1, None), (1, "ERASE")
                ),
                "requested_at": requested_at,
                "identity_verified_at": verified_at,
                "verification_method": self.pick(("my_page", "letter")) if verified_at else None,
                "closed_at": closed_at,
                "outcome": self.pick(("done", "refused", None)) if closed_at else None,
            },
        )

    def add_legacy(
        self,
        customer_id: int,
        email: str | None,
        del_flg: str | None,
        mailmaga_flg: str | None,
        create_date: datetime | None,
        update_date: datetime | None,
    ) -> Row:
        return self.add(
            LEGACY_CUSTOMERS,
            {
                "customer_id": customer_id,
                "email": email,
                "name01": self.pick((None, f"Family {customer_id}")),
                "name02": self.pick((None, f"Given {customer_id}")),
                "status": self.pick(("1", "2", "2", None)),
                "del_flg": del_flg,
                "mailmaga_flg": mailmaga_flg,
                "create_date": create_date,
                "update_date": update_date,
            },
        )

    def add_recipient(self, member_id: int | None, email: str | None, list_id: int | None) -> Row:
        number = self.next_id(RECIPIENTS)
        return self.add(
            RECIPIENTS,
            {
                "list_id": list_id,
                "recipient_no": number,
                "member_id": member_id,
                "email": email,
                "full_name": self.pick((None, f"Name {number}")),
                "send_status": self.pick((None, "sent", "bounced")),
            },
        )

    def add_hold(
        self,
        member_id: int | None = None,
        email: str | None = None,
        table_name: str | None = None,
        *,
        released_at: datetime | None = None,
    ) -> Row:
        placed_at = self.weighted(
            (8, self.ago(1, 2000)), (2, None), (1, self.as_of), (0.5, self.future())
        )
        return self.add(
            HOLDS,
            {
                "hold_id": self.next_id(HOLDS),
                "member_id": member_id,
                "email": email,
                "table_name": table_name,
                "reason": self.pick(("claim", "audit", None)),
                "placed_at": placed_at,
                "released_at": released_at,
            },
        )

    def add_lists(self, count: int) -> None:
        for list_id in range(1, count + 1):
            self.add(
                DELIVERY_LISTS,
                {
                    "list_id": list_id,
                    "campaign_id": self.rng.randint(1, 40),
                    "purpose": self.pick((EMAIL, SERVICE, None)),
                    "created_at": self.spoilt(self.old(days=30), 0.1),
                },
            )

    def some_list(self) -> int | None:
        """Mostly a list that is there; seldom none, or one nobody knows."""
        known = self.rng.randint(1, len(self.shop[DELIVERY_LISTS]))
        return self.weighted((30, known), (1, 900_000 + self.rng.randint(1, 3)))

    # --- members --------------------------------------------------------------------------

    def add_member(self) -> None:
        maker: Callable[[], Row] = self.weighted(
            (30, self.loyal_member),
            (18, self.idle_member),
            (14, self.withdrawn_member),
            (5, self.provisional_member),
            (4, self.unreachable_member),
            (7, self.returned_member),
            (3, self.odd_member),
            (13, self.wild_member),
        )
        member = maker()
        self.add_copies(member)

    def shared_or_new(self, share: float = 0.12) -> str:
        """A mailbox of its own, or one that another member has."""
        if self.chance(share) and self.shop[MEMBERS]:
            email = self.mailbox(self.pick(self.shop[MEMBERS]))
            if email is not None:
                return email
        return self.new_mailbox()

    def event_email(self, email: str | None) -> str | None:
        """What an event of a member carries: its address, none, or an earlier one."""
        return self.weighted((6, self.spell(email)), (3, None), (1, self.new_mailbox()))

    def loyal_member(self) -> Row:
        """Active and mostly allowed to be mailed."""
        email = self.shared_or_new(0.08)
        member = self.new_member(
            self.spell(email),
            "active",
            self.spoilt(self.weighted((9, self.ago(3, 2400)), (1, self.calendar_edge()))),
        )
        member_id = member["member_id"]
        seen = self.ago(0, 800)
        if self.chance(0.9):
            member["newsletter_flag"] = 1
        if self.chance(0.85):
            member["last_login_at"] = self.spoilt(seen)
        else:
            self.add_order(member_id, self.spell(email), seen, self.delivery(seen))
        granted = self.ago(1, 1500)
        case = self.rng.random()
        if case < 0.72:
            self.add_event(member_id, self.event_email(email), self.spoilt(granted))
        elif case < 0.80:
            self.add_event(member_id, self.event_email(email), granted, by_person=False)
        if self.chance(0.2):
            gap = self.pick((SECOND, SECOND, DAY, 100 * DAY, timedelta(0), -SECOND))
            refused = self.add_event(
                self.pick((member_id, member_id, None)),
                self.spell(email),
                granted - gap,
                status=self.weighted((8, "refused"), (1, None), (1, "Granted")),
                purpose=self.weighted((8, EMAIL), (3, SMS), (1, self.pick(ODD_PURPOSES))),
            )
            refused["source"] = self.pick(PERSON_SOURCES + MACHINE_SOURCES)
        if self.chance(0.25):
            self.add_move(member, email, good=0.7)
        if self.chance(0.015):
            self.add_person_request(member, email)
        self.spared.add(member["member_id"])
        return member

    def idle_member(self) -> Row:
        """Near the end of three years, with notices early, in time, late or never."""
        clock, notices = self.idle()
        email = self.shared_or_new()
        earlier = clock - timedelta(days=self.rng.randint(0, 900))
        member = self.new_member(self.spell(email), "active", earlier)
        how = self.pick(("login", "order", "register", "both"))
        if how in ("login", "both"):
            member["last_login_at"] = clock
        if how in ("order", "both"):
            self.add_order(member["member_id"], self.spell(email), clock, self.delivery(clock))
        if how == "register":
            member["registered_at"] = clock
        for sent_at in notices:
            self.add_message(self.spell(email), sent_at, "deletion_notice")
        if self.chance(0.5):
            self.add_event(member["member_id"], self.event_email(email), self.spoilt(earlier, 0.1))
        if self.chance(0.2):
            self.add_move(member, email, good=0.5)
        if self.chance(0.08):
            self.add_person_request(member, email)
        self.ending.append(member)
        return member

    def withdrawn_member(self) -> Row:
        """Left: by status, by date, by both, without a date, or only ahead of T."""
        email = self.shared_or_new(0.2)
        member = self.new_member(
            self.weighted((9, self.spell(email)), (1, self.no_email())),
            "withdrawn",
            self.ago(40, 3000),
        )
        left = self.weighted((3, self.edge(days=30)), (4, self.ago(31, 1500)), (2, self.ago(0, 29)))
        member["last_login_at"] = self.pick((None, left - DAY))
        how = self.rng.random()
        if how < 0.6:
            member["withdrawn_at"] = left
        elif how < 0.75:
            member["updated_at"] = self.spoilt(left, 0.2)
        elif how < 0.9:
            member["status"] = self.pick(("active", "provisional", "suspended"))
            member["withdrawn_at"] = left
        else:
            member["withdrawn_at"] = self.future()
            member["status"] = self.pick(("active", "withdrawn"))
        if self.chance(0.3):
            granted = self.pick((left - DAY, left, left + SECOND))
            self.add_event(member["member_id"], self.event_email(email), granted)
        if self.chance(0.4):
            ordered_at = self.weighted(
                (2, self.edge(days=90)), (3, self.ago(0, 120)), (2, self.ago(100, 2500))
            )
            delivered_at = self.weighted(
                (3, None), (2, self.edge(days=30)), (3, self.delivery(ordered_at))
            )
            order_email = self.spell(email)
            if self.chance(0.2):
                order_email = self.new_mailbox()
            order = self.add_order(
                member["member_id"], order_email, self.spoilt(ordered_at, 0.1), delivered_at
            )
            if order_email is not None and self.chance(0.5):
                self.kept.append(order)
        if self.chance(0.2):
            self.kept.append(
                self.add_recipient(member["member_id"], self.new_mailbox(), self.some_list())
            )
        if self.chance(0.2):
            self.add_move(member, email, good=0.3)
        self.ending.append(member)
        return member

    def provisional_member(self) -> Row:
        email = self.shared_or_new()
        member = self.new_member(
            self.spell(email), "provisional", self.spoilt(self.old(days=30), 0.1)
        )
        if self.chance(0.2):
            self.add_event(member["member_id"], self.event_email(email), self.ago(0, 60))
        if self.chance(0.15):
            self.add_move(member, email, good=0.4)
        self.ending.append(member)
        return member

    def unreachable_member(self) -> Row:
        clock = self.old(years=5)
        member = self.new_member(self.no_email(), "active", self.spoilt(clock, 0.15))
        if self.chance(0.5):
            member["last_login_at"] = clock
            member["registered_at"] = clock - timedelta(days=self.rng.randint(0, 400))
        self.ending.append(member)
        return member

    def returned_member(self) -> Row:
        """Refused, left or was moved, and came back: who said what last, to the second."""
        email = self.shared_or_new(0.3)
        member = self.new_member(self.spell(email), "active", self.ago(300, 2000))
        member["last_login_at"] = self.ago(0, 500)
        member["newsletter_flag"] = 1
        said = self.ago(2, 900)
        self.add_event(
            self.pick((member["member_id"], None)), self.spell(email), said, status="refused"
        )
        again = self.add_event(
            member["member_id"],
            self.event_email(email),
            said + self.pick((SECOND, SECOND, DAY, timedelta(0))),
        )
        again["source"] = self.weighted(
            (8, self.pick(PERSON_SOURCES)), (2, self.pick(MACHINE_SOURCES))
        )
        if self.chance(0.5):
            self.add_move(member, email, good=0.3)
        self.spared.add(member["member_id"])
        return member

    def odd_member(self) -> Row:
        """A status nobody mapped."""
        email = self.shared_or_new(0.3)
        member = self.new_member(self.spell(email), self.pick(ODD_STATUSES), self.ago(0, 2000))
        member["last_login_at"] = self.pick((None, self.ago(0, 2000)))
        self.add_event(member["member_id"], self.event_email(email), self.ago(0, 1000))
        return member

    def wild_member(self) -> Row:
        """Every field by chance."""
        email = self.shared_or_new(0.4)
        status = self.weighted(
            (6, "active"), (1, "withdrawn"), (1, "provisional"), (0.5, self.pick(ODD_STATUSES))
        )
        member = self.new_member(
            self.weighted((9, self.spell(email)), (1, self.no_email())),
            status,
            self.spoilt(self.ago(0, 2500), 0.3),
        )
        member["last_login_at"] = self.weighted(
            (2, None), (6, self.ago(0, 1800)), (1, self.future())
        )
        if self.chance(0.15):
            member["withdrawn_at"] = self.spoilt(self.ago(0, 900), 0.3)
        for _ in range(self.rng.randint(0, 3)):
            self.add_event(
                self.weighted((6, member["member_id"]), (1, None)),
                self.event_email(email),
                self.spoilt(self.ago(0, 1500), 0.1),
                status=self.weighted((6, "granted"), (2, "refused"), (0.5, None), (0.5, "unknown")),
                purpose=self.weighted(
                    (6, EMAIL), (2, self.pick(PURPOSES)), (0.5, self.pick(ODD_PURPOSES))
                ),
                by_person=self.chance(0.7),
            )
        if self.chance(0.3):
            self.add_move(member, email, good=0.2)
        if self.chance(0.15):
            self.add_person_request(member, email)
        return member

    def add_move(self, member: Row, email: str | None, good: float) -> None:
        """The member came from the old shop, carried over well or not."""
        customer_id = 50_000 + member["member_id"]
        member["legacy_customer_id"] = customer_id
        registered_at = member["registered_at"] or self.ago(100, 1000)
        create_date = registered_at + self.pick(
            (-400 * DAY, -SECOND, timedelta(0), SECOND, 30 * DAY)
        )
        if self.chance(good):
            update_date = self.ago(200, 2500)
            row_email = self.spell(email)
            mail = self.pick(("1", "2"))
            self.add_legacy(
                customer_id, row_email, "0", mail, self.spoilt(create_date, 0.1), update_date
            )
            return
        if self.chance(0.12):
            return
        act = member["last_login_at"] or registered_at
        update_date = self.weighted(
            (3, act + self.pick(OFFSETS)),
            (4, self.ago(0, 900)),
            (2, self.old(years=1)),
            (1, self.old(days=30)),
        )
        row = self.add_legacy(
            customer_id,
            self.weighted((6, self.spell(email)), (1, None), (1, self.new_mailbox())),
            self.weighted((5, "1"), (4, "0"), (0.5, None), (0.5, "9"), (0.3, " 1")),
            self.weighted((3, "1"), (2, "2"), (4, "3"), (2, None), (0.5, "0"), (0.3, "")),
            self.spoilt(create_date, 0.1),
            self.spoilt(update_date, 0.08),
        )
        if self.chance(0.3):
            self.add_event(
                member["member_id"],
                self.event_email(email),
                update_date + self.pick((SECOND, SECOND, DAY, timedelta(0), -SECOND)),
                by_person=self.chance(0.85),
            )
        if self.chance(0.06):
            self.add(
                LEGACY_CUSTOMERS, {**row, "del_flg": self.pick(("0", "1")), "mailmaga_flg": "2"}
            )

    def add_person_request(self, member: Row, email: str | None) -> None:
        """One or several requests, naming the account, the address or both."""
        for _ in range(self.weighted((5, 1), (2, 2), (1, 3))):
            requested_at = self.weighted((6, self.ago(0, 1500)), (1, None), (0.5, self.future()))
            registered_at = member["registered_at"] or self.ago(10, 100)
            verified_at = self.weighted(
                (4, None),
                (4, (requested_at or self.ago(1, 5)) + timedelta(days=self.rng.randint(0, 20))),
                (2, registered_at + self.pick(OFFSETS)),
                (1, self.as_of),
                (1, self.future()),
            )
            closed_at = self.weighted(
                (7, None), (2, self.old(years=3)), (1, self.ago(0, 30)), (0.5, self.future())
            )
            self.add_request(
                self.pick((member["member_id"], member["member_id"], None)),
                self.pick((self.spell(email), None, self.spell(email))),
                requested_at,
                verified_at,
                closed_at=closed_at,
            )

    def add_copies(self, member: Row) -> None:
        """What stands about a member elsewhere: orders, mails, lists, further consents."""
        member_id, email = member["member_id"], self.mailbox(member)
        is_ending = any(member is row for row in self.ending[-1:])
        last = member["last_login_at"] or member["registered_at"] or self.ago(0, 2000)
        for _ in range(self.weighted((4, 0), (3, 1), (3, 2), (1, 3))):
            ordered_at = self.weighted(
                (6, self.ago(0, 3400)),
                (1, self.old(years=5)),
                (1, self.calendar_edge()),
                (0.5, self.old(days=90)),
            )
            if is_ending and not self.chance(0.03):
                # The order must not move the clock the edge was laid by.
                ordered_at = min(last, self.as_of) - timedelta(
                    seconds=self.rng.randint(0, 900 * 86400)
                )
            order_email = self.weighted((7, self.spell(email)), (1, None), (1, self.new_mailbox()))
            self.add_order(
                member_id, order_email, self.spoilt(ordered_at), self.delivery(ordered_at)
            )
        if self.chance(0.3):
            self.add_message(self.spell(email), self.spoilt(self.ago(0, 1500)), "newsletter")
        if self.chance(0.3):
            recipient_email = self.weighted(
                (6, self.spell(email)), (1, None), (1, self.new_mailbox())
            )
            self.add_recipient(
                self.pick((member_id, member_id, None)), recipient_email, self.some_list()
            )
        if self.chance(0.35):
            self.add_event(
                member_id,
                self.event_email(email),
                self.spoilt(self.ago(0, 1800)),
                status=self.weighted((7, "granted"), (3, "refused")),
                purpose=self.weighted((7, SMS), (3, SERVICE), (1, "essential.legal_obligation")),
                by_person=self.chance(0.8),
            )

    # --- guests, and people under a hold --------------------------------------------------

    def add_guest(self) -> None:
        """A mailbox that orders without an account, or beside one."""
        clock, notices = self.idle()
        beside = self.chance(0.4) and self.shop[MEMBERS]
        email = self.mailbox(self.pick(self.ending or self.shop[MEMBERS])) if beside else None
        email = email or self.new_mailbox()
        self.guests.append(email)
        self.add_order(None, self.spell(email), clock, self.delivery(clock))
        for _ in range(self.weighted((4, 0), (3, 1), (2, 2), (1, 4))):
            ordered_at = clock - timedelta(seconds=self.rng.randint(0, 1500 * 86400))
            self.add_order(None, self.spell(email), ordered_at, self.delivery(ordered_at))
        for sent_at in notices:
            self.add_message(self.spell(email), sent_at, "deletion_notice")
        if self.chance(0.15):
            # A parcel that came years late, or an order without any date: the floor keeps it.
            self.add_order(
                None,
                self.spell(email),
                self.pick((clock, None)),
                self.pick((self.ago(0, 29), None)),
            )
        if self.chance(0.1):
            self.add_event(
                None, self.spell(email), self.ago(0, 2000), status=self.pick(("granted", "refused"))
            )
        if self.chance(0.08):
            self.add_request(
                None, self.spell(email), self.ago(1, 300), self.pick((None, self.ago(0, 1500)))
            )

    def add_held_household(self) -> None:
        """A subject under a hold, with something old in every table."""
        is_ending = self.ending and self.chance(0.5)
        member = self.pick(self.ending) if is_ending else self.forgotten_member()
        member_id, email = member["member_id"], self.mailbox(member)
        table_name = self.weighted(
            (4, None), (3, MEMBERS), (2, self.pick(HELD_TABLES)), (1, "shop.carts")
        )
        naming = self.pick(("member", "email", "both")) if email is not None else "member"
        self.add_hold(
            member_id if naming != "email" else None,
            self.spell(email) if naming != "member" else self.pick((None, "  ")),
            table_name,
        )
        self.add_hold(member_id, None, None, released_at=self.old(years=3))
        old = self.ago(1200, 3500)
        self.add_order(member_id, self.spell(email), old, self.delivery(old))
        self.add_order(None, self.spell(email), old, self.delivery(old))
        self.add_event(member_id, self.spell(email), old, status=self.pick(("granted", "refused")))
        self.add_message(self.spell(email), old, self.pick(("newsletter", "deletion_notice")))
        self.add_recipient(member_id, self.spell(email), self.some_list())
        self.add_request(member_id, None, old, None, kind="disclose", closed_at=self.old(years=3))
        if self.chance(0.3):
            self.add_request(
                member_id, self.spell(email), self.ago(1, 50), self.ago(0, 1), kind="erase"
            )
        if member["legacy_customer_id"] is None:
            self.add_move(member, email, good=0.5)

    def forgotten_member(self) -> Row:
        """Idle for seven years and told so more than three years ago: only a hold keeps the row."""
        email = self.new_mailbox()
        clock = self.ago(2500, 2700)
        member = self.new_member(self.spell(email), "active", clock)
        due = _back(clock, years=-3) - NOTICE
        self.add_message(
            self.spell(email), due + timedelta(days=self.rng.randint(0, 60)), "deletion_notice"
        )
        if self.chance(0.4):
            self.add_message(self.spell(email), self.ago(0, 300), "deletion_notice")
        return member

    # --- rows that fit nobody well --------------------------------------------------------

    def someone(self) -> tuple[int | None, str | None]:
        """A member and its address, a guest, an account nobody knows, or nobody."""
        member = self.pick(self.shop[MEMBERS])
        return self.weighted(
            (6, (member["member_id"], self.mailbox(member))),
            (3, (None, self.mailbox(member))),
            (2, (member["member_id"], None)),
            (2, (None, self.pick(self.guests))),
            (1, (800_000 + self.rng.randint(1, 50), self.pick(self.guests))),
            (1, (800_000 + self.rng.randint(1, 50), None)),
            (1, (None, self.no_email())),
        )

    def someone_unloved(self) -> tuple[int | None, str | None]:
        """The same, sparing most of those who may be mailed."""
        for _ in range(4):
            member_id, email = self.someone()
            if member_id not in self.spared or self.chance(0.05):
                return member_id, email
        return None, self.pick(self.guests)

    def add_stray_orders(self, count: int) -> None:
        for _ in range(count):
            member_id, email = self.someone()
            ordered_at = self.spoilt(
                self.weighted((5, self.ago(0, 4000)), (2, self.calendar_edge())), 0.08
            )
            row = self.add_order(
                member_id, self.spell(email), ordered_at, self.delivery(ordered_at)
            )
            if self.chance(0.15):
                # Anonymised already, or all but one column.
                blank = dict.fromkeys(
                    (
                        "member_id",
                        "email",
                        "recipient_name",
                        "recipient_phone",
                        "postal_code",
                        "street_address",
                    )
                )
                row.update(blank)
                row["postal_code"] = self.pick((None, None, "", "000-0000"))

    def add_stray_events(self, count: int) -> None:
        for _ in range(count):
            member_id, email = self.someone_unloved()
            self.add_event(
                member_id,
                self.spell(email),
                self.spoilt(self.old(years=3), 0.06),
                status=self.weighted((6, "granted"), (3, "refused"), (0.3, None), (0.3, "maybe")),
                purpose=self.weighted(
                    (5, EMAIL), (3, self.pick(PURPOSES)), (0.5, self.pick(ODD_PURPOSES))
                ),
                by_person=self.chance(0.6),
            )

    def add_stray_messages(self, count: int) -> None:
        for _ in range(count):
            _, email = self.someone()
            kind = self.weighted(
                (5, "newsletter"), (2, "receipt"), (2, "deletion_notice"), (0.3, "Deletion_Notice")
            )
            self.add_message(self.spell(email), self.spoilt(self.old(years=3), 0.06), kind)

    def add_bounces(self) -> None:
        """Some mails come back: most within the hour, some without a time, some twice or later than T."""
        self.shop[BOUNCES] = []
        for message in self.shop[MESSAGES]:
            if message["message_id"] is None or not self.chance(0.12):
                continue
            for _ in range(self.weighted((9, 1), (1, 2))):
                at = message["sent_at"] or self.as_of
                bounced_at = self.weighted(
                    (8, at + timedelta(seconds=self.rng.randint(1, 3600))),
                    (1, None),
                    (1, self.future()),
                )
                row = {"message_id": message["message_id"], "bounced_at": bounced_at}
                self.shop[BOUNCES].append(row)
        self.shop[BOUNCES].append({"message_id": None, "bounced_at": self.as_of})
        self.shop[BOUNCES].append({"message_id": 7_000_000, "bounced_at": self.as_of})

    def add_stray_recipients(self, count: int) -> None:
        for _ in range(count):
            member_id, email = self.someone()
            self.add_recipient(member_id, self.spell(email), self.some_list())

    def add_stray_legacy(self, count: int) -> None:
        for number in range(count):
            _, email = self.someone()
            self.add_legacy(
                10_000 + number,
                self.spell(email),
                self.pick(("0", "1", None)),
                self.pick(("1", "2", "3", None)),
                self.spoilt(self.ago(400, 4000), 0.1),
                self.spoilt(self.old(years=1), 0.1),
            )

    def add_stray_requests(self, count: int) -> None:
        for _ in range(count):
            member_id, email = self.someone_unloved()
            requested_at = self.ago(0, 2500)
            verified_at = self.pick((None, requested_at + timedelta(days=self.rng.randint(0, 30))))
            closed_at = self.weighted((5, None), (4, self.old(years=3)), (0.5, self.future()))
            self.add_request(
                member_id,
                self.spell(email),
                self.spoilt(requested_at, 0.1),
                verified_at,
                closed_at=closed_at,
            )

    def add_stray_holds(self, count: int) -> None:
        for _ in range(count):
            member_id, email = self.someone()
            if self.kept and self.chance(0.5):
                # An address that only a follower has: it is kept, its member may go.
                member_id, email = None, self.mailbox(self.pick(self.kept))
            if member_id is None and (email is None or not email.strip()):
                continue
            released_at = self.weighted((5, None), (3, self.old(years=3)), (1, self.future()))
            table_name = self.weighted((6, None), (3, self.pick(HELD_TABLES)), (1, "shop.carts"))
            self.add_hold(member_id, self.spell(email), table_name, released_at=released_at)

    # --- keys -----------------------------------------------------------------------------

    def spoil_keys(self) -> None:
        """Some keys twice, the rows alike or not, and some null."""
        for table, rows in self.shop.items():
            for row in self.rng.sample(rows, min(len(rows), 1 + len(rows) // 500)):
                other = {**self.pick(rows), **{column: row[column] for column in KEYS[table]}}
                rows.append(self.pick((dict(row), other)))
            if self.chance(0.6):
                nameless = dict(self.pick(rows))
                nameless[self.pick(KEYS[table])] = None
                if table == MEMBERS:
                    nameless["email"] = self.new_mailbox()
                rows.append(nameless)
