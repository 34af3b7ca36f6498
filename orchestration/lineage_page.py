"""The column graph as a page: every table, its personal columns, and the ways between them.

One file with nothing from elsewhere, for Dagster has no view of columns of its own: searchable,
and a place of its own for each table and column (``lineage.html#shop.members.email``).
Names, categories and kinds only; no row is read.
"""

import dataclasses
import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import duckdb
from jinja2.utils import htmlsafe_json_dumps

from orchestration.durable import write_whole
from orchestration.known_columns import Known, known_columns
from orchestration.pages import templates
from orchestration.project import Project
from orchestration.settings import Settings
from orchestration.translator import RAW_GROUP, group_of
from orchestration.warehouse import EDGES, connect

PAGE: Final = "lineage.html"

Graph = dict[str, Any]


def page_path(settings: Settings) -> Path:
    """Return where the page lies."""
    return settings.documents / PAGE


def write_page(project: Project) -> tuple[Path, Graph]:
    """Write the page from what was scanned, traced and built last. Raises WarehouseError."""
    graph = gather(project)
    path = page_path(project.settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    page = templates(autoescape=True).get_template("lineage.html.jinja")
    write_whole(path, page.render(graph=htmlsafe_json_dumps(graph, dumps=_compact)))
    return path, graph


def gather(project: Project) -> Graph:
    """Return the graph: `tables` with their columns, and `edges` between columns by number.

    A table is `name`, `stage`, `kind` and `columns`; a column `name`, and where something is
    known of it `category`, `how` (declared, inherited, scanned), `sensitivity`, `path`,
    `evidence` and `problem`. An edge is [from, to, kind], by the place of a column in the list
    of all columns.
    """
    with connect(project.settings, read_only=True) as connection:
        columns = _columns(connection, project)
        known = known_columns(connection, project)
        rows = connection.execute(
            "select parent_schema, parent_table, parent_column, schema_name, table_name, "
            f"column_name, kind from tags.{EDGES} order by all"
        ).fetchall()
    # What a flow comes from or goes to is shown even where the warehouse does not have it.
    for row in rows:
        for place in (row[:3], row[3:6]):
            columns[place[:2]].setdefault(place[2])
    nodes = _nodes(project.manifest)
    numbers: dict[tuple[str, ...], int] = {}
    tables = []
    for place in sorted(columns, key=lambda each: (_order(nodes.get(each)), each)):
        node = nodes.get(place)
        described = []
        for name in columns[place]:
            numbers[(*place, name)] = len(numbers)
            described.append({"name": name, **_facts(known.get((*place, name)))})
        tables.append(
            {
                "name": ".".join(part for part in place if part),
                "stage": group_of(node) if node else "elsewhere",
                "kind": str(node["resource_type"]) if node else "table",
                "columns": described,
            }
        )
    return {
        "tables": tables,
        "edges": [[numbers[row[:3]], numbers[row[3:6]], row[6]] for row in rows],
    }


def _columns(
    connection: duckdb.DuckDBPyConnection, project: Project
) -> dict[tuple[str, str], dict[str, None]]:
    """Return the columns of what the project declares, in their order, by schema and table."""
    nodes = _nodes(project.manifest)
    columns: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for schema, table, column in connection.execute(
        "select schema_name, table_name, column_name from duckdb_columns() "
        "where database_name = current_database() and not internal "
        "order by schema_name, table_name, column_index"
    ).fetchall():
        if (schema, table) in nodes:
            columns[schema, table].setdefault(column)
    return columns


def _facts(known: Known | None) -> dict[str, str]:
    """Return what the page says of a column, without what is not known."""
    told = dataclasses.asdict(known) if known else {}
    return {name: text for name, text in told.items() if text}


def _nodes(manifest: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    return {
        (str(node["schema"]), str(node.get("identifier") or node["alias"])): node
        for node in (*manifest["sources"].values(), *manifest["nodes"].values())
        if node["resource_type"] in ("source", "seed", "model", "snapshot")
    }


def _order(node: Mapping[str, Any] | None) -> tuple[int, str]:
    """Raw tables first, then Kigen's own and seeds, then models by folder, so by their stage."""
    if node is None:
        return (3, "")
    if node["resource_type"] == "model":
        return (2, "/".join(node["fqn"][1:-1]))
    return (0 if group_of(node) == RAW_GROUP else 1, group_of(node))


def _compact(graph: Graph, **options: Any) -> str:
    return json.dumps(graph, ensure_ascii=False, separators=(",", ":"), **options)
