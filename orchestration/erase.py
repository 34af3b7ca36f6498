"""From deleted to erased: the file is written anew without what is no longer in it.

DELETE and CHECKPOINT leave every deleted value readable in the file; a copy made by a fresh
process leaves none (DESIGN, section 8). ``python -m orchestration.erase FILE [KEY]`` is that
process: it copies, compares, and puts the copy in the old file's place, all the while
holding DuckDB's lock on the old one, so that nobody writes what the copy would lack.

Architecture invariant: whatever stops it, the file is the old one or the new one, whole.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from orchestration.orphans import end_with_parent
from orchestration.settings import Settings, format_moment, utc_now

_UNFINISHED: Final = "unerased"
_SPARE: Final = 64 * 1024 * 1024
"""Bytes to leave free beside the copy."""


class EraseError(RuntimeError):
    """The file could not be written anew; it is the old one, and whole."""


@dataclass(frozen=True, slots=True)
class ErasureRecord:
    """What is known of the erasure of one warehouse, kept in KIGEN_HOME."""

    warehouse: str
    erased_purge: int = 0
    """The number of the last purge whose rows are erased."""
    erased_at: str | None = None
    deleted_not_erased_since: str | None = None


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What the rewriting of a file found."""

    tables: int
    views: int
    rows: int
    bytes_before: int
    bytes_after: int


def read_record(settings: Settings) -> ErasureRecord:
    """Read the record of this warehouse; a missing one, or another file's, says nothing is."""
    try:
        record = ErasureRecord(**json.loads(settings.erasure_record.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return ErasureRecord(str(settings.warehouse))
    if record.warehouse != str(settings.warehouse):
        return ErasureRecord(str(settings.warehouse))
    return record


def note_deleted(settings: Settings) -> None:
    """Note that rows are deleted and not yet erased."""
    record = read_record(settings)
    if record.deleted_not_erased_since is None:
        since = format_moment(utc_now())
        _write(
            settings,
            ErasureRecord(record.warehouse, record.erased_purge, record.erased_at, since),
        )


def note_erased(settings: Settings, purge: int) -> None:
    """Note that every row up to this purge is erased."""
    _write(settings, ErasureRecord(str(settings.warehouse), purge, format_moment(utc_now())))


def lack_of_space(settings: Settings) -> str | None:
    """Return why the file cannot be written anew beside itself, or None."""
    size = settings.warehouse.stat().st_size
    free = shutil.disk_usage(settings.warehouse.parent).free
    if free >= size + _SPARE:
        return None
    return (
        f"Deleted, not yet erased: a copy of {settings.warehouse} needs {size + _SPARE} bytes "
        f"beside it, and {free} are free; make room, and run again."
    )


def rewrite(settings: Settings) -> Rewritten:
    """Write the warehouse anew in a fresh process. Raises EraseError; the file is then the old."""
    child = subprocess.run(
        [sys.executable, "-m", "orchestration.erase", settings.warehouse, settings.key],
        env={**os.environ, **settings.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    try:
        told: dict[str, Any] = json.loads(child.stdout)
        if "refusal" not in told:
            return Rewritten(**told)
        reason = str(told["refusal"])
    except (ValueError, TypeError):
        reason = f"the process ended with status {child.returncode}"
    raise EraseError(
        f"Deleted, not yet erased: {settings.warehouse} could not be written anew: {reason}. "
        "The file is as it was; run again."
    )


def rewrite_here(source: Path, key: Path | None = None) -> Rewritten:
    """Write a DuckDB file anew in this process, which must not have opened it before.

    `key` is attached as `kigen_key`, for the views that read it. Raises EraseError where the
    copy is not the same, and duckdb.Error; the file is then the old one.
    """
    for left_over in source.parent.glob(f".{source.name}.{_UNFINISHED}*"):
        # A run that was killed left it; it holds everything the file holds.
        left_over.unlink()
    copy = source.with_name(f".{source.name}.{_UNFINISHED}")
    status = source.stat()
    connection = duckdb.connect(str(source))
    try:
        if key is not None and key.exists():
            _attach(connection, key, "kigen_key", "(read_only)")
        connection.execute("force checkpoint")
        _attach(connection, copy, _UNFINISHED, "")
        copy.chmod(status.st_mode & 0o777)
        catalog = _one(connection, "select current_database()")
        connection.execute(f'copy from database "{catalog}" to {_UNFINISHED}')
        tables, views, rows = _compare(connection, str(catalog))
        connection.execute(f"checkpoint {_UNFINISHED}")
        connection.execute(f"detach {_UNFINISHED}")
        _sync(copy)
        bytes_after = copy.stat().st_size
        copy.replace(source)
        _sync(source.parent)
        return Rewritten(tables, views, rows, status.st_size, bytes_after)
    finally:
        connection.close()
        copy.unlink(missing_ok=True)
        copy.with_name(f"{copy.name}.wal").unlink(missing_ok=True)


def _compare(connection: duckdb.DuckDBPyConnection, catalog: str) -> tuple[int, int, int]:
    """See that both catalogs hold the same things, and as many rows. Raises EraseError."""
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
        "select schema_name, table_name from duckdb_tables() "
        "where not internal and database_name = ?",
        [catalog],
    ).fetchall()
    rows = 0
    for schema, table in names:
        counts = [
            int(_one(connection, f'select count(*) from "{name}"."{schema}"."{table}"'))
            for name in (catalog, _UNFINISHED)
        ]
        if counts[0] != counts[1]:
            raise EraseError(
                f"the copy of {schema}.{table} has {counts[1]} rows instead of {counts[0]}"
            )
        rows += counts[0]
    views = _one(
        connection,
        "select count(*) from duckdb_views() where not internal and database_name = ?",
        catalog,
    )
    return len(names), int(views), rows


def _one(connection: duckdb.DuckDBPyConnection, query: str, *parameters: str) -> Any:
    return connection.execute(query, list(parameters)).fetchall()[0][0]


def _attach(connection: duckdb.DuckDBPyConnection, path: Path, name: str, options: str) -> None:
    quoted = str(path).replace("'", "''")
    connection.execute(f"attach '{quoted}' as {name} {options}")


def _write(settings: Settings, record: ErasureRecord) -> None:
    unfinished = settings.erasure_record.with_suffix(".json.unfinished")
    unfinished.write_text(json.dumps(asdict(record), indent=2) + "\n")
    _sync(unfinished)
    unfinished.replace(settings.erasure_record)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def main(arguments: list[str]) -> int:
    """Rewrite the file named first, and say as JSON what was found, or why it was not done."""
    paths = [Path(argument) for argument in arguments]
    try:
        told: dict[str, Any] = asdict(rewrite_here(*paths[:2]))
    except EraseError as error:
        told = {"refusal": str(error)}
    except (duckdb.Error, OSError) as error:
        # The text of DuckDB's errors may hold a value: the kind has to do.
        told = {"refusal": type(error).__name__}
    sys.stdout.write(json.dumps(told) + "\n")
    return 1 if "refusal" in told else 0


if __name__ == "__main__":
    end_with_parent()
    sys.exit(main(sys.argv[1:]))
