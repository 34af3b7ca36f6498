"""The chain of the ledger, made anew from its rows: independent of dbt, of views and of macros.

Each run's digest covers that run's rows in a fixed order and the digest of the run before it
(DESIGN, section 2: ledger). Whoever alters, drops, adds or moves a row breaks a link, unless
it is the last run that goes as a whole: that is what the journal is for.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

import duckdb

from orchestration.keys import Pads, digest_as_of_key
from orchestration.plan import has_ledger
from orchestration.project import Project
from orchestration.settings import format_moment


class LedgerError(ValueError):
    """The ledger cannot be asked so."""


OWN_COLUMNS: Final = ("run_no", "chain_digest")
"""The columns of the run itself; all others are a row's, and covered in the order they stand."""


def chain_of(connection: duckdb.DuckDBPyConnection, project: Project) -> dict[int, str]:
    """Return the recorded chain digest of each run, by its number; none before the first."""
    if not has_ledger(connection, project):
        return {}
    ledger = project.relation("purge_ledger")
    return dict(
        connection.execute(
            f"select run_no, min(chain_digest) from {ledger} group by run_no order by run_no"
        ).fetchall()
    )


def broken_link(
    connection: duckdb.DuckDBPyConnection,
    project: Project,
    journal: Mapping[int, str] | None = None,
) -> str | None:
    """Return the first broken link of the chain in a sentence, or None where it is whole.

    `journal`: the chain digests the journal keeps, by run number; with it a run that was
    dropped from the end is found, too.
    """
    if not has_ledger(connection, project):
        recorded: dict[int, str] = {}
    else:
        ledger = project.relation("purge_ledger")
        runs = _digests_of_rows(connection, ledger)
        before = ""
        recorded = {}
        for run_no, rows, least, greatest, digest_of_rows in runs:
            expected = hashlib.sha256(f"{before}\n{digest_of_rows}".encode()).hexdigest()
            if least != greatest or least != expected:
                return (
                    f"The ledger is broken at run {run_no} ({rows} rows): its rows and the run "
                    "before it do not give the digest it carries; a row was altered, dropped, "
                    "added or moved."
                )
            before = least
            recorded[run_no] = least
    for run_no, chain in sorted((journal or {}).items()):
        if run_no not in recorded:
            return f"The ledger lacks run {run_no}, which the journal has."
        if recorded[run_no] != chain:
            return f"The ledger and the journal differ at run {run_no}."
    return None


def entries_of(
    connection: duckdb.DuckDBPyConnection, project: Project, record: str, pads: Pads
) -> tuple[str, ...]:
    """Return what the ledger says of one record, named as ``shop.members:1016``, a line each.

    Each row is looked for by the digest that the key it names would have made. Raises
    LedgerError where the record is not named so.
    """
    table, _, key = record.partition(":")
    if not key or table not in project.declarations.governed:
        raise LedgerError(
            f"--record is {table!r} and a key after a colon, and the table is not governed or the "
            "key is empty; write shop.members:1016."
        )
    if not has_ledger(connection, project):
        return ("The ledger has nothing: no purge has been.",)
    ledger = project.relation("purge_ledger")
    found = []
    for key_id in pads.key_ids:
        digest = digest_as_of_key(f"{table}|{key}", pads, key_id)
        found += connection.execute(
            f"select run_no, action, deletion_class, purged_at from {ledger} "
            "where table_name = ? and key_id = ? and record_digest = ?",
            [table, key_id, digest],
        ).fetchall()
    if not found:
        return ("The ledger has no such record.",)
    return tuple(
        f"Purge {run_no}: {action} under {name}, at {format_moment(purged_at)} UTC."
        for run_no, action, name, purged_at in sorted(found)
    )


def _digests_of_rows(
    connection: duckdb.DuckDBPyConnection, ledger: str
) -> list[tuple[int, int, str, str, str]]:
    columns = [
        name
        for (name, *_) in connection.execute(f"describe {ledger}").fetchall()
        if name not in OWN_COLUMNS
    ]
    line = " || chr(9) || ".join(f"coalesce(cast({column} as varchar), '')" for column in columns)
    return connection.execute(
        f"select run_no, count(*), min(coalesce(chain_digest, '')), "
        f"max(coalesce(chain_digest, '')), sha256(string_agg({line}, chr(10) order by {line})) "
        f"from {ledger} group by run_no order by run_no"
    ).fetchall()
