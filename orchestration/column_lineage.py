"""The lineage of the built models, column by column, kept in ``tags.column_lineage``.

Read from what dbt compiled last (``KIGEN_HOME/target/compiled``) and from the columns as they are
in the warehouse; no row is read.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from orchestration.lineage import (
    Edge,
    Undeclared,
    inherit,
    read_lineage,
    undeclared,
)
from orchestration.project import Project, ProjectError
from orchestration.warehouse import connect

TABLE: Final = "tags.column_lineage"

_COLUMNS: Final = (
    "schema_name varchar, table_name varchar, column_name varchar, parent_schema varchar, "
    "parent_table varchar, parent_column varchar, kind varchar, data_category varchar, path varchar"
)


@dataclass(frozen=True, slots=True)
class Traced:
    """What was found: how many columns, their edges, and what inherits without saying so."""

    models: int
    columns: int
    edges: int
    personal: int
    undeclared: tuple[Undeclared, ...]


def trace(project: Project) -> Traced:
    """Read the lineage of every model that is built, and keep it.

    Raises ProjectError where a model was not compiled yet, LineageError where one cannot be
    read, and WarehouseError.
    """
    compiled = _compiled(project)
    with connect(project.settings, read_only=False) as connection:
        schemas, externals = _columns(connection, project)
        lineages = read_lineage(project.manifest, compiled, schemas, externals)
        tags = inherit(project.manifest, lineages)
        edges = [edge for lineage in lineages.values() for edge in lineage.edges]
        names = _names(project.manifest)
        rows = [_row(edge, names, tags) for edge in edges]
        connection.execute("begin")
        connection.execute("create schema if not exists tags")
        connection.execute(f"create table if not exists {TABLE} ({_COLUMNS})")
        connection.execute(f"delete from {TABLE}")
        if rows:
            connection.executemany(f"insert into {TABLE} values (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        connection.execute("commit")
    columns = [column for of_model in tags.values() for column in of_model.values()]
    return Traced(
        len(lineages),
        sum(len(lineage.columns) for lineage in lineages.values()),
        len(edges),
        sum(bool(column.categories) for column in columns),
        undeclared(tags),
    )


def _compiled(project: Project) -> dict[str, str]:
    """Return the compiled SQL of every enabled model, by unique_id."""
    compiled: dict[str, str] = {}
    missing: list[str] = []
    for unique_id, node in project.manifest["nodes"].items():
        if node["resource_type"] != "model":
            continue
        file = (
            project.settings.target
            / "compiled"
            / node["package_name"]
            / Path(node["original_file_path"])
        )
        if file.exists():
            compiled[unique_id] = file.read_text("utf-8")
        else:
            missing.append(node["name"])
    if missing:
        raise ProjectError(
            f"{len(missing)} models are not compiled, such as {min(missing)}; `kigen plan` builds "
            "them, `kigen run` all."
        )
    return compiled


def _columns(
    connection: duckdb.DuckDBPyConnection, project: Project
) -> tuple[dict[str, dict[str, str]], dict[str, list[str]]]:
    """Return the columns of sources, seeds and models, and of tables that are none of these."""
    there: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for schema, table, column, data_type in connection.execute(
        "select case when database_name = current_database() then schema_name else database_name end, "
        "table_name, column_name, data_type from duckdb_columns() "
        "where not internal and (database_name = current_database() or database_name = 'kigen_key') "
        "order by all"
    ).fetchall():
        there[schema, table][column] = data_type
    names = _names(project.manifest)
    schemas = {unique_id: there[name] for unique_id, name in names.items() if name in there}
    known = set(names.values())
    externals = {
        f"{schema}.{table}": list(columns)
        for (schema, table), columns in there.items()
        if (schema, table) not in known
    }
    return schemas, externals


def _names(manifest: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    return {
        unique_id: (str(node["schema"]), str(node.get("identifier") or node["alias"]))
        for unique_id, node in (*manifest["sources"].items(), *manifest["nodes"].items())
        if node["resource_type"] in ("source", "seed", "model", "snapshot")
    }


def _row(
    edge: Edge, names: Mapping[str, tuple[str, str]], tags: Mapping[str, Mapping[str, Any]]
) -> tuple[str | None, ...]:
    """Return an edge as a row, with what its column is and the way it came, if it is personal."""
    column = tags.get(edge.model, {}).get(edge.column)
    categories = ", ".join(column.categories) if column else ""
    path = " -> ".join(column.origins[0].path) if column and column.origins else ""
    # A table that no node declares has the name it is called by.
    parent = names.get(edge.parent, ("", edge.parent))
    return (
        *names[edge.model], edge.column, *parent, edge.parent_column, edge.kind.value,
        categories or None, path or None,
    )  # fmt: skip
