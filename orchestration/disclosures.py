"""Requests of people to see what is held on them: answered once, for a time, and noted as done.

A disclosure is a folder ``KIGEN_HOME/disclosures/<request>/``: ``disclosure.json`` and
``disclosure.html`` with everything that is held on one person, and ``record.json``, which says for
which request, by whom, when and until when, under a seal that only the holder of the key can make.
It appears whole or not at all. Then the request's own row is closed; asking again completes what
was killed between the two, and gives the same files back while they lie there.

Architecture invariant: without a verified identity nothing of a person is read. No value leaves the
two files: records, messages and metadata hold names of tables, keys of requests, counts and times.
"""

import dataclasses
import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import duckdb

from orchestration.declarations import GovernedTable, parse_period
from orchestration.durable import sha256_of, sync, write_whole
from orchestration.keys import Pads
from orchestration.pages import templates
from orchestration.person import PersonError, find_person, held_on
from orchestration.project import Project
from orchestration.seals import (
    SealError,
    as_record,
    folders_of,
    moments_of,
    read_sealed,
    write_sealed,
)
from orchestration.settings import Settings, format_moment, utc_now
from orchestration.warehouse import connect, quoted

PERIOD: Final = "P30D"
"""How long the files of a disclosure lie there, where the policy says nothing else."""

PERIOD_SETTING: Final = "disclosure_period"
OUTCOME: Final = "disclosed"
"""What Kigen writes into the request's row."""

FILES: Final = ("disclosure.json", "disclosure.html")
_RECORD: Final = "record.json"
_VERSION: Final = 1
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


class DisclosureError(ValueError):
    """A disclosure that is refused; the message says what to do, and nothing of the person."""


@dataclass(frozen=True, slots=True)
class RequestName:
    """A request: the table it stands in, and its key."""

    table: GovernedTable
    key: str

    def __str__(self) -> str:
        return f"{self.table.name}:{self.key}"


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What was disclosed: its record, which outlives the files."""

    table_name: str
    request_key: str
    as_of: datetime
    """T: the moment it was made by."""
    made_at: datetime
    made_by: str
    expires_at: datetime
    records: Mapping[str, int]
    """How many records of each table."""
    left_out: Mapping[str, int]
    """Records that may be another's: why, and how many."""
    file_digests: Mapping[str, str]
    """SHA-256 of each file as it was written."""
    key_id: str
    removed_at: datetime | None = None
    """T of the sweep that took its files away."""


def request_named(project: Project, text: str) -> RequestName:
    """Read ``12``, or ``shop.erasure_requests:12`` where several tables hold requests.

    Raises DisclosureError; what was typed is not repeated, for it may be anything.
    """
    tables = {
        table.name: table for table in project.declarations.governed.values() if table.requests
    }
    if not tables:
        raise DisclosureError(
            "No source says `meta.kigen.requests`, so there is no request to disclose by."
        )
    name, colon, key = text.partition(":")
    if colon and name in tables:
        table = tables[name]
    elif len(tables) == 1:
        ((table, key),) = ((each, text) for each in tables.values())
    else:
        raise DisclosureError(
            f"Requests stand in {', '.join(tables)}; write the table, too, as {min(tables)}:12."
        )
    if not key.strip():
        raise DisclosureError(f"Name the key of a request in {table.name}, as {table.name}:12.")
    columns = table.requests
    missing = [
        column
        for column in ((columns.closed_at, columns.outcome) if columns else ())
        if column not in table.columns
    ]
    if missing:
        raise DisclosureError(
            f"{table.name} has no column {', '.join(missing)}, so that a disclosure could not be noted "
            f"as done; say in {table.file} which columns are, as `requests: {{closed_at: …, outcome: "
            "…}`."
        )
    return RequestName(table, key)


def expect_there(project: Project, request: RequestName) -> None:
    """Refuse a request that does not stand in its table, or stands there twice."""
    with connect(project.settings, read_only=True) as connection:
        _is_open(connection, request)


def folder_of(settings: Settings, request: RequestName) -> Path:
    """Return where the disclosure of a request lies; its name is one a file may have."""
    name = f"{request.table.name}-{request.key}"
    if not _PLAIN_NAME.fullmatch(name):
        digest = hashlib.sha256(str(request).encode()).hexdigest()[:16]
        name = f"{re.sub(r'[^A-Za-z0-9_.-]', '_', name)[:60].lstrip('.-')}-{digest}"
    return settings.disclosures / name


def disclosure_of(
    settings: Settings, request: RequestName, as_of: datetime, pads: Pads
) -> Disclosure | None:
    """Return the disclosure a request has, or None.

    Raises DisclosureError where its time is up by T, or its files are not those that were written.
    """
    folder = folder_of(settings, request)
    if not folder.exists():
        return None
    disclosure = _read(folder, pads)
    if (disclosure.table_name, disclosure.request_key) != (request.table.name, request.key):
        raise DisclosureError(f"{folder} is that of another request; move it away, and ask again.")
    if disclosure.removed_at is not None or disclosure.expires_at <= as_of:
        raise DisclosureError(
            f"Request {request} was answered; its files lay there until "
            f"{format_moment(disclosure.expires_at)} UTC. Who wants to see more asks anew."
        )
    for name, digest in disclosure.file_digests.items():
        file = folder / name
        if not file.exists() or sha256_of(file) != digest:
            raise DisclosureError(
                f"{file} is not the file that was written for request {request}; put it back from your "
                "backup, or let the person ask anew."
            )
    return disclosure


def issue(
    project: Project, request: RequestName, as_of: datetime, made_by: str, pads: Pads
) -> Disclosure:
    """Write what is held on the person a request names, from the warehouse as it stands.

    Whoever calls it must have built the models by T `as_of` just before. Raises DisclosureError
    where it may not be disclosed, before anything of the person is read, and WarehouseError.
    """
    settings = project.settings
    if as_of > utc_now():
        raise DisclosureError(
            f"T is {format_moment(as_of)} UTC, later than now, and an identity that will be verified is "
            "none; name a past moment, or none (KIGEN_AS_OF)."
        )
    expires_at = parse_period(project.declarations.settings.get(PERIOD_SETTING, PERIOD)).added_to(
        as_of
    )
    with connect(settings, read_only=True) as connection:
        asked = _asked(connection, project, request)
        try:
            person = find_person(connection, project, asked["subject_key"], asked["contact"])
        except PersonError as error:
            raise DisclosureError(
                f"Request {request} is not disclosed: {error}. Who verifies the identity names the "
                "accounts; correct the request, and ask again."
            ) from None
        held = held_on(connection, project, person, pads)
    governed = project.declarations.governed
    # That somebody asked is no knowledge of who they are.
    known = [name for name in held.tables if governed[name].requests is None]
    if not known and not held.document["memory"] and not held.document["suppressions"]:
        raise DisclosureError(
            f"Request {request} finds nobody: no governed table has a row of whom it names. See whether "
            "it names the right account, and correct it; if nothing is held on them, close it so."
        )
    document = {
        "version": _VERSION,
        "request": {
            "table": request.table.name,
            "key": request.key,
            **{
                name: _moment_text(asked[name])
                for name in ("requested_at", "verified_at", "due_at")
            },
        },
        "as_of": format_moment(as_of),
        "available_until": format_moment(expires_at),
        **held.document,
    }
    texts = {
        "disclosure.json": json.dumps(document, indent=2, ensure_ascii=False) + "\n",
        "disclosure.html": templates(autoescape=True)
        .get_template("disclosure.html.jinja")
        .render(disclosure=document),
    }
    disclosure = Disclosure(
        table_name=request.table.name,
        request_key=request.key,
        as_of=as_of,
        made_at=utc_now(),
        made_by=made_by,
        expires_at=expires_at,
        records=held.tables,
        left_out=held.left_out,
        file_digests={
            name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()
        },
        key_id=pads.key_id,
    )
    return _place(settings, request, disclosure, texts, pads)


def close(project: Project, request: RequestName, as_of: datetime) -> bool:
    """Note in the request's own row that it was disclosed by T; returns whether it was open.

    The only two columns of a raw table that Kigen writes outside a purge, as the source declares
    them. Raises DisclosureError and WarehouseError.
    """
    columns = request.table.requests
    if columns is None:
        raise DisclosureError(f"{request.table.name} holds no requests.")
    with connect(project.settings, read_only=False) as connection:
        connection.execute("begin")
        if not _is_open(connection, request):
            connection.execute("rollback")
            return False
        connection.execute(
            f"update {request.table.relation_name} set {quoted(columns.closed_at)} = ?, "
            f"{quoted(columns.outcome)} = ? where {_key_sql(request.table)} = ?",
            [as_of, OUTCOME, request.key],
        )
        connection.execute("commit")
    return True


def expire(settings: Settings, as_of: datetime, pads: Pads) -> tuple[Disclosure, ...]:
    """Take away the files of every disclosure whose time is up by T; look that they are gone.

    Returns those whose files went now; a file that came back goes, too. The record stays. Raises
    DisclosureError where a file cannot be removed, and, once all else is done, where a record is
    not to be read: nobody knows when its files have to go.
    """
    gone, broken = [], []
    for folder in folders_of(settings.disclosures):
        try:
            disclosure = _read(folder, pads)
        except DisclosureError as error:
            broken.append(str(error))
            continue
        if disclosure.expires_at > as_of:
            continue
        for path in sorted(folder.iterdir()):
            if path.name == _RECORD:
                continue
            try:
                path.unlink()
            except OSError as error:
                raise DisclosureError(
                    f"{path} cannot be removed ({type(error).__name__}), and its time is up."
                ) from None
        sync(folder)
        left = [path.name for path in folder.iterdir() if path.name != _RECORD]
        if left:
            raise DisclosureError(f"{folder} still holds {', '.join(sorted(left))}.")
        if disclosure.removed_at is None:
            ended = dataclasses.replace(disclosure, removed_at=as_of)
            write_sealed(folder / _RECORD, "disclosure", as_record(ended, _VERSION), pads)
            gone.append(ended)
    if broken:
        raise DisclosureError(" ".join(broken))
    return tuple(gone)


def _asked(
    connection: duckdb.DuckDBPyConnection, project: Project, request: RequestName
) -> dict[str, Any]:
    """Return what a request names, if it may be disclosed; else refuse. Reads the request only."""
    names = (
        "subject_key", "contact", "kind", "requested_at", "verified_at", "due_at", "closed_at", "standing",
    )  # fmt: skip
    is_open = _is_open(connection, request)
    rows = connection.execute(
        f"select {', '.join(names)} from {project.relation('request_standings')} "
        "where table_name = ? and request_key = ?",
        [request.table.name, request.key],
    ).fetchall()
    if len(rows) != 1:
        raise DisclosureError(
            f"Request {request} does not exist at T, or its table is contributed to `requests` by no "
            "model (docs/requests.md)."
        )
    asked = dict(zip(names, rows[0], strict=True))
    if asked["kind"] != "disclose":
        raise DisclosureError(
            f"Request {request} is none to disclose (its kind is another), and nothing is disclosed by it."
        )
    if not is_open or asked["closed_at"] is not None:
        raise DisclosureError(
            f"Request {request} is closed, and a closed one is not disclosed; let the person ask anew."
        )
    if asked["standing"] == "unclear":
        raise DisclosureError(
            f"Request {request} has a value that cannot be read, so that nobody can say whose it is; "
            "correct its row, and ask again."
        )
    if asked["verified_at"] is None:
        raise DisclosureError(
            f"The identity behind request {request} is not verified by T, and without that nothing is "
            "disclosed; verify it, write when into its row, and ask again."
        )
    return asked


def _is_open(connection: duckdb.DuckDBPyConnection, request: RequestName) -> bool:
    """Return whether the row of a request says nothing of being closed, at whatever time.

    Raises DisclosureError unless it is one row.
    """
    columns = request.table.requests
    closed_at = quoted(columns.closed_at) if columns else "null"
    rows = connection.execute(
        f"select coalesce(cast({closed_at} as varchar), '') = '' from {request.table.relation_name} "
        f"where {_key_sql(request.table)} = ?",
        [request.key],
    ).fetchall()
    if len(rows) > 1:
        raise DisclosureError(
            f"Request {request} stands {len(rows)} times in its table, and nobody can tell which is "
            "meant; give each a key of its own."
        )
    if not rows:
        raise DisclosureError(f"There is no such request in {request.table.name}.")
    return bool(rows[0][0])


def _key_sql(table: GovernedTable) -> str:
    return " || '|' || ".join(f"cast({quoted(column)} as varchar)" for column in table.key)


def _place(
    settings: Settings,
    request: RequestName,
    disclosure: Disclosure,
    texts: Mapping[str, str],
    pads: Pads,
) -> Disclosure:
    """Give a disclosure its folder, in one rename; of two that come at the same time one stays."""
    folder = folder_of(settings, request)
    settings.disclosures.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = settings.disclosures / f".{secrets.token_hex(8)}"
    unfinished.mkdir(mode=0o700)
    try:
        for name, text in texts.items():
            write_whole(unfinished / name, text)
        write_sealed(unfinished / _RECORD, "disclosure", as_record(disclosure, _VERSION), pads)
        try:
            unfinished.rename(folder)
        except OSError:
            # Another was first: its disclosure is the one.
            first = disclosure_of(settings, request, disclosure.as_of, pads)
            if first is None:
                raise
            return first
        sync(settings.disclosures)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return disclosure


def _read(folder: Path, pads: Pads) -> Disclosure:
    """Read the record of a disclosure. Raises DisclosureError where it is not the one written."""
    file = folder / _RECORD
    try:
        record = read_sealed(file, "disclosure", pads)
        moments = moments_of(record, ("as_of", "made_at", "expires_at", "removed_at"))
        return Disclosure(**{**{k: v for k, v in record.items() if k != "version"}, **moments})
    except (SealError, ValueError, KeyError, TypeError):
        raise DisclosureError(
            f"{file} is not the record that was written for this disclosure, or was made with another "
            "key. Nobody can say until when its files may lie there: take the folder away, or put the "
            "record back from your backup."
        ) from None


def _moment_text(moment: datetime | None) -> str | None:
    return None if moment is None else format_moment(moment)
