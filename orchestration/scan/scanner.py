"""The scan of a table or a schema: its columns profiled, read and weighed, a finding for each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import duckdb

from orchestration.scan.context import context_of
from orchestration.scan.names import read_columns
from orchestration.scan.values import Profile, profile
from orchestration.scan.weigh import THRESHOLD, weigh

__all__ = ["THRESHOLD", "Finding", "scan_schema", "scan_table"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What the scanner says of a column: a row of ``tags.scan_findings``."""

    schema_name: str
    table_name: str
    column_name: str
    data_category: str | None
    """A fideslang key; None where nothing was found."""
    confidence: float
    """0 to 1."""
    evidence: str
    """In words; never a value."""
    is_personal: bool


def scan_table(
    connection: duckdb.DuckDBPyConnection, schema: str, table: str, columns: Mapping[str, str]
) -> tuple[Finding, ...]:
    """Scan a table of the warehouse; `columns` are its types, by name.

    A table whose values cannot be read is judged by its names, and the evidence says so.
    """
    # With the catalog: a schema may have the name of the file.
    catalog = str(connection.execute("select current_database()").fetchall()[0][0])
    relation = ".".join('"' + part.replace('"', '""') + '"' for part in (catalog, schema, table))
    unread = ""
    try:
        profiles = profile(connection, relation, columns)
    except duckdb.Error as error:
        # A view of a table that went, a value no cast can read: the names still say something.
        profiles = {name: Profile(data_type) for name, data_type in columns.items()}
        unread = f"; its values cannot be read ({type(error).__name__})"
    readings = read_columns(table, columns)
    context = context_of(table, readings, profiles)
    found = []
    for name in columns:
        category, confidence, why, is_personal = weigh(
            name, readings[name], profiles[name], context
        )
        found.append(Finding(schema, table, name, category, confidence, why + unread, is_personal))
    return tuple(found)


def scan_schema(
    connection: duckdb.DuckDBPyConnection,
    schema: str,
    on_table: Callable[[str], None] = lambda table: None,
) -> tuple[Finding, ...]:
    """Scan every table of a schema, views among them, in the order of their names."""
    tables: dict[str, dict[str, str]] = {}
    for table, column, data_type in connection.execute(
        "select table_name, column_name, data_type from duckdb_columns() "
        "where database_name = current_database() and schema_name = ? and not internal "
        "order by table_name, column_index",
        [schema],
    ).fetchall():
        tables.setdefault(table, {})[column] = data_type
    found: list[Finding] = []
    for table, columns in tables.items():
        found += scan_table(connection, schema, table, columns)
        on_table(table)
    return tuple(found)
