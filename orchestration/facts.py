"""What a table is like in the warehouse: its columns with their categories, and its rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from orchestration.project import Project
from orchestration.translator import column_tags, table_schema
from orchestration.warehouse import connect, has_table


def facts_of(project: Project, nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return, by unique id, the metadata Dagster shows of nodes of the manifest.

    A view has no row count: some take long to compute, and nobody waits for it here. A node
    the warehouse does not have is left out. Raises WarehouseError.
    """
    with connect(project.settings, read_only=True) as connection:
        columns = _columns(connection)
        known_columns = _known_columns(connection, project)
        tables = set(
            connection.execute(
                "select schema_name, table_name from duckdb_tables() "
                "where database_name = current_database()"
            ).fetchall()
        )
        facts: dict[str, dict[str, Any]] = {}
        for unique_id, node in nodes.items():
            place = (str(node["schema"]), str(node.get("identifier") or node.get("alias")))
            if place not in columns:
                continue
            described = []
            for name, kind in columns[place]:
                declared = node["columns"].get(name, {})
                known = known_columns.get((*place, name))
                tags = {**(known.tags if known else {}), **column_tags(declared)}
                texts = [declared.get("description") or "", known.text if known else ""]
                described.append((name, kind, "\n\n".join(filter(None, texts)), tags))
            facts[unique_id] = {"dagster/column_schema": table_schema(described)}
            if place in tables:
                rows = connection.execute(f"select count(*) from {node['relation_name']}")
                facts[unique_id]["dagster/row_count"] = rows.fetchall()[0][0]
    return facts


def _columns(
    connection: duckdb.DuckDBPyConnection,
) -> dict[tuple[str, str], list[tuple[str, str]]]:
    columns: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for schema, table, column, kind in connection.execute(
        "select schema_name, table_name, column_name, data_type from duckdb_columns() "
        "where database_name = current_database() "
        "order by schema_name, table_name, column_index"
    ).fetchall():
        columns.setdefault((schema, table), []).append((column, kind.lower()))
    return columns


@dataclass(frozen=True, slots=True)
class _Known:
    """What the stage `tags` knows of a column, as Dagster shows it."""

    tags: Mapping[str, str]
    text: str


def _known_columns(
    connection: duckdb.DuckDBPyConnection, project: Project
) -> dict[tuple[str, str, str], _Known]:
    """Return the columns that are known to be personal, by schema, table and name."""
    if not has_table(connection, "tags", "pii_columns"):
        return {}
    rows = connection.execute(
        "select schema_name, table_name, column_name, data_category, tagged_by, path, evidence "
        f"from {project.relation('pii_columns')}"
    ).fetchall()
    sensitivity = project.declarations.sensitivity
    known = {}
    for schema, table, column, category, how, path, evidence in rows:
        tags = {"data_category": category, "tagged_by": how}
        if sensitivity(category):
            tags["sensitivity"] = sensitivity(category)
        said = f"Personal ({category}), {how}."
        if path:
            said += f" From {path}."
        if evidence and how == "scanned":
            said += f" The scan: {evidence}."
        known[schema, table, column] = _Known(tags, said)
    return known
