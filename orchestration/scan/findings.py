"""The findings of a scan, held against the declarations and kept in ``tags.scan_findings``."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import duckdb

from orchestration.project import Project
from orchestration.scan.scanner import Finding, scan_schema
from orchestration.translator import meta_of
from orchestration.warehouse import (
    TAGS_SOURCE,
    connect,
    create_declared,
    declared_raw_tables,
    replace_rows,
)

TABLE: Final = "tags.scan_findings"


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
    if not project.settings.warehouse.exists():
        raise ScanError(f"There is no warehouse {project.settings.warehouse}; name one.")
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
        _keep(connection, project, schema, findings)
    return findings


def source_schemas(project: Project) -> list[str]:
    """Return the schemas of the warehouse that hold a source the project declares."""
    tables = declared_raw_tables(project.manifest, project.settings.warehouse.stem)
    return sorted({schema for schema, _ in tables})


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
    connection: duckdb.DuckDBPyConnection,
    project: Project,
    schema: str,
    findings: tuple[Finding, ...],
) -> None:
    rows = [
        (
            each.schema_name, each.table_name, each.column_name, each.data_category,
            round(each.confidence, 2), each.evidence, each.is_personal,
        )
        for each in findings
    ]  # fmt: skip
    connection.execute("begin")
    create_declared(connection, project.manifest, TAGS_SOURCE, "scan_findings")
    replace_rows(connection, TABLE, rows, "schema_name = ?", [schema])
    connection.execute("commit")
