"""A new key: what the memory keeps is carried over, and the ledger stays as it was written.

The texts behind the digests are gone, so a new key cannot make them anew; it is put on top
(see `keys.Pads`). In the warehouse each digest of the memory is digested once more, in one
transaction; then the key file is replaced. The ledger is append-only: its rows keep the
digests and the name of the key they were made with, and are checked by that.

Architecture invariant: at any moment either the key file in place fits the memory, or the
file of the next key lies beside it and fits (`finish_rotation` puts it in its place).
"""

import secrets
from pathlib import Path

import duckdb

from orchestration.declarations import MEMORY_SCHEMA
from orchestration.journal import renew_memory
from orchestration.keys import read_pads, rotated, write_pads
from orchestration.project import Project
from orchestration.settings import Settings
from orchestration.translator import meta_of
from orchestration.warehouse import connect, literal


def rotate_key(project: Project) -> tuple[str, str, int]:
    """Put a new key on top. Returns the names of the old and new key, and how many digests moved.

    Raises KeyFileError and WarehouseError. Approvals and verdicts that were sealed with the old
    key hold no longer.
    """
    settings = project.settings
    finish_rotation(project)
    before = read_pads(settings.key)
    after = rotated(before, secrets.token_bytes(32))
    write_pads(_next(settings), after, replaces=True)
    with connect(settings, read_only=False) as connection:
        count = _carry_over(connection, project, _next(settings), len(after.key_ids))
    finish_rotation(project)
    return before.key_id, after.key_id, count


def finish_rotation(project: Project) -> None:
    """Finish, or undo, the rotation of a process that was killed; do nothing where none was."""
    settings = project.settings
    waiting = _next(settings)
    if not waiting.exists():
        return
    after = read_pads(waiting)
    with connect(settings, read_only=True) as connection:
        used = {
            key_id
            for table, _ in _digest_columns(connection, project)
            for (key_id,) in connection.execute(
                f"select distinct key_id from {MEMORY_SCHEMA}.{table}"
            ).fetchall()
        }
    if used and after.key_id not in used:
        waiting.unlink()
        return
    write_pads(settings.key, after, replaces=True)
    with connect(settings, read_only=True) as connection:
        renew_memory(connection, project)
    waiting.unlink()


def _carry_over(
    connection: duckdb.DuckDBPyConnection, project: Project, key: Path, number: int
) -> int:
    connection.execute(f"attach {literal(str(key))} as kigen_next_key (read_only)")
    count = 0
    connection.execute("begin")
    for table, columns in _digest_columns(connection, project):
        moved = ", ".join(
            f"{column} = sha256(pads.outer_pad_{number} || "
            f"unhex(sha256(pads.inner_pad_{number} || encode({column}))))"
            for column in columns
        )
        connection.execute(
            f"update {MEMORY_SCHEMA}.{table} set {moved}, key_id = pads.key_id "
            "from kigen_next_key.pads as pads"
        )
        rows = connection.execute(f"select count(*) from {MEMORY_SCHEMA}.{table}").fetchall()
        count += int(rows[0][0])
    connection.execute("commit")
    connection.execute("checkpoint")
    return count


def _digest_columns(
    connection: duckdb.DuckDBPyConnection, project: Project
) -> list[tuple[str, tuple[str, ...]]]:
    """Return the tables of the memory that hold keyed digests, with those columns."""
    there = {
        table
        for (table,) in connection.execute(
            "select table_name from duckdb_tables() where database_name = current_database() "
            "and schema_name = ?",
            [MEMORY_SCHEMA],
        ).fetchall()
    }
    found = []
    for source in project.manifest["sources"].values():
        if source["schema"] != MEMORY_SCHEMA or "key_id" not in source["columns"]:
            continue
        columns = tuple(
            name
            for name, column in source["columns"].items()
            if meta_of(column).get("pii") == "user.unique_id.pseudonymous"
        )
        if columns and source["identifier"] in there:
            found.append((str(source["identifier"]), columns))
    return sorted(found)


def _next(settings: Settings) -> Path:
    return settings.key.with_name("kigen_key.next.duckdb")
