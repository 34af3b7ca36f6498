"""The findings of a scan, held against the declarations and kept in ``tags.scan_findings``."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import duckdb

from orchestration.project import Project
from orchestration.scan.scanner import Finding, scan_schema
from orchestration.translator import meta_of
from orchestration.warehouse import connect

TABLE: Final = "tags.scan_findings"

_COLUMNS: Final = (
    "schema_name varchar, table_name varchar, column_name varchar, data_category varchar, "
    "confidence double, evidence varchar, is_personal boolean"
)


class ScanError(ValueError):
    """A scan that cannot be made; the message says what to name instead."""


def scan(
    project: Project, schema: str, on_table: Callable[[str], None] = lambda table: None
) -> tuple[Finding, ...]:
    """Scan every table of a schema of the warehouse, declared or not, and keep what was found.

    A row for each column, earlier rows about the schema replaced; what is declared `pii: none`
    with a reason is personal no more. Raises ScanError where there is no such schema, and
    WarehouseError.
    """
    with connect(project.settings, read_only=False) as connection:
        schemas = sorted(
            name
            for (name,) in connection.execute(
                "select distinct schema_name from duckdb_tables() "
                "where database_name = current_database() and not internal"
            ).fetchall()
        )
        if schema not in schemas:
            raise ScanError(
                f"There is no schema {schema!r} with a table in {project.settings.warehouse}; "
                f"there are: {', '.join(schemas) or 'none'}."
            )
        silenced = _declared_none(project.manifest)
        findings = tuple(
            _silence(finding, silenced) for finding in scan_schema(connection, schema, on_table)
        )
        _keep(connection, schema, findings)
    return findings


def _declared_none(manifest: Mapping[str, Any]) -> dict[tuple[str, str, str], str]:
    """Return the reasons of the columns declared `pii: none`, by schema, table and column."""
    nodes = [*manifest["sources"].values(), *manifest["nodes"].values()]
    return {
        (node["schema"], node.get("identifier") or node["alias"], name): str(meta["reason"])
        for node in nodes
        for name, column in node.get("columns", {}).items()
        if (meta := meta_of(column)).get("pii") == "none" and meta.get("reason")
    }


def _silence(finding: Finding, silenced: Mapping[tuple[str, str, str], str]) -> Finding:
    reason = silenced.get((finding.schema_name, finding.table_name, finding.column_name))
    if reason is None or not finding.is_personal:
        return finding
    return replace(
        finding,
        is_personal=False,
        evidence=f"{finding.evidence}; declared `pii: none`: {reason}",
    )


def _keep(
    connection: duckdb.DuckDBPyConnection, schema: str, findings: tuple[Finding, ...]
) -> None:
    connection.execute("begin")
    connection.execute("create schema if not exists tags")
    connection.execute(f"create table if not exists {TABLE} ({_COLUMNS})")
    connection.execute(f"delete from {TABLE} where schema_name = ?", [schema])
    if findings:
        connection.executemany(
            f"insert into {TABLE} values (?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    each.schema_name, each.table_name, each.column_name, each.data_category,
                    round(each.confidence, 2), each.evidence, each.is_personal,
                )
                for each in findings
            ],
        )  # fmt: skip
    connection.execute("commit")
