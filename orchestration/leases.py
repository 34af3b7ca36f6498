"""Audiences handed over for a campaign: written once, for a time, and looked after until they go.

A lease is a folder ``KIGEN_HOME/leases/<campaign>/``: the recipients' file, the keyed digests of
their contacts, and ``lease.json``, which says for what it was handed over, by whom and until
when, under a seal that only the holder of the key can make. It appears whole or not at all, and a
campaign has one: who asks again gets the same. After its time the files with addresses go; the
record and the digests stay, and so nobody is handed a second set.

Architecture invariant: no address leaves the files of its own lease; records, messages and the
tables of the schema ``delivery`` hold names, counts, times and keyed digests.
"""

import dataclasses
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import duckdb

from orchestration.declarations import PolicyError, parse_period
from orchestration.durable import sha256_of, sync, write_whole
from orchestration.keys import Pads, digest_as_of_key, digest_sql
from orchestration.notices import (
    check_log,
    merge_columns,
    message_log_of,
    notice_files,
    other_class_of,
    texts_of,
    write_into_log,
)
from orchestration.project import Project
from orchestration.seals import as_record, folders_of, moments_of, read_sealed, write_sealed
from orchestration.settings import Settings, format_moment
from orchestration.translator import kigen_of
from orchestration.warehouse import (
    DELIVERY_SOURCE,
    connect,
    create_declared,
    has_table,
    literal,
    replace_rows,
)

FORMATS: Final = ("csv", "parquet")
PERIOD: Final = "P7D"
"""How long a lease runs where nobody says otherwise."""

RECORD_PERIOD: Final = "P3Y"
"""How long the recipients' digests outlive a lease, as the log of what was sent does."""

LEGAL_NOTICE_CLASS: Final = "legal_notice"

_CAMPAIGN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RECORD: Final = "lease.json"
_DIGESTS: Final = "digests.parquet"
_VERSION: Final = 1
_MOMENTS: Final = ("as_of", "expires_at", "issued_at", "removed_at", "noticed_at")


class DeliveryError(ValueError):
    """A hand-over that is refused; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Terms:
    """For what an audience is handed over. The same campaign has the same terms for ever."""

    campaign_id: str
    audience: str
    purpose: str
    message_class: str
    file_format: str
    period: str
    """ISO 8601: how long the file may lie there."""
    breach_id: str = ""
    """Of a legal notice: the breach whose frozen list it is for."""


@dataclass(frozen=True, slots=True)
class Lease:
    """What was handed over."""

    terms: Terms
    as_of: datetime
    """T: the moment it was judged by."""
    expires_at: datetime
    issued_at: datetime
    issued_by: str
    recipients: int
    file_digest: str
    key_id: str
    """The key of its digests and of its seal."""
    removed_at: datetime | None = None
    """T of the sweep that took its files away."""
    noticed_at: datetime | None = None
    """Of a deletion notice: the moment that its grace runs from, once the log of what was sent has it."""

    @property
    def file_name(self) -> str:
        """The name of the recipients' file in the lease's folder."""
        return f"recipients.{self.terms.file_format}"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a lease stands: what is wrong with its files, and who must not be written to any more."""

    lease: Lease
    problems: tuple[str, ...]
    revoked: int


def audiences_of(project: Project) -> dict[str, Mapping[str, Any]]:
    """Return the audiences of a project by name: what each declares, and its node."""
    found: dict[str, Mapping[str, Any]] = {}
    for node in project.manifest["nodes"].values():
        if node["resource_type"] == "model" and kigen_of(node).get("message_class"):
            found[str(node["name"])] = node
    return dict(sorted(found.items()))


def terms_of(
    project: Project,
    campaign: str,
    audience: str,
    purpose: str,
    file_format: str,
    period: str,
    breach_id: str = "",
) -> Terms:
    """Return the terms of a hand-over; an empty purpose is the audience's own.

    Raises DeliveryError where they cannot be: an audience is for one purpose and one message
    class, and no campaign can make it another.
    """
    if not _CAMPAIGN.fullmatch(campaign):
        raise DeliveryError(
            f"The campaign id is {campaign!r}; write up to 64 letters, digits, points, hyphens and "
            "underscores, with a letter or a digit first."
        )
    audiences = audiences_of(project)
    if audience not in audiences:
        raise DeliveryError(
            f"There is no audience {audience!r}; there are: {', '.join(audiences) or 'none'}."
        )
    declared = kigen_of(audiences[audience])
    if purpose and purpose != declared["purpose"]:
        raise DeliveryError(
            f"{audience} is for {declared['purpose']} (message class {declared['message_class']}), "
            f"and not for {purpose}: who may get the one need not want the other. Name an audience "
            "that is for it."
        )
    if declared["message_class"] == LEGAL_NOTICE_CLASS and not breach_id:
        raise DeliveryError(
            f"{audience} is a legal notice, which needs a list somebody approved: `kigen breach` "
            "freezes one, `kigen approve` approves it, and --breach names it."
        )
    if breach_id and declared["message_class"] != LEGAL_NOTICE_CLASS:
        raise DeliveryError(
            f"{audience} is of message class {declared['message_class']}, and the list of a breach "
            "is for a legal notice only; leave --breach out, or name an audience that is one."
        )
    if file_format not in FORMATS:
        raise DeliveryError(f"The format is {file_format!r}; allowed: {', '.join(FORMATS)}.")
    try:
        if parse_period(period).added_to(datetime(2000, 1, 1)) <= datetime(2000, 1, 1):
            raise PolicyError("is no time at all")
    except PolicyError as error:
        raise DeliveryError(
            f"The lease is to run {period!r}, which {str(error).removeprefix(f'{period!r} ')}."
        ) from None
    return Terms(
        campaign, audience, declared["purpose"], declared["message_class"], file_format, period,
        breach_id,
    )  # fmt: skip


def notice_of(project: Project, terms: Terms) -> str | None:
    """Return the kind of notice that handing an audience over is; None where it is none."""
    audience = audiences_of(project).get(terms.audience)
    return (
        str(kigen_of(audience)["notice"]) if audience and kigen_of(audience).get("notice") else None
    )


def is_open_notice(project: Project, lease: Lease) -> bool:
    """Return whether a notice was handed over, and the log that starts its grace has it not yet."""
    log = message_log_of(project)
    return (
        lease.noticed_at is None
        and lease.removed_at is None
        and notice_of(project, lease.terms) is not None
        and log is not None
        and log.is_written_by_hand_over
    )


def expect_notice(project: Project, terms: Terms, as_of: datetime, pads: Pads) -> None:
    """Refuse a notice that could not be sent, or would be sent to people who are getting another.

    Raises NoticeError where its text is no notice, or the log cannot keep it; DeliveryError where
    another notice was handed over and its grace has not begun: nobody knows whether it was sent.
    """
    if notice_of(project, terms) is None:
        return
    texts_of(project)
    log = message_log_of(project)
    if log is None or not log.is_written_by_hand_over:
        return
    with connect(project.settings, read_only=True) as connection:
        check_log(connection, log)
    for other in leases_of(project.settings, pads):
        is_running = other.expires_at > as_of and other.terms.campaign_id != terms.campaign_id
        if is_running and is_open_notice(project, other):
            raise DeliveryError(
                f"Campaign {other.terms.campaign_id} is a notice that was handed over and is not in "
                f"{log.name} yet: its hand-over was interrupted. Ask for it again with its own terms "
                "first; until then nobody can say who has had a notice."
            )


def expect_message_class(project: Project, terms: Terms) -> None:
    """Refuse a campaign that stands in the log of what was sent under another message class."""
    with connect(project.settings, read_only=True) as connection:
        other = other_class_of(connection, project, terms.campaign_id, terms.message_class)
    if other is not None:
        raise DeliveryError(
            f"Campaign {terms.campaign_id} was sent before with another message class than "
            f"{terms.message_class}, the log of what was sent says. A campaign never changes its "
            "message class; name another campaign."
        )


def lease_of(project: Project, terms: Terms, as_of: datetime, pads: Pads) -> Lease | None:
    """Return the lease a campaign has, or None. Raises DeliveryError where it has another.

    Another audience, purpose, format or time would be a second set of recipients, or the first
    one for longer; and what has gone by T `as_of` is not handed over once more.
    """
    folder = project.settings.leases / terms.campaign_id
    if not folder.exists():
        return None
    lease = _read(folder, pads)
    differing = [
        f"{field.name} {getattr(lease.terms, field.name)!r}, not {getattr(terms, field.name)!r}"
        for field in dataclasses.fields(Terms)
        if getattr(lease.terms, field.name) != getattr(terms, field.name)
    ]
    if differing:
        raise DeliveryError(
            f"Campaign {terms.campaign_id} was handed over before, with {'; '.join(differing)}. A "
            "campaign has one set of recipients; name another campaign."
        )
    if lease.removed_at is not None or lease.expires_at <= as_of:
        raise DeliveryError(
            f"The lease of campaign {terms.campaign_id} ran until "
            f"{format_moment(lease.expires_at)} UTC. A campaign is handed over once; name another."
        )
    return lease


def issue(
    project: Project,
    terms: Terms,
    as_of: datetime,
    issued_at: datetime,
    issued_by: str,
    pads: Pads,
    listed: str = "",
) -> Lease:
    """Write the lease of a campaign from its audience as it stands in the warehouse.

    Whoever writes it must have built the audience by T `as_of` just before. `listed` is SQL over
    its rows: of a legal notice, who is on the approved list. Two that come at the same time end up
    with one lease. Raises DeliveryError and WarehouseError.
    """
    if (terms.message_class == LEGAL_NOTICE_CLASS) != bool(listed):
        raise DeliveryError(f"{terms.audience} and an approved list do not go together.")
    node = audiences_of(project)[terms.audience]
    contact = f'"{kigen_of(node)["contact"]}"'
    leases = project.settings.leases
    leases.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = leases / f".{terms.campaign_id}.{secrets.token_hex(8)}"
    unfinished.mkdir(mode=0o700)
    try:
        relation = str(node["relation_name"])
        if listed:
            relation = f"(select * from {relation} where {listed}) as listed"
        file = unfinished / f"recipients.{terms.file_format}"
        options = "format csv, header" if terms.file_format == "csv" else "format parquet"
        with connect(project.settings, read_only=True) as connection:
            rows = f"select * from {relation}"
            if notice_of(project, terms) is not None:
                rows = merge_columns(project, relation, connection)
                for language, text in texts_of(project).items():
                    write_whole(unfinished / f"notice.{language}.txt", text)
            connection.execute(
                f"copy ({rows} order by {contact}) to {literal(str(file))} ({options})"
            )
            connection.execute(
                f"copy (select {digest_sql(f'cast({contact} as varchar)', pads)} as contact_digest "
                f"from {relation} cross join kigen_key.pads order by all) "
                f"to {literal(str(unfinished / _DIGESTS))} (format parquet)"
            )
            recipients = connection.execute(f"select count(*) from {relation}").fetchall()[0][0]
        lease = Lease(
            terms=terms,
            as_of=as_of,
            expires_at=parse_period(terms.period).added_to(as_of),
            issued_at=issued_at,
            issued_by=issued_by,
            recipients=int(recipients),
            file_digest=sha256_of(file),
            key_id=pads.key_id,
        )
        for path in (file, unfinished / _DIGESTS):
            path.chmod(0o600)
            sync(path)
        _write(unfinished, lease, pads)
        try:
            unfinished.rename(leases / terms.campaign_id)
        except OSError:
            # Another was first: its lease is the one.
            first = lease_of(project, terms, as_of, pads)
            if first is None:
                raise
            return first
        sync(leases)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return lease


def start_grace(project: Project, lease: Lease, as_of: datetime, pads: Pads) -> tuple[Lease, int]:
    """Write the notices of a lease into the log of what was sent; from T `as_of` their grace runs.

    Only to those who may still get one: the audience must have been built by that T just before.
    Killed before the end and called again it adds nobody twice; and what a restored backup has
    forgotten since is written again, with the moment it was sent. Returns the lease, and how many
    notices were written now. Raises DeliveryError where the file is not the one handed over.
    """
    log, kind = message_log_of(project), notice_of(project, lease.terms)
    if log is None or kind is None or not log.is_written_by_hand_over or lease.removed_at:
        return lease, 0
    file = path_of(project.settings, lease)
    if not file.exists() or sha256_of(file) != lease.file_digest:
        if lease.noticed_at is not None:
            return lease, 0
        raise DeliveryError(
            f"{file} is not the file that was handed over, and whom its notice reached cannot be "
            "told: nobody's grace begins. Hand the notice over as another campaign."
        )
    node = audiences_of(project)[lease.terms.audience]
    contact = f'"{kigen_of(node)["contact"]}"'
    with connect(project.settings, read_only=False) as connection:
        written = write_into_log(
            connection,
            log,
            pads,
            rows=_rows_sql(project.settings, lease),
            contact=contact,
            is_still=f"select cast({contact} as varchar) from {node['relation_name']} "
            f"where {contact} is not null",
            campaign=lease.terms.campaign_id,
            message_class=lease.terms.message_class,
            kind=kind,
            sent_at=lease.noticed_at or as_of,
        )
    if lease.noticed_at is not None:
        return lease, written
    begun = dataclasses.replace(lease, noticed_at=as_of)
    _write(project.settings.leases / lease.terms.campaign_id, begun, pads)
    return begun, written


def path_of(settings: Settings, lease: Lease) -> Path:
    """Return where the recipients' file of a lease lies."""
    return settings.leases / lease.terms.campaign_id / lease.file_name


def revoke_path(settings: Settings, lease: Lease) -> Path:
    """Return where the list of those lies who must not be written to any more."""
    return settings.leases / lease.terms.campaign_id / f"revoke.{lease.terms.file_format}"


def digests_path(settings: Settings, campaign: str) -> Path:
    """Return where the keyed digests of a campaign's recipients lie, while they are kept."""
    return settings.leases / campaign / _DIGESTS


def leases_of(settings: Settings, pads: Pads) -> tuple[Lease, ...]:
    """Return every lease there ever was, by campaign; what nobody can read is in `broken_of`."""
    broken = broken_of(settings, pads)
    return tuple(
        _read(folder, pads) for folder in folders_of(settings.leases) if folder.name not in broken
    )


def leases_with(
    connection: duckdb.DuckDBPyConnection, settings: Settings, contacts: Iterable[str], pads: Pads
) -> tuple[Lease, ...]:
    """Return the leases that were handed over with one of these contacts, as long as we know."""
    asked = tuple(contacts)
    return tuple(
        lease
        for lease in leases_of(settings, pads)
        if (file := settings.leases / lease.terms.campaign_id / _DIGESTS).exists()
        and connection.execute(
            "select 1 from read_parquet(?) where contact_digest in (select unnest(?::varchar[])) limit 1",
            [str(file), [digest_as_of_key(contact, pads, lease.key_id) for contact in asked]],
        ).fetchall()
    )


def broken_of(settings: Settings, pads: Pads) -> dict[str, str]:
    """Return the folders whose record is not the one that was written, and what to do, by name."""
    broken = {}
    for folder in folders_of(settings.leases):
        try:
            _read(folder, pads)
        except DeliveryError as error:
            broken[folder.name] = str(error)
    return broken


def expire(
    settings: Settings, as_of: datetime, pads: Pads, record_period: str = RECORD_PERIOD
) -> tuple[Lease, ...]:
    """Take away the files of every lease whose time is up by T; look that they are gone.

    Returns those whose files went now. The digests of the recipients stay for `record_period`
    (ISO 8601) after that, the record for good: a campaign is not handed over twice. Raises
    DeliveryError where a file cannot be removed, and, once all else is done, where a record is
    not to be read: nobody knows when its files have to go.
    """
    gone = []
    for lease in leases_of(settings, pads):
        if parse_period(record_period).added_to(lease.expires_at) <= as_of:
            (settings.leases / lease.terms.campaign_id / _DIGESTS).unlink(missing_ok=True)
        if lease.removed_at is not None or lease.expires_at > as_of:
            continue
        folder = settings.leases / lease.terms.campaign_id
        for path in sorted(folder.iterdir()):
            if path.name in (_RECORD, _DIGESTS):
                continue
            try:
                path.unlink()
            except OSError as error:
                raise DeliveryError(
                    f"{path} cannot be removed ({type(error).__name__}), and its lease has ended."
                ) from None
        sync(folder)
        ended = dataclasses.replace(lease, removed_at=as_of)
        _write(folder, ended, pads)
        gone.append(ended)
    if broken := broken_of(settings, pads):
        raise DeliveryError(" ".join(broken.values()))
    return tuple(gone)


def look_after(project: Project, pads: Pads) -> tuple[Standing, ...]:
    """Hold every lease against the audiences as they stand, and against its own record.

    Whoever is in the file of a lease and would not be handed over today is written into the
    lease's revoke list, for the delivery tool. Raises DeliveryError and WarehouseError.
    """
    settings = project.settings
    leases = leases_of(settings, pads)
    standings = []
    with connect(settings, read_only=True) as connection:
        for lease in leases:
            revoked = 0
            if lease.removed_at is None and path_of(settings, lease).exists():
                revoked = _revoke(connection, project, lease)
            standings.append(Standing(lease, tuple(_problems(project, lease, leases)), revoked))
    return tuple(standings)


def expect_unknown(project: Project, campaign: str) -> None:
    """Refuse a campaign that the warehouse remembers and whose lease is not in its folder."""
    with connect(project.settings, read_only=True) as connection:
        if not has_table(connection, DELIVERY_SOURCE, "leases"):
            return
        rows = connection.execute(
            f"select issued_at from {DELIVERY_SOURCE}.leases where campaign_id = ?", [campaign]
        ).fetchall()
    if rows:
        raise DeliveryError(
            f"Campaign {campaign} was handed over at {format_moment(rows[0][0])} UTC, and its lease "
            f"is not in {project.settings.leases} any more. A campaign is handed over once; put the "
            "folder back, or name another campaign."
        )


def keep(project: Project, standings: tuple[Standing, ...], pads: Pads) -> None:
    """Write the leases into the schema `delivery`, as SQL and the proofs read them.

    A lease that is there and whose folder is not stays, with that as its problem; so does a
    folder whose record nobody can read.
    """
    broken = broken_of(project.settings, pads)
    with connect(project.settings, read_only=False) as connection:
        connection.execute("begin")
        create_declared(connection, project.manifest, DELIVERY_SOURCE, "leases")
        rows: list[tuple[Any, ...]] = [
            (
                each.lease.terms.campaign_id, each.lease.terms.audience, each.lease.terms.purpose,
                each.lease.terms.message_class, each.lease.terms.file_format, each.lease.file_digest,
                each.lease.recipients, each.lease.as_of, each.lease.issued_at, each.lease.issued_by,
                each.lease.expires_at, each.lease.removed_at, each.revoked,
                "; ".join(each.problems) or None,
            )
            for each in standings
        ]  # fmt: skip
        known = {row[0] for row in rows}
        for row in connection.execute(f"select * from {DELIVERY_SOURCE}.leases").fetchall():
            if row[0] not in known:
                problem = "its record was altered" if row[0] in broken else "its folder is gone"
                rows.append((*row[:-1], problem))
                known.add(row[0])
        declared = project.manifest["sources"][f"source.kigen.{DELIVERY_SOURCE}.leases"]["columns"]
        blank = (None,) * (len(declared) - 2)
        rows += [(name, *blank, "its record was altered") for name in broken.keys() - known]
        replace_rows(connection, f"{DELIVERY_SOURCE}.leases", rows)
        connection.execute("commit")


def _revoke(connection: duckdb.DuckDBPyConnection, project: Project, lease: Lease) -> int:
    """Write the revoke list of a lease, and return how many it has; without any there is none."""
    settings, path = project.settings, revoke_path(project.settings, lease)
    audience = audiences_of(project).get(lease.terms.audience)
    rows = _rows_sql(settings, lease)
    unfinished = path.with_name(f".{path.name}")
    if audience is None:
        query = f"select * from {rows}"
    else:
        contact = f'"{kigen_of(audience)["contact"]}"'
        stands = f"select cast({contact} as varchar) from {audience['relation_name']} where {contact} is not null"
        if model := kigen_of(audience).get("stands_by"):
            stands = f"select contact from {project.relation(model)} where contact is not null"
        query = (
            f"select * from {rows} as lease where cast(lease.{contact} as varchar) not in "
            f"({stands}) or lease.{contact} is null"
        )
    options = "format csv, header" if lease.terms.file_format == "csv" else "format parquet"
    try:
        count = int(connection.execute(f"select count(*) from ({query})").fetchall()[0][0])
        connection.execute(f"copy ({query}) to {literal(str(unfinished))} ({options})")
    except duckdb.Error:
        # A hand has been in it: nobody in it may be taken for somebody who was handed over.
        unfinished.unlink(missing_ok=True)
        return lease.recipients
    unfinished.chmod(0o600)
    if count:
        unfinished.replace(path)
    else:
        unfinished.unlink()
        path.unlink(missing_ok=True)
    sync(path.parent)
    return count


def _rows_sql(settings: Settings, lease: Lease) -> str:
    """Return SQL for the rows of a lease's file."""
    file = literal(str(path_of(settings, lease)))
    if lease.terms.file_format == "csv":
        return f"read_csv({file}, all_varchar = true, header = true, delim = ',', quote = '\"')"
    return f"read_parquet({file})"


def _problems(project: Project, lease: Lease, leases: tuple[Lease, ...]) -> Iterator[str]:
    """Yield what is wrong with the files of a lease."""
    settings = project.settings
    folder = settings.leases / lease.terms.campaign_id
    file = path_of(settings, lease)
    known = {_RECORD, _DIGESTS, file.name, revoke_path(settings, lease).name, *notice_files()}
    for path in sorted(folder.iterdir()):
        if path.name not in known:
            yield f"{path.name} lies beside it, and nobody handed it over"
    if lease.removed_at is not None:
        if file.exists():
            yield f"{file.name} is back after its end"
        return
    if not file.exists():
        yield f"{file.name} is gone before its end"
        return
    if is_open_notice(project, lease):
        yield "its notices are not in the log of what was sent yet; ask for the campaign again"
    status = file.stat()
    if sha256_of(file) != lease.file_digest:
        yield f"{file.name} was altered"
    if status.st_nlink > 1:
        yield f"{file.name} has another name elsewhere on the disk"
    if status.st_mode & 0o077:
        yield f"{file.name} may be read by others than its owner"
    for other in leases:
        if other is not lease and other.file_digest == lease.file_digest:
            # Two campaigns for the same people on the same day are no copy of each other.
            continue
        if other is not lease and _is_same_file(path_of(settings, other), lease.file_digest):
            yield f"its copy lies in the lease of campaign {other.terms.campaign_id}"


def _is_same_file(path: Path, file_digest: str) -> bool:
    return path.exists() and sha256_of(path) == file_digest


def _write(folder: Path, lease: Lease, pads: Pads) -> None:
    write_sealed(folder / _RECORD, "lease", as_record(lease, _VERSION), pads)


def _read(folder: Path, pads: Pads) -> Lease:
    """Read the record of a lease. Raises DeliveryError where it is not the one that was written."""
    file = folder / _RECORD
    try:
        record = read_sealed(file, "lease", pads)
        return Lease(
            **{
                **{k: v for k, v in record.items() if k != "version"},
                **moments_of(record, _MOMENTS),
                "terms": Terms(**record["terms"]),
            }
        )
    except (ValueError, KeyError, TypeError):
        raise DeliveryError(
            f"{file} is not the record that was written for this lease, or was made with another "
            "key. Nobody can say for whom its files are: take the folder away, or put the record "
            "back from your backup."
        ) from None
