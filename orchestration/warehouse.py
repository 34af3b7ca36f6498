"""The DuckDB file: opened by one process at a time, and checked before anything is done to it.

Architecture invariant: no exception of DuckDB leaves `connect`, for its text may hold a
personal value; a WarehouseError takes its place, and says the kind of error only.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import duckdb

from orchestration import encryption
from orchestration.redaction import redacted
from orchestration.settings import Settings

LOCK_WAIT: Final = 120.0
"""How long to wait for another process to close the file, in seconds."""

MEMORY_SCHEMA: Final = "memory"
TAGS_SOURCE: Final = "tags"
"""The source of the tables that the scan and the lineage write."""

DELIVERY_SOURCE: Final = "delivery"
"""The source of the tables that say what was handed over."""

EDGES: Final = "column_lineage"
INHERITED: Final = "inherited_columns"
"""Its tables that the lineage writes: flows of values, and what inherits personal data."""

_ROWS_AT_ONCE: Final = 200

_RESERVED: Final = frozenset({"kigen_key", "memory", "system", "temp"})
"""Catalog names DuckDB or Kigen uses already; a file of that name could not be told apart."""


class WarehouseError(RuntimeError):
    """Something about the warehouse that stops a run; the message holds no row values."""


class WarehouseBusyError(WarehouseError):
    """Another process has the file open."""


@contextmanager
def connect(
    settings: Settings, *, read_only: bool, wait: float = LOCK_WAIT
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse, with the key file attached as `kigen_key` if there is one.

    Waits up to `wait` seconds while another process has the file. Raises WarehouseBusyError
    after that, EncryptionError where file and key do not go together, and WarehouseError for any
    error of DuckDB, in the body too.
    """
    connection = patiently(settings.warehouse, lambda: _opened(settings, read_only), wait=wait)
    try:
        connection.execute("set TimeZone = 'UTC'")
        if settings.key.exists():
            _attach_key(connection, settings.key)
        yield connection
    except duckdb.Error as error:
        raise WarehouseError(f"{settings.warehouse}: {redacted(_told(error))}") from None
    finally:
        connection.close()


def _attach_key(connection: duckdb.DuckDBPyConnection, key: Path) -> None:
    try:
        connection.execute(f"attach {literal(str(key))} as kigen_key (read_only)")
    except duckdb.Error as error:
        raise WarehouseError(
            f"The key file {key} cannot be opened ({type(error).__name__}); put the right one "
            "back from your backup."
        ) from None


def literal(text: str) -> str:
    """Return a text as an SQL literal, where a statement takes no parameters."""
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class RawTables:
    """Which of the declared raw tables are there."""

    present: tuple[str, ...]
    missing: tuple[str, ...]
    schemas: tuple[str, ...]
    """The raw schemas that exist, be there a table in them or not."""


def declared_raw_tables(manifest: Mapping[str, Any], catalog: str) -> list[tuple[str, str]]:
    """Return (schema, table) of every source that lies in this catalog and has to be there.

    Left out are Kigen's own, and those that say `meta.optional`. A source in another database is
    upstream of the file, and dbt is the one to find it.
    """
    return sorted(
        (str(source["schema"]), str(source["identifier"]))
        for source in manifest["sources"].values()
        if not is_own_source(source)
        and source["database"] == catalog
        and not (source["config"].get("meta") or source.get("meta") or {}).get("optional")
    )


def is_own_source(source: Mapping[str, Any]) -> bool:
    """Return whether a source is written by Kigen: memory, findings, lineage, deliveries."""
    if source["schema"] == MEMORY_SCHEMA:
        return True
    is_kigens = source["package_name"] == "kigen"
    return bool(is_kigens and source["source_name"] in (TAGS_SOURCE, DELIVERY_SOURCE))


def look_for_raw_tables(settings: Settings, manifest: Mapping[str, Any]) -> RawTables:
    """See which raw tables the file has; a file that is not there has none."""
    declared = declared_raw_tables(manifest, settings.warehouse.stem)
    present: set[tuple[str, str]] = set()
    schemas: set[str] = set()
    if settings.warehouse.exists():
        with connect(settings, read_only=True) as connection:
            present = set(
                connection.execute(
                    "select table_schema, table_name from information_schema.tables "
                    "where table_catalog = current_database()"
                ).fetchall()
            )
            schemas = {
                schema
                for (schema,) in connection.execute(
                    "select schema_name from information_schema.schemata "
                    "where catalog_name = current_database()"
                ).fetchall()
            }
    return RawTables(
        present=tuple(".".join(table) for table in declared if table in present),
        missing=tuple(".".join(table) for table in declared if table not in present),
        schemas=tuple(sorted(schemas & {schema for schema, _ in declared})),
    )


def needs_sample(settings: Settings, manifest: Mapping[str, Any]) -> bool:
    """Decide whether the made-up shop is to be loaded (DESIGN, section 6).

    Only where KIGEN_WAREHOUSE names no file and no raw schema exists. Raises WarehouseError
    where raw tables are missing otherwise, naming them; nothing has been created then.
    """
    stem = settings.warehouse.stem
    taken = _RESERVED | {str(node["schema"]) for node in manifest["nodes"].values()}
    taken |= {str(source["schema"]) for source in manifest["sources"].values()}
    if stem.lower() in taken:
        raise WarehouseError(
            f"The warehouse {settings.warehouse} has the name of a schema, {stem!r}, and DuckDB "
            "could not tell them apart; rename the file."
        )
    if settings.is_warehouse_named and not settings.warehouse.exists():
        raise WarehouseError(
            f"KIGEN_WAREHOUSE is {settings.warehouse}, and there is no such file; nothing was "
            "created. Correct the path, or leave it out to try Kigen on the sample shop."
        )
    raw = look_for_raw_tables(settings, manifest)
    if not raw.missing:
        return False
    if not settings.is_warehouse_named and not raw.schemas:
        return True
    raise WarehouseError(
        f"The warehouse {settings.warehouse} lacks {len(raw.missing)} of the declared raw tables: "
        f"{', '.join(raw.missing)}. Load them, or take them out of the source YAML; nothing was "
        "created."
    )


def has_table(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> bool:
    """Return whether the warehouse of a connection has a table (a view is none)."""
    rows = connection.execute(
        "select count(*) from duckdb_tables() where database_name = current_database() "
        "and schema_name = ? and table_name = ?",
        [schema, table],
    ).fetchall()
    return bool(rows[0][0])


def create_declared(
    connection: duckdb.DuckDBPyConnection, manifest: Mapping[str, Any], source: str, table: str
) -> None:
    """Create a table of Kigen's own from the columns its source YAML declares, if it is not there.

    A table of an older version, with other columns, is made anew: all of it is derived.
    """
    node = manifest["sources"][f"source.kigen.{source}.{table}"]
    columns = [(column["name"], column["data_type"]) for column in node["columns"].values()]
    schema = node["schema"]
    there = connection.execute(
        "select column_name from duckdb_columns() where database_name = current_database() "
        "and schema_name = ? and table_name = ? order by column_index",
        [schema, table],
    ).fetchall()
    if there and [name for (name,) in there] == [name for name, _ in columns]:
        return
    ddl = ", ".join(f"{name} {kind}" for name, kind in columns)
    connection.execute(f"create schema if not exists {schema}")
    connection.execute(f"create or replace table {schema}.{table} ({ddl})")


def replace_rows(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    rows: Sequence[Sequence[Any]],
    where: str = "true",
    values: Sequence[Any] = (),
) -> None:
    """Put rows in the place of those of a table that `where` names, with its bound `values`."""
    connection.execute(f"delete from {relation} where {where}", list(values))
    # One statement for many rows: one for each takes a millisecond.
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        places = ", ".join(f"({', '.join('?' * len(row))})" for row in some)
        connection.execute(
            f"insert into {relation} values {places}", [value for row in some for value in row]
        )


def has_memory(settings: Settings) -> bool:
    """Return whether the file holds keyed digests: a purge has been there."""
    if not settings.warehouse.exists():
        return False
    with connect(settings, read_only=True) as connection:
        tables = connection.execute(
            "select distinct table_name from duckdb_columns() where database_name = "
            "current_database() and schema_name = ? and column_name = 'key_id'",
            [MEMORY_SCHEMA],
        ).fetchall()
        return any(
            connection.execute(f'select 1 from {MEMORY_SCHEMA}."{table}" limit 1').fetchall()
            for (table,) in tables
        )


_HOLDER: Final = re.compile(r"PID (\d+)")


def _opened(settings: Settings, read_only: bool) -> duckdb.DuckDBPyConnection:
    file, key = settings.warehouse, settings.warehouse_key
    try:
        if key is None:
            return duckdb.connect(str(file), read_only=read_only)
        connection = duckdb.connect()
        try:
            encryption.enter(connection, file, key, read_only=read_only)
        except BaseException:
            connection.close()
            raise
        return connection
    except duckdb.IOException:
        raise
    except duckdb.Error:
        encryption.check_key(file, key)
        raise


Opened = TypeVar("Opened")


def patiently(path: Path, opens: Callable[[], Opened], *, wait: float = LOCK_WAIT) -> Opened:
    """Open a file by `opens`, waiting up to `wait` seconds while another process has it.

    Raises WarehouseBusyError after that, and WarehouseError for any other error of DuckDB.
    """
    give_up = time.monotonic() + wait
    pause = 0.05
    while True:
        try:
            return opens()
        except duckdb.IOException as error:
            if "lock" not in str(error):
                raise WarehouseError(f"{path} cannot be opened: {redacted(_told(error))}") from None
            if time.monotonic() + pause > give_up:
                holder = _HOLDER.search(str(error))
                who = f"process {holder.group(1)}" if holder else "another process"
                raise WarehouseBusyError(
                    f"{path} is open in {who}, and only one process may have it; waited "
                    f"{wait:.0f} s. Close it there, and run again."
                ) from None
        except duckdb.Error as error:
            raise WarehouseError(f"{path} cannot be opened: {redacted(_told(error))}") from None
        time.sleep(pause)
        pause = min(pause * 2, 1.0)


def _told(error: duckdb.Error) -> str:
    """Return DuckDB's text with its kind in front, as `redacted` reads it."""
    return str(error) if re.match(r"[A-Z][\w ]* Error:", str(error)) else type(error).__name__
