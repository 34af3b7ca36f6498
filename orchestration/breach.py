"""What a regulator asks after a leak, answered and frozen; and who is to be told of it, by an approved list.

An answer is a folder ``KIGEN_HOME/breaches/<id>/``: ``breach.json`` (counts, categories, recipients,
under a seal that only the holder of the key can make), ``persons.parquet`` (the keyed digests of the
contact points to be told) and ``breach.html``, a page for people. It appears whole or not at all, and
is never written again.

The rules: Act on the Protection of Personal Information of Japan (APPI), art. 26; its Enforcement
Rules, art. 7 (what is reported), 8 (until when) and 10 (how persons are told).

Architecture invariant: nothing here holds, prints or writes an address; the list is of keyed
digests, and becomes addresses only in a lease.
"""

import hashlib
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import duckdb

from orchestration.approvals import Approval, find_approval, write_approval
from orchestration.declarations import parse_period
from orchestration.durable import sha256_of, sync, write_whole
from orchestration.keys import Pads, digest_sql, pads_as_of
from orchestration.leases import (
    LEGAL_NOTICE_CLASS,
    Terms,
    audiences_of,
    broken_of,
    digests_path,
    leases_of,
)
from orchestration.pages import templates
from orchestration.project import Project
from orchestration.seals import (
    SealError,
    as_record,
    folders_of,
    moments_of,
    read_sealed,
    tidy,
    write_sealed,
)
from orchestration.settings import Settings, format_moment
from orchestration.translator import kigen_of
from orchestration.warehouse import DELIVERY_SOURCE, connect, has_table, literal

LEASE: Final = "lease:"
"""What stands before the campaign in the place of a lease."""

MANY_PERSONS: Final = 1000
"""More persons than this make a report due by their number alone (Enforcement Rules, art. 7(iv))."""

_RECORD: Final = "breach.json"
_PERSONS: Final = "persons.parquet"
_PAGE: Final = "breach.html"
_VERSION: Final = 1


class BreachError(ValueError):
    """A question that cannot be answered, or a list that may not be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """A campaign that data was handed over for."""

    campaign_id: str
    audience: str
    purpose: str
    issued_by: str
    issued_at: datetime
    expires_at: datetime
    removed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Breach:
    """The answer about one place, frozen. Times are naive UTC."""

    breach_id: str
    place: str
    """As `shop.orders`, or `lease:` and the campaign."""
    place_kind: str
    as_of: datetime
    """T: the moment it was judged by."""
    frozen_at: datetime
    frozen_by: str
    record_count: int
    person_count: int
    reachable_count: int | None
    data_categories: tuple[str, ...] | None
    """None where the audience of a lease is not in the project any more."""
    sensitive_categories: tuple[str, ...] | None
    """None where nobody can say: the project has no policy_data_categories."""
    recipients: tuple[Recipient, ...]
    oldest_at: datetime | None
    newest_at: datetime | None
    contact_count: int | None
    """Contact points to be told; None where the digests of a lease are not kept any more."""
    file_digest: str
    """SHA-256 of the list; empty where there is none."""
    list_digest: str
    """What is approved: of this list of this breach; empty where there is none."""
    list_key_id: str
    """The key of the digests in the list."""
    key_id: str
    """The key of the seal."""

    @property
    def is_many(self) -> bool:
        """Whether the number of persons alone makes a report due."""
        return self.person_count > MANY_PERSONS

    @property
    def is_report_due(self) -> bool:
        """Whether what the data says makes a report due; otherwise people still have to judge."""
        return self.is_many or bool(self.sensitive_categories)

    @property
    def without_contact(self) -> int | None:
        """How many persons cannot be written to."""
        return None if self.reachable_count is None else self.person_count - self.reachable_count


def freeze(
    project: Project, place: str, as_of: datetime, frozen_at: datetime, frozen_by: str, pads: Pads
) -> tuple[Breach, bool]:
    """Answer about a place and freeze whom to tell; return the answer, and whether it is new.

    `place` is a governed table, or a campaign, with or without `lease:` before it. Whoever asks
    must have built `breach_view` by T `as_of` just before. The same place and T have one answer.
    Nothing else may be freezing meanwhile. Raises BreachError, DeliveryError and WarehouseError.
    """
    settings = project.settings
    tidy(settings.breaches)
    with connect(settings, read_only=True) as connection:
        row = _answer(connection, project, place_of(connection, project, place))
        breach_id = _id_of(row["place"], as_of)
        folder = settings.breaches / breach_id
        if folder.exists():
            there = _read(folder, pads)
            if (there.place, there.as_of) != (row["place"], as_of):
                raise BreachError(
                    f"{folder} is the answer about {there.place} by T "
                    f"{format_moment(there.as_of)}; ask again by another T."
                )
            return there, False
        settings.breaches.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = settings.breaches / f".{breach_id}.{secrets.token_hex(8)}"
        unfinished.mkdir(mode=0o700)
        try:
            query, list_key_id = _persons(project, row, pads)
            file, count, file_digest = unfinished / _PERSONS, None, ""
            if query:
                connection.execute(f"copy ({query}) to {literal(str(file))} (format parquet)")
                file.chmod(0o600)
                sync(file)
                count = _count(connection, file)
                file_digest = sha256_of(file)
            breach = Breach(
                breach_id=breach_id,
                as_of=as_of,
                frozen_at=frozen_at,
                frozen_by=frozen_by,
                contact_count=count,
                file_digest=file_digest,
                list_digest=_list_digest(breach_id, file_digest),
                list_key_id=list_key_id,
                key_id=pads.key_id,
                **row,
            )
            write_whole(unfinished / _PAGE, page(breach))
            write_sealed(unfinished / _RECORD, "breach", as_record(breach, _VERSION), pads)
            unfinished.rename(folder)
            sync(settings.breaches)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return breach, True


def find(settings: Settings, breach_id: str, pads: Pads) -> Breach:
    """Return a frozen answer by its id. Raises BreachError."""
    known = [folder.name for folder in folders_of(settings.breaches)]
    if breach_id not in known:
        raise BreachError(
            f"There is no breach {breach_id!r}; there are: {', '.join(known) or 'none'}. "
            "`kigen breach` asks about a place, and freezes whom to tell."
        )
    return _read(settings.breaches / breach_id, pads)


def folder_of(settings: Settings, breach: Breach) -> Path:
    """Return where an answer lies."""
    return settings.breaches / breach.breach_id


def approve_list(
    connection: duckdb.DuckDBPyConnection,
    project: Project,
    pads: Pads,
    *,
    digest: str,
    approver: str,
    reason: str,
    now: datetime,
) -> tuple[Breach, Approval] | None:
    """Approve the frozen list that has this digest; None where none has.

    The digest may be shortened to its first twelve digits or more; `now` is naive UTC. Raises
    ApprovalError, and BreachError where the list is not the one that was frozen, or is empty.
    """
    if len(digest) < 12:
        return None
    for folder in folders_of(project.settings.breaches):
        try:
            breach = _read(folder, pads)
        except BreachError:
            # It may be another's: who wants to use it is told.
            continue
        if breach.list_digest and breach.list_digest.startswith(digest):
            _expect_whole(project.settings, breach)
            if not breach.contact_count:
                raise BreachError(
                    f"The list of breach {breach.breach_id} is empty: nobody can be told by it."
                )
            approval = write_approval(
                connection, project, pads,
                digest=breach.list_digest, approver=approver, reason=reason, now=now,
            )  # fmt: skip
            return breach, approval
    return None


def expect_approved(project: Project, terms: Terms, pads: Pads, now: datetime) -> Breach | None:
    """Return the breach whose approved list a legal notice is for; None for anything else.

    `now` is naive UTC: approvals run by the clock on the wall, not by T. Raises BreachError where
    the list was not frozen by Kigen, was altered, or has no approval that holds.
    """
    if terms.message_class != LEGAL_NOTICE_CLASS:
        return None
    if terms.purpose not in project.declarations.purposes:
        raise BreachError(
            f"{terms.audience} is for {terms.purpose}, which policy_purposes.csv does not have; add "
            f"the row `{terms.purpose},{LEGAL_NOTICE_CLASS},no` if you write for that."
        )
    breach = find(project.settings, terms.breach_id, pads)
    _expect_whole(project.settings, breach)
    with connect(project.settings, read_only=True) as connection:
        found = find_approval(connection, pads, breach.list_digest, now)
    if found.approval is None:
        why = found.problem or "Nobody has approved it."
        raise BreachError(
            f"The list of breach {breach.breach_id} is not handed over. {why} Look at "
            f"{folder_of(project.settings, breach) / _PAGE}, and `kigen approve "
            f"{breach.list_digest[:12]} --reason ...`."
        )
    return breach


def listed(project: Project, terms: Terms, pads: Pads, now: datetime) -> str:
    """Return SQL over the rows of an audience: whether a row is on the approved list.

    Empty for an audience that needs no list. Raises as `expect_approved`.
    """
    breach = expect_approved(project, terms, pads, now)
    if breach is None:
        return ""
    node = audiences_of(project)[terms.audience]
    contact = f'"{kigen_of(node)["contact"]}"'
    file = literal(str(folder_of(project.settings, breach) / _PERSONS))
    made = digest_sql(f"cast(audience.{contact} as varchar)", pads_as_of(pads, breach.list_key_id))
    return (
        f"{contact} in (select audience.{contact} from {node['relation_name']} as audience "
        f"cross join kigen_key.pads as pads where {made} in "
        f"(select contact_digest from read_parquet({file})))"
    )


def expire_lists(
    settings: Settings, as_of: datetime, pads: Pads, record_period: str
) -> tuple[str, ...]:
    """Take away the lists that are older than `record_period` (ISO 8601) by T; return whose.

    The answers stay. Raises BreachError, once all else is done, where one is not to be read.
    """
    tidy(settings.breaches)
    gone, broken = [], []
    for folder in folders_of(settings.breaches):
        try:
            breach = _read(folder, pads)
        except BreachError as error:
            broken.append(str(error))
            continue
        file = folder / _PERSONS
        if file.exists() and parse_period(record_period).added_to(breach.as_of) <= as_of:
            file.unlink()
            sync(folder)
            gone.append(breach.breach_id)
    if broken:
        raise BreachError(" ".join(broken))
    return tuple(gone)


# What is told.


def page(breach: Breach) -> str:
    """Return the answer as a page for people, in Japanese and English: counts and names only."""
    template = templates(autoescape=True).get_template("breach.html.jinja")
    return template.render(breach=breach)


def told(breach: Breach) -> tuple[str, ...]:
    """Return the answer in lines: counts and names only."""
    reachable = "unknown" if breach.reachable_count is None else f"{breach.reachable_count:,}"
    ages = ""
    if breach.oldest_at and breach.newest_at:
        ages = f", from {breach.oldest_at:%Y-%m-%d} to {breach.newest_at:%Y-%m-%d}"
    lines = [
        f"Breach {breach.breach_id}: {breach.place}, judged by T {format_moment(breach.as_of)} UTC.",
        f"  {breach.record_count:,} records{ages}.",
        f"  {breach.person_count:,} persons, {reachable} of them with an e-mail address.",
        f"  Categories: {_names(breach.data_categories)}.",
        f"  Sensitive by policy_data_categories.csv: {_names(breach.sensitive_categories)}.",
        f"  Recipients: {len(breach.recipients) or 'none that Kigen handed it over to'}.",
    ]
    for each in breach.recipients:
        end = "taken away" if each.removed_at else "until"
        lines.append(
            f"    {each.campaign_id}: {each.audience} ({each.purpose}), by {each.issued_by} at "
            f"{each.issued_at:%Y-%m-%d %H:%M}, {end} {each.removed_at or each.expires_at:%Y-%m-%d %H:%M}."
        )
    lines += ["  APPI art. 26, for counsel to confirm:", *(f"    {line}" for line in _duty(breach))]
    lines.append(f"  {_whom(breach)}")
    return tuple(lines)


def _duty(breach: Breach) -> list[str]:
    reasons = []
    if breach.sensitive_categories:
        reasons.append("sensitive categories (Enforcement Rules, art. 7(i))")
    if breach.is_many:
        reasons.append(f"more than {MANY_PERSONS:,} persons (art. 7(iv))")
    unknown = (
        "" if breach.sensitive_categories is not None else "; whether it is sensitive, nobody says"
    )
    return [
        f"A report is due: {' and '.join(reasons)}."
        if reasons
        else f"What the data says makes no report due{unknown}.",
        "No data says whether property damage is feared (art. 7(ii)) or a wrongful purpose (art. "
        "7(iii)): either makes it due, from one person on. Data under strong encryption is left out.",
        "Where it is due: a first report without delay, in about 3 to 5 days; the full one within 30 "
        "days of knowing, 60 under art. 7(iii) (art. 8); and the persons are told (art. 26(2)).",
    ]


def _whom(breach: Breach) -> str:
    if breach.contact_count is None:
        return (
            "To be told: nobody knows any more who they are; the digests of this lease are not kept "
            "that long, or its folder is gone."
        )
    rest = ""
    if breach.without_contact:
        rest = f" {breach.without_contact:,} persons have no address: tell them another way."
    if not breach.contact_count:
        return f"To be told: no e-mail address is known.{rest}"
    return (
        f"To be told: {breach.contact_count:,} e-mail addresses, list {breach.list_digest}.{rest}"
    )


def _names(names: tuple[str, ...] | None) -> str:
    return "not known" if names is None else ", ".join(names) or "none"


# How it is asked.


def place_of(connection: duckdb.DuckDBPyConnection, project: Project, asked: str) -> str:
    """Return the place somebody asks about: a table comes first, then a campaign of its name.

    Raises BreachError naming the places there are.
    """
    tables = [table.name for table in project.declarations.governed.values() if not table.is_memory]
    campaigns = []
    if has_table(connection, DELIVERY_SOURCE, "leases"):
        campaigns = [
            f"{LEASE}{campaign}"
            for (campaign,) in connection.execute(
                f"select campaign_id from {DELIVERY_SOURCE}.leases order by campaign_id"
            ).fetchall()
        ]
    for place in (asked, f"{LEASE}{asked}"):
        if place in tables or place in campaigns:
            return place
    raise BreachError(
        f"{asked!r} is no place that Kigen knows; there are the tables {', '.join(sorted(tables))}, "
        f"and the leases {', '.join(campaigns) or 'of no campaign'}."
    )


def _answer(connection: duckdb.DuckDBPyConnection, project: Project, place: str) -> dict[str, Any]:
    """Return the row of the breach view about a place, as fields of Breach."""
    view = project.relation("breach_view")
    result = connection.execute(f"select * from {view} where place = ?", [place])
    names = [column[0] for column in result.description or ()]
    row = dict(zip(names, result.fetchall()[0], strict=True))
    for name in ("data_categories", "sensitive_categories"):
        row[name] = None if row[name] is None else tuple(row[name])
    row["recipients"] = tuple(Recipient(**each) for each in row["recipients"] or ())
    return row


def _persons(project: Project, row: Mapping[str, Any], pads: Pads) -> tuple[str, str]:
    """Return SQL for the digests of who is to be told, and their key; no SQL where nobody knows."""
    place = str(row["place"])
    if row["place_kind"] == "table":
        made = digest_sql("persons.email", pads)
        return (
            f"select {made} as contact_digest from (select distinct email from "
            f"{project.relation('record_persons')} where table_name = {literal(place)} "
            "and email is not null) as persons cross join kigen_key.pads as pads order by all",
            pads.key_id,
        )
    settings, campaign = project.settings, place.removeprefix(LEASE)
    lease = {each.terms.campaign_id: each for each in leases_of(settings, pads)}.get(campaign)
    if lease is None and (broken := broken_of(settings, pads).get(campaign)):
        raise BreachError(broken)
    file = digests_path(settings, campaign)
    if lease is None or not file.exists():
        return "", pads.key_id
    digests = literal(str(file))
    query = f"select distinct contact_digest from read_parquet({digests}) order by all"
    return query, lease.key_id


def _id_of(place: str, as_of: datetime) -> str:
    return f"{re.sub(r'[^A-Za-z0-9._-]', '-', place)}-{as_of:%Y%m%dT%H%M%S}"


# How it is kept.


def _count(connection: duckdb.DuckDBPyConnection, file: Path) -> int:
    counted = connection.execute("select count(*) from read_parquet(?)", [str(file)]).fetchall()
    return int(counted[0][0])


def _list_digest(breach_id: str, file_digest: str) -> str:
    """Return what is approved: the same persons after another leak are another list."""
    if not file_digest:
        return ""
    return hashlib.sha256(f"breach list\t{breach_id}\t{file_digest}".encode()).hexdigest()


def _expect_whole(settings: Settings, breach: Breach) -> None:
    """Refuse a list that is not the one that was frozen. Raises BreachError."""
    file = folder_of(settings, breach) / _PERSONS
    if not breach.list_digest:
        raise BreachError(f"Breach {breach.breach_id} has no list. {_whom(breach)}")
    if not file.exists():
        raise BreachError(
            f"The list of breach {breach.breach_id} is not there any more; ask `kigen breach "
            f"{breach.place}` anew."
        )
    if sha256_of(file) != breach.file_digest:
        raise BreachError(
            f"{file} is not the list that was frozen; ask `kigen breach {breach.place}` anew."
        )


def _read(folder: Path, pads: Pads) -> Breach:
    """Read an answer. Raises BreachError where it is not the one that was written."""
    file = folder / _RECORD
    try:
        record = read_sealed(file, "breach", pads)
        if record.pop("version") != _VERSION or record["breach_id"] != folder.name:
            raise ValueError("it is of another folder or version")
        for name in ("data_categories", "sensitive_categories"):
            record[name] = None if record[name] is None else tuple(record[name])
        record["recipients"] = tuple(
            Recipient(**{**each, **moments_of(each, ("issued_at", "expires_at", "removed_at"))})
            for each in record["recipients"]
        )
        moments = moments_of(record, ("as_of", "frozen_at", "oldest_at", "newest_at"))
        return Breach(**{**record, **moments})
    except (SealError, ValueError, KeyError, TypeError, AttributeError):
        raise BreachError(
            f"{file} is not the record that was written for this breach, or was made with another "
            "key; put it back from your backup, or take the folder away and ask anew."
        ) from None
