"""What a table is like in the warehouse: its columns with their categories, and its rows."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import duckdb

from orchestration.known_columns import known_columns
from orchestration.lineage_page import PAGE as LINEAGE_PAGE
from orchestration.project import Project
from orchestration.translator import described_column, kigen_of, table_schema
from orchestration.warehouse import connect


def facts_of(project: Project, nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return, by unique id, the metadata Dagster shows of nodes of the manifest.

    A view has no row count: some take long to compute, and nobody waits for it here. A node
    the warehouse does not have is left out. Raises WarehouseError.
    """
    with connect(project.settings, read_only=True) as connection:
        columns = _columns(connection)
        known = known_columns(connection, project)
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
            described = [
                described_column(
                    name, kind, node["columns"].get(name, {}), known.get((*place, name))
                )
                for name, kind in columns[place]
            ]
            url = project.settings.page_url("documents", LINEAGE_PAGE)
            facts[unique_id] = {
                "dagster/column_schema": table_schema(described),
                "lineage": dg.MetadataValue.url(f"{url}#{'.'.join(place)}"),
            }
            if place in tables:
                rows = connection.execute(f"select count(*) from {node['relation_name']}")
                facts[unique_id]["dagster/row_count"] = rows.fetchall()[0][0]
                facts[unique_id] |= _totals(connection, node)
    return facts


def _totals(connection: duckdb.DuckDBPyConnection, node: Mapping[str, Any]) -> dict[str, int]:
    """Return the sums of the columns that a model declares as `meta.kigen.totals`."""
    names = kigen_of(node).get("totals") or []
    if not names:
        return {}
    sums = ", ".join(f'coalesce(sum("{name}"), 0)' for name in names)
    row = connection.execute(f"select {sums} from {node['relation_name']}").fetchall()[0]
    return {name: int(total) for name, total in zip(names, row, strict=True)}


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
