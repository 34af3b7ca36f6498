"""From deleted to erased: the file is written anew without what is no longer in it.

DELETE and CHECKPOINT leave every deleted value readable in the file; a copy made by a fresh
process leaves none (DESIGN, section 8). ``python -m orchestration.erase CANARY_RUN`` is that
process: it copies, compares, and puts the copy in the old file's place, all the while
holding DuckDB's lock on the old one, so that nobody writes what the copy would lack. Then it
looks for the canaries of the purge in everything that Kigen keeps.

Architecture invariant: whatever stops it, the file is the old one or the new one, whole.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import duckdb

from orchestration.declarations import (
    ERASE_MIN_BYTES,
    ERASE_MIN_SHARE,
    Declarations,
    Period,
    parse_period,
)
from orchestration.durable import sync, write_whole
from orchestration.encryption import EncryptionError, attach, load_cipher
from orchestration.keys import KeyFileError, Pads, digest, read_pads
from orchestration.orphans import end_with_parent
from orchestration.remnants import (
    Searched,
    blocks_of,
    dead_blocks,
    dead_blocks_in,
    files_below,
    search,
)
from orchestration.settings import Settings, SettingsError, format_moment, utc_now
from orchestration.warehouse import (
    LOCK_WAIT,
    WarehouseBusyError,
    WarehouseError,
    connect,
    has_table,
    literal,
)

_UNFINISHED: Final = "unerased"
_SPARE: Final = 64 * 1024 * 1024
"""Bytes to leave free beside the copy."""

_WAREHOUSE: Final = "the warehouse file"
_METHOD: Final = (
    "Before the purge a canary is written into an uncompressed column, which the purge deletes, "
    "and another that stays. After the file was written anew by a fresh process, the bytes of the "
    "file, of what lies beside it and of KIGEN_HOME (the keys left out) are searched for the first, "
    "for the second as a control that must be found, and for a third that was never written as a "
    "control that must not. Before, the blocks of the old file that nothing used any more, and "
    "those with deleted text in them, were looked for in the new one, whole, and the rows of every "
    "table were counted and digested in both."
)
_METHOD_ENCRYPTED: Final = (
    "The file is encrypted, so its bytes say nothing of what is in it, and its blocks cannot be "
    "compared with those of the old one. It was written anew by a fresh process that read nothing "
    "but the rows there are, and the rows of every table were counted and digested in both. A "
    "canary the purge deleted, one that stays and one that was never written were looked for by a "
    "query in the new file, and in the bytes of the file, of what lies beside it and of KIGEN_HOME "
    "(the keys left out), where none of them may stand."
)


class EraseError(RuntimeError):
    """The file could not be written anew; the message says which file it is now."""


class ErasureDelayedError(EraseError):
    """Another process holds the file, so it was not written anew."""


class NotVerifiedError(EraseError):
    """The file is the new one, and the proof that nothing is left failed."""


@dataclass(frozen=True, slots=True)
class ErasureRecord:
    """What is known of the erasure of one warehouse, kept in KIGEN_HOME."""

    warehouse: str
    erased_purge: int = 0
    """The number of the last purge whose rows are erased."""
    erased_at: str | None = None
    deleted_not_erased_since: str | None = None
    canary_run: str | None = None
    """The run whose canaries went with the last purge; they can be made again with the key."""
    canary_was_held: bool = False
    """Whether the deleted one was seen in a file that was to be written anew after that purge."""
    verification: dict[str, Any] | None = None
    """What the last erasure, the one of `erased_at`, was verified by."""
    said: str | None = None
    """The state in a sentence."""
    waits_by_policy: bool = False
    """Whether what is deleted is not erased because the policy lets it wait."""
    rewrite_of: int | None = None
    """The inode of the file while it is written anew, by which a crash shows which one it left."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What the rewriting of a file found."""

    tables: int
    views: int
    rows: int
    bytes_before: int
    bytes_after: int
    verification: dict[str, Any]


def read_record(settings: Settings) -> ErasureRecord:
    """Read the record of this warehouse; a missing one, or another file's, says nothing is."""
    try:
        record = ErasureRecord(**json.loads(settings.erasure_record.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return ErasureRecord(str(settings.warehouse))
    if record.warehouse != str(settings.warehouse):
        return ErasureRecord(str(settings.warehouse))
    return record


def note_deleted(settings: Settings, canary_run: str | None = None) -> ErasureRecord:
    """Note that rows are deleted and not yet erased, and whose canaries went with them."""
    record = read_record(settings)
    since = record.deleted_not_erased_since or format_moment(utc_now())
    if canary_run is not None and canary_run != record.canary_run:
        record = replace(record, canary_run=canary_run, canary_was_held=False)
    record = replace(
        record,
        deleted_not_erased_since=since,
        said=f"Deleted, not yet erased, since {since} UTC.",
        waits_by_policy=False,
    )
    _write(settings, record)
    return record


def note_erased(settings: Settings, purge: int, verification: Mapping[str, Any]) -> None:
    """Note that every row up to this purge is erased, and how that was verified."""
    now = format_moment(utc_now())
    record = replace(
        read_record(settings),
        erased_purge=purge,
        erased_at=now,
        deleted_not_erased_since=None,
        verification=dict(verification),
        said=f"Erased at {now} UTC.",
        waits_by_policy=False,
    )
    _write(settings, record)


def note_waiting(settings: Settings, said: str, *, by_policy: bool = False) -> None:
    """Note why what is deleted is not erased yet."""
    _write(settings, replace(read_record(settings), said=said, waits_by_policy=by_policy))


def not_yet_erased(settings: Settings) -> str:
    """Return the start of a sentence about what is deleted and not yet erased."""
    since = read_record(settings).deleted_not_erased_since
    return f"Deleted, not yet erased since {since} UTC" if since else "Not yet erased"


def lack_of_space(settings: Settings) -> str | None:
    """Return why the file cannot be written anew beside itself, or None."""
    source = settings.warehouse.resolve()
    size = source.stat().st_size
    free = shutil.disk_usage(source.parent).free
    if free >= size + _SPARE:
        return None
    return (
        f"{not_yet_erased(settings)}: a copy of {settings.warehouse} needs {size + _SPARE} bytes "
        f"beside it, and {free} are free; make room, and run again."
    )


# When it is worth it.


@dataclass(frozen=True, slots=True)
class ErasePolicy:
    """When a file is written anew (``policy_settings``)."""

    min_share: float
    """Percent of the governed rows; 0 does not ask."""
    min_bytes: int
    """0 does not ask."""
    within: Period
    """The longest time from the first unerased delete."""


def erase_policy(settings: Mapping[str, str]) -> ErasePolicy:
    """Return the policy of declared settings; without them every purge is erased."""
    return ErasePolicy(
        min_share=float(settings.get(ERASE_MIN_SHARE, "0")),
        min_bytes=int(settings.get(ERASE_MIN_BYTES, "0")),
        within=parse_period(settings.get("erase_within", "P7D")),
    )


@dataclass(frozen=True, slots=True)
class Deleted:
    """How much was deleted or anonymised since the file was last written anew."""

    rows: int
    share: float
    """Of the governed rows there would be without the deletes, in percent."""
    bytes: int
    """The same share of the size of the file: an estimate, rows of all tables taken alike."""


def deleted_since(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    declarations: Declarations,
    erased_purge: int,
) -> Deleted:
    """Count what the purges after this one took, by what they wrote into memory.purge_counts."""
    deleted, anonymised = connection.execute(
        "select coalesce(sum(deleted), 0), coalesce(sum(anonymised), 0) "
        "from memory.purge_counts where run_no > ?",
        [erased_purge],
    ).fetchall()[0]
    there = set(
        connection.execute(
            "select schema_name, table_name from duckdb_tables() "
            "where database_name = current_database()"
        ).fetchall()
    )
    before = int(deleted)
    for table in declarations.governed.values():
        if not table.is_memory and (table.schema_name, table.identifier) in there:
            before += int(_one(connection, f"select count(*) from {table.relation_name}"))
    rows = int(deleted) + int(anonymised)
    share = 100 * rows / before if before else 100.0
    return Deleted(rows, share, round(share / 100 * settings.warehouse.stat().st_size))


def reason_to_wait(
    policy: ErasePolicy, deleted: Deleted, since: str | None, now: datetime
) -> str | None:
    """Return why the file need not be written anew yet, by the policy, or None.

    `since` is when the first unerased delete was noted, `now` naive and UTC. Deletes of which
    nothing is known (a backup was put back, say) do not wait.
    """
    if since is None or not deleted.rows or not (policy.min_share or policy.min_bytes):
        return None
    if policy.min_share and deleted.share >= policy.min_share:
        return None
    if policy.min_bytes and deleted.bytes >= policy.min_bytes:
        return None
    at_the_latest = policy.within.added_to(datetime.fromisoformat(since))
    if at_the_latest <= now:
        return None
    asked = []
    if policy.min_share:
        asked.append(f"{policy.min_share:g} % of the rows")
    if policy.min_bytes:
        asked.append(f"{policy.min_bytes} bytes")
    return (
        f"Deleted, not yet erased since {since} UTC: {deleted.rows} rows, {deleted.share:.2g} % or "
        f"about {deleted.bytes} bytes; by the policy the file is written anew from "
        f"{' or '.join(asked)} on, and at the latest at {format_moment(at_the_latest)} UTC."
    )


# The canaries.


@dataclass(frozen=True, slots=True)
class Canaries:
    """Texts by which a search of bytes is tried: made from the key, so stored nowhere else."""

    deleted: str
    """Deleted by the purge: must be found nowhere."""
    kept: str
    """Not deleted: must be found, or the search finds nothing."""
    never: str
    """Never written: must not be found, or the search finds what is not there."""


def canaries_of(pads: Pads, run_id: str) -> Canaries:
    """Return the canaries of a run: keyed digests, 64 hexadecimal digits each."""
    return Canaries(
        *(digest(f"canary|{kind}|{run_id}", pads) for kind in ("deleted", "kept", "never"))
    )


def plant_canaries(connection: duckdb.DuckDBPyConnection, pads: Pads, run_id: str) -> None:
    """Write the canaries of a run in the place of older ones, and see them into the file.

    The purge deletes the one of kind 'deleted' in its own transaction. DuckDB writes a column
    of one or two such texts as it is, in a copy of the file too, where the declared
    compression does not reach.
    """
    canaries = canaries_of(pads, run_id)
    connection.execute("begin")
    connection.execute("create schema if not exists purge")
    connection.execute(
        "create table if not exists purge.canaries "
        "(kind varchar, value varchar using compression uncompressed)"
    )
    connection.execute("delete from purge.canaries")
    connection.execute(
        "insert into purge.canaries values ('deleted', ?), ('kept', ?)",
        [canaries.deleted, canaries.kept],
    )
    connection.execute("commit")
    # A checkpoint of its own: until then they stand in the WAL only.
    connection.execute("force checkpoint")


def are_planted(connection: duckdb.DuckDBPyConnection, pads: Pads, canary_run: str | None) -> bool:
    """Return whether the canary of this run that stays is there.

    It is not after a purge outside Kigen, one that was killed before it was noted, or a
    refused one that planted others, or where a backup was put back.
    """
    if canary_run is None or not has_table(connection, "purge", "canaries"):
        return False
    kept = canaries_of(pads, canary_run).kept
    return bool(
        _one(
            connection,
            "select count(*) from purge.canaries where kind = 'kept' and value = ?",
            kept,
        )
    )


def plant_late(settings: Settings, run_id: str) -> None:
    """Plant the canaries of a run after the purge, delete the one a purge deletes, and note it."""
    plant_and_delete(settings, run_id)
    note_deleted(settings, run_id)


def plant_and_delete(settings: Settings, run_id: str) -> None:
    """Plant the canaries of a run, and delete the one that a purge deletes."""
    pads = read_pads(settings.key)
    with connect(settings, read_only=False) as connection:
        plant_canaries(connection, pads, run_id)
        connection.execute("delete from purge.canaries where kind = 'deleted'")
        connection.execute("force checkpoint")


# The rewriting, seen from outside.


def interrupted(settings: Settings) -> str | None:
    """Say which file a rewrite left that was stopped before it could say so itself, or None."""
    began_as = read_record(settings).rewrite_of
    if began_as is None:
        return None
    return (
        f"The last rewriting of {settings.warehouse} was stopped on its way; "
        f"{_which(settings, began_as)}"
    )


def rewrite(settings: Settings, canary_run: str, *, wait: float = LOCK_WAIT) -> Rewritten:
    """Write the warehouse anew in a fresh process, and verify that the deleted rows are gone.

    `wait` is how long to wait for whoever has the file open, in seconds. Raises
    ErasureDelayedError after that, NotVerifiedError where the file is the new one and something
    of the old is left, else EraseError; the message says whether the file is the old or the new,
    and is noted.
    """
    try:
        return write_anew(settings, canary_run, wait=wait)
    except EraseError as error:
        is_new = isinstance(error, NotVerifiedError)
        start = "Erased, but not verified" if is_new else not_yet_erased(settings)
        said = f"{start}: {error}"
        note_waiting(settings, said)
        raise type(error)(said) from None


def write_anew(
    settings: Settings,
    canary_run: str,
    *,
    wait: float = LOCK_WAIT,
    into: Settings | None = None,
) -> Rewritten:
    """Do the same, and note nothing but that it is under way.

    `into` may have another warehouse key than `settings`, which encrypts the new file, or none.
    """
    began_as = settings.warehouse.stat().st_ino
    _write(settings, replace(read_record(settings), rewrite_of=began_as))
    child = subprocess.run(
        [
            *(sys.executable, "-m", "orchestration.erase", canary_run, str(wait)),
            str((into or settings).warehouse_key or ""),
        ],
        env={**os.environ, **settings.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    _write(settings, replace(read_record(settings), rewrite_of=None))
    try:
        told: dict[str, Any] = json.loads(child.stdout)
        if "rewritten" in told:
            return Rewritten(**told["rewritten"])
    except (ValueError, TypeError):
        told = {"refusal": f"the process ended with status {child.returncode}"}
    if "busy" in told:
        raise ErasureDelayedError(told["busy"])
    which = _which(settings, began_as)
    if "unverified" in told:
        raise NotVerifiedError(f"{told['unverified']}. {which}")
    raise EraseError(f"{settings.warehouse} was not written anew: {told['refusal']}. {which}")


def _which(settings: Settings, began_as: int) -> str:
    if settings.warehouse.stat().st_ino == began_as:
        return "The file is the old one, whole; run again."
    return "The file is the new one, whole, and not verified; run again."


# The rewriting, in a process of its own.


def rewrite_here(
    settings: Settings, canary_run: str, *, wait: float = LOCK_WAIT, into: Settings
) -> Rewritten:
    """Write the warehouse anew in this process, which must not have opened it before.

    Raises EraseError where the copy is not the same, WarehouseError and OSError; the file is
    then the old one. Raises NotVerifiedError where the new one is in its place already.
    """
    canaries = canaries_of(read_pads(settings.key), canary_run)
    needles = [text.encode() for text in (canaries.deleted, canaries.kept, canaries.never)]
    (old,) = search({_WAREHOUSE: [settings.warehouse]}, needles)
    # A symbolic link stays one: the file it names is replaced.
    source = settings.warehouse.resolve()
    copy = source.with_name(f".{source.name}.{_UNFINISHED}")
    is_ours = False
    # To close a descriptor of the file gives back the lock that DuckDB has on it: close it last.
    descriptor = os.open(source, os.O_RDONLY)
    try:
        with connect(settings, read_only=False, wait=wait) as connection:
            is_ours = True
            _remove_left_overs(source, settings.warehouse)
            rewritten = _copy(connection, descriptor, copy, settings, into)
            # Noted before the swap: if the proof fails after it, the next file cannot show it.
            was_held = _note_held(settings, canary_run, bool(old.found[0]))
            _swap(settings, copy, source)
    finally:
        os.close(descriptor)
        if is_ours:
            copy.unlink(missing_ok=True)
            copy.with_name(f"{copy.name}.wal").unlink(missing_ok=True)
    found = _verify(into, needles)
    is_hidden = settings.warehouse_key is not None or into.warehouse_key is not None
    verification = {
        "method": _METHOD_ENCRYPTED if is_hidden else _METHOD,
        "encrypted": into.warehouse_key is not None,
        "canary_run": canary_run,
        **found,
        **rewritten.verification,
        # Of an encrypted file nobody can tell.
        "old_file_held_deleted_canary": None if settings.warehouse_key else was_held,
    }
    return replace(rewritten, verification=verification)


def _note_held(settings: Settings, canary_run: str, is_held: bool) -> bool:
    """Note that the deleted canary is in the old file; return whether it is, or was the last time."""
    record = read_record(settings)
    if is_held and record.canary_run == canary_run:
        _write(settings, replace(record, canary_was_held=True))
    return is_held or (record.canary_was_held and record.canary_run == canary_run)


def _remove_left_overs(source: Path, named: Path) -> None:
    """Remove what killed processes left beside the file: it holds what the file held.

    Nobody else has the file open, and this process has not written anything yet.
    """
    for left_over in source.parent.glob(f".{source.name}.{_UNFINISHED}*"):
        if left_over.is_dir():
            shutil.rmtree(left_over)
        else:
            left_over.unlink()
    # Where DuckDB writes what has no room in memory.
    shutil.rmtree(named.with_name(f"{named.name}.tmp"), ignore_errors=True)


def _copy(
    connection: duckdb.DuckDBPyConnection,
    descriptor: int,
    copy: Path,
    settings: Settings,
    into: Settings,
) -> Rewritten:
    """Write the copy, compare it with the file, and see that it is on the disk."""
    status = os.fstat(descriptor)
    if status.st_nlink != 1:
        raise EraseError(
            f"the file has {status.st_nlink} names (hard links), and would stay under the others; "
            "remove those"
        )
    connection.execute("force checkpoint")
    catalog = str(_one(connection, "select current_database()"))
    blocks = blocks_of(connection, catalog)
    dead = dead_blocks(descriptor, blocks)
    version = str(
        _one(
            connection,
            "select tags['storage_version'] from duckdb_databases() where database_name = ?",
            catalog,
        )
    ).rstrip("+")
    options = f"block_size {blocks.size}"
    if settings.warehouse_key is not None or into.warehouse_key is None:
        # What is encrypted from now on gets a newer version: an old one cannot be.
        options += f", storage_version {literal(version)}"
    if into.warehouse_key is None:
        connection.execute(f"attach {literal(str(copy))} as {_UNFINISHED} ({options})")
    else:
        load_cipher(connection)
        attach(connection, copy, _UNFINISHED, into.warehouse_key, options)
    copy.chmod(status.st_mode & 0o777)
    connection.execute(f"copy from database {_quoted(catalog)} to {_UNFINISHED}")
    tables, views, rows = _compare(connection, catalog)
    connection.execute(f"checkpoint {_UNFINISHED}")
    blocks = blocks_of(connection, _UNFINISHED)
    connection.execute(f"detach {_UNFINISHED}")
    sync(copy)
    compared: dict[str, Any] = {}
    if settings.warehouse_key is None and into.warehouse_key is None:
        found = dead_blocks_in(copy, blocks, dead)
        if found:
            raise EraseError(
                f"the copy has {found} blocks of the old file with deleted rows in them"
            )
        compared = {
            "freed_blocks": len(dead.freed),
            "blocks_with_deleted_text": len(dead.stale),
            "freed_blocks_found": found,
        }
    verification = {
        **compared,
        "tables": tables,
        "rows": rows,
        "content_digests_equal": True,
    }
    size = copy.stat().st_size
    return Rewritten(tables, views, rows, status.st_size, size, verification)


def _swap(settings: Settings, copy: Path, source: Path) -> None:
    wal = _beside(settings.warehouse, ".wal")
    if wal.exists() and wal.stat().st_size:
        raise EraseError("its write-ahead log is not empty after a checkpoint")
    wal.unlink(missing_ok=True)
    copy.replace(source)
    sync(source.parent)


def _compare(connection: duckdb.DuckDBPyConnection, catalog: str) -> tuple[int, int, int]:
    """See that both catalogs hold the same things, and the same rows. Raises EraseError."""
    for function, columns in (
        ("duckdb_tables", "schema_name, table_name, sql"),
        ("duckdb_columns", "schema_name, table_name, column_name, column_index, data_type"),
        ("duckdb_views", "schema_name, view_name"),
        ("duckdb_sequences", "schema_name, sequence_name, last_value"),
        ("duckdb_indexes", "schema_name, index_name"),
        ("duckdb_functions", "schema_name, function_name, macro_definition"),
        ("duckdb_types", "schema_name, type_name"),
    ):
        of = f"select {columns} from {function}() where not internal and database_name = ?"
        if function in ("duckdb_sequences", "duckdb_indexes"):
            of = f"select {columns} from {function}() where database_name = ?"
        old, new = (
            sorted(connection.execute(of, [name]).fetchall(), key=repr)
            for name in (catalog, _UNFINISHED)
        )
        if old != new:
            raise EraseError(f"the copy differs in {function}: {len(old)} before, {len(new)} after")
    names = connection.execute(
        "select schema_name, table_name, list(column_name order by column_index) "
        "from duckdb_columns() semi join duckdb_tables() "
        "using (database_name, schema_name, table_name) "
        "where not internal and database_name = ? group by all order by all",
        [catalog],
    ).fetchall()
    rows = sum(_compare_rows(connection, catalog, *name) for name in names)
    views = _one(
        connection,
        "select count(*) from duckdb_views() where not internal and database_name = ?",
        catalog,
    )
    return len(names), int(views), rows


def _compare_rows(
    connection: duckdb.DuckDBPyConnection,
    catalog: str,
    schema: str,
    table: str,
    columns: Sequence[str],
) -> int:
    """See that a table holds the same rows, in whatever order. Raises EraseError."""
    row = f"hash({', '.join(map(_quoted, columns))})"
    old, new = (
        connection.execute(
            f"select count(*), bit_xor({row}), sum({row}) "
            f"from {_quoted(name)}.{_quoted(schema)}.{_quoted(table)}"
        ).fetchall()[0]
        for name in (catalog, _UNFINISHED)
    )
    if old[0] != new[0]:
        raise EraseError(f"the copy of {schema}.{table} has {new[0]} rows instead of {old[0]}")
    if old != new:
        raise EraseError(f"the copy of {schema}.{table} has as many rows, and not the same ones")
    return int(old[0])


def _verify(settings: Settings, needles: Sequence[bytes]) -> dict[str, Any]:
    """Look for the canaries in all that Kigen keeps. Raises NotVerifiedError naming places."""
    searched = search(_places(settings), needles)
    problems = []
    for place in searched:
        deleted, _, never = place.found
        if deleted:
            problems.append(f"a deleted canary is in {deleted} files of {place.place}")
        if never:
            problems.append(f"a canary that was never written is in {never} files of {place.place}")
        if place.unreadable:
            problems.append(f"{place.unreadable} files of {place.place} cannot be read")
    if settings.warehouse_key is None:
        kept = _found(searched, _WAREHOUSE, 1)
    else:
        if _found(searched, _WAREHOUSE, 1):
            problems.append(f"{_WAREHOUSE} is encrypted, and a canary stands readable in it")
        kept = _planted(settings, needles, problems)
    if not kept:
        problems.append(f"the canary that was kept is not found in {_WAREHOUSE}")
    if problems:
        raise NotVerifiedError("; ".join(problems))
    return {
        "searched": [
            {"place": place.place, "files": place.files, "bytes": place.bytes} for place in searched
        ],
        "deleted_canary_found": sum(place.found[0] for place in searched),
        "kept_canary_found": bool(kept),
        "never_canary_found": sum(place.found[2] for place in searched),
    }


def _planted(settings: Settings, needles: Sequence[bytes], problems: list[str]) -> int:
    """Return how often the canary that was kept is in an encrypted file, and say what else is."""
    deleted, kept, never = (needle.decode() for needle in needles)
    with connect(settings, read_only=True) as connection:
        rows = connection.execute("select value from purge.canaries").fetchall()
    values = [value for (value,) in rows]
    if deleted in values or never in values:
        problems.append(f"a canary that must not be there is in {_WAREHOUSE}")
    return values.count(kept)


def _found(searched: Sequence[Searched], name: str, number: int) -> int:
    return sum(place.found[number] for place in searched if place.place == name)


def _places(settings: Settings) -> dict[str, list[Path]]:
    """Return every file that may hold a deleted value, by place: KIGEN_HOME without its keys."""
    warehouse = settings.warehouse
    wal = _beside(warehouse, ".wal")
    places = {
        _WAREHOUSE: [warehouse],
        "its write-ahead log": [wal],
        "files beside it": list(_files_beside(warehouse, {warehouse, wal})),
    }
    seen = {path for files in places.values() for path in files}
    names = {"target", "dagster", "leases", "certificates", "journal"}
    names |= {path.name for path in settings.home.iterdir() if path.is_dir()}
    for name in sorted(names - {settings.key.parent.name}):
        places[f"KIGEN_HOME/{name}"] = list(files_below(settings.home / name, but=seen))
    places["KIGEN_HOME"] = [
        path for path in sorted(settings.home.iterdir()) if path.is_file() and path not in seen
    ]
    return {place: [p for p in files if p.exists()] for place, files in places.items()}


def _files_beside(warehouse: Path, but: set[Path]) -> Iterator[Path]:
    """Yield files of DuckDB's and of killed rewrites: they begin with the name of the file."""
    source = warehouse.resolve()
    for file in dict.fromkeys((warehouse, source)):
        for pattern in (f"{file.name}.*", f".{file.name}.*"):
            for path in sorted(file.parent.glob(pattern)):
                if path not in but:
                    yield from files_below(path) if path.is_dir() else (path,)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _one(connection: duckdb.DuckDBPyConnection, query: str, *parameters: str) -> Any:
    return connection.execute(query, list(parameters)).fetchall()[0][0]


def _write(settings: Settings, record: ErasureRecord) -> None:
    write_whole(settings.erasure_record, json.dumps(asdict(record), indent=2) + "\n")


def main(arguments: Sequence[str]) -> int:
    """Rewrite the warehouse, and say as JSON what was found, or why it was not done.

    The arguments are the run whose canaries to look for, how long to wait for whoever has the
    file open, in seconds, and the file of the key the new one is encrypted with: the same as
    now, if it is left out, and none, if it is empty. The places come from the environment.
    """
    try:
        canary_run, wait = arguments[0], float(arguments[1]) if arguments[1:] else LOCK_WAIT
        settings = into = Settings.from_env()
        if arguments[2:]:
            into = replace(settings, warehouse_key=Path(arguments[2]) if arguments[2] else None)
        rewritten = rewrite_here(settings, canary_run, wait=wait, into=into)
        told: dict[str, Any] = {"rewritten": asdict(rewritten)}
    except WarehouseBusyError as error:
        told = {"busy": str(error)}
    except NotVerifiedError as error:
        told = {"unverified": str(error)}
    except (EncryptionError, EraseError, KeyFileError, SettingsError, WarehouseError) as error:
        told = {"refusal": str(error).rstrip(".")}
    except OSError as error:
        # Its text may name a file, and a file may be named after a person.
        told = {"refusal": type(error).__name__}
    sys.stdout.write(json.dumps(told) + "\n")
    return 0 if "rewritten" in told else 1


if __name__ == "__main__":
    end_with_parent()
    sys.exit(main(sys.argv[1:]))
