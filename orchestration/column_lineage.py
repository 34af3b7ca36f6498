"""The lineage of the models, column by column, kept in the schema ``tags``.

``tags.column_lineage`` has a row per flow of values, ``tags.inherited_columns`` one per column
that personal data flows into. Read from what dbt compiled last (``KIGEN_HOME/target/compiled``)
and from the columns as they are in the warehouse; no row is read.
"""

import graphlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from orchestration.lineage import (
    ColumnTags,
    Edge,
    ModelLineage,
    Undeclared,
    inherit,
    read_lineage,
    undeclared,
)
from orchestration.project import Project, ProjectError
from orchestration.translator import meta_of
from orchestration.warehouse import (
    EDGES,
    INHERITED,
    TAGS_SOURCE,
    connect,
    create_declared,
    patiently,
    replace_rows,
)

COMPILE_STEP: Final = "trace_columns"
"""The step that compiles, as its results are called after."""

_Row = tuple[str | None, ...]

_COMPILED_FOR: Final = "kigen_compiled_for"
"""The file beside the compiled SQL that says for which state of the project it was compiled."""


@dataclass(frozen=True, slots=True)
class Traced:
    """What was found: how many columns, their edges, and what inherits without saying so."""

    models: int
    columns: int
    edges: int
    personal: int
    undeclared: tuple[Undeclared, ...]
    messages: tuple[str, ...]
    """A sentence for each column whose declaration is missing or says something else."""


def trace(project: Project, compile_all: Callable[[], None] | None = None) -> Traced:
    """Read the lineage of every model, and keep it.

    `compile_all` has dbt compile every model; it is called where a model was not compiled
    yet, or the project has changed since, and without it that is refused.
    Raises ProjectError, LineageError where a model cannot be read, and WarehouseError.
    """
    _expect_built(project)
    compiled = _compiled(project, compile_all)
    with connect(project.settings, read_only=False) as connection:
        schemas, externals = _columns(connection, project.manifest)
        manifest = with_named_parents(project.manifest, compiled)
        lineages = read_lineage(manifest, compiled, schemas, externals)
        tags = inherit(manifest, lineages)
        edges = [edge for lineage in lineages.values() for edge in lineage.edges]
        silent = undeclared(tags)
        inherited = [*_inherited(project, tags, silent), *_left_over(project, lineages.values())]
        names = _names(project.manifest)
        connection.execute("begin")
        for table in (EDGES, INHERITED):
            create_declared(connection, project.manifest, TAGS_SOURCE, table)
        rows = [_row(edge, names, tags) for edge in edges]
        replace_rows(connection, f"tags.{EDGES}", rows)
        replace_rows(connection, f"tags.{INHERITED}", inherited)
        connection.execute("commit")
    return Traced(
        len(lineages),
        sum(len(lineage.columns) for lineage in lineages.values()),
        len(edges),
        sum(bool(column.categories) for of_model in tags.values() for column in of_model.values()),
        silent,
        tuple(str(message) for *_, message in inherited if message),
    )


@dataclass(frozen=True, slots=True)
class Reading:
    """What the lineage says of the models of a project that Kigen does not run."""

    lineages: Mapping[str, ModelLineage]
    tags: Mapping[str, Mapping[str, ColumnTags]]
    undeclared: tuple[Undeclared, ...]


def read_target(target: Path, warehouse: Path) -> Reading:
    """Read the lineage of any dbt project that was built on a DuckDB file.

    `target` is the folder where dbt left manifest.json and the compiled SQL. Nothing is written,
    and no policy is asked for. Raises ProjectError where something is missing, LineageError
    where a model cannot be read or a tag cannot stand.
    """
    try:
        manifest = json.loads((target / "manifest.json").read_bytes())
    except (OSError, ValueError) as error:
        raise ProjectError(
            f"{target} has no manifest.json that can be read ({type(error).__name__}); name the "
            "target folder of a dbt project that was built."
        ) from None
    if not warehouse.exists():
        raise ProjectError(f"There is no warehouse {warehouse}; set KIGEN_WAREHOUSE.")
    compiled = {}
    for unique_id, node in manifest["nodes"].items():
        if node["resource_type"] in ("model", "snapshot"):
            file = target / "compiled" / node["package_name"] / Path(node["original_file_path"])
            text = node.get("compiled_code") or (file.read_text("utf-8") if file.exists() else None)
            if text is not None:
                compiled[unique_id] = text
    with patiently(warehouse, lambda: duckdb.connect(str(warehouse), read_only=True)) as connection:
        schemas, externals = _columns(connection, manifest)
    manifest = with_named_parents(manifest, compiled)
    lineages = read_lineage(manifest, compiled, schemas, externals)
    tags = inherit(manifest, lineages)
    return Reading(lineages, tags, undeclared(tags))


_NAME_IN_SQL: Final = re.compile(r'"?(\w+)"?\."?(\w+)"?')


def with_named_parents(
    manifest: Mapping[str, Any], compiled: Mapping[str, str]
) -> Mapping[str, Any]:
    """Return the manifest with the parents that models name in their SQL, and not by `ref`.

    A macro that looks at every table of a project reads them so, and so does a careless hand:
    what flows flows. A name that would make a model its own ancestor is left out.
    """
    places = {place: unique_id for unique_id, place in _names(manifest).items()}
    parents = {
        unique_id: list(node.get("depends_on", {}).get("nodes", ()))
        for unique_id, node in manifest["nodes"].items()
    }
    named: dict[str, list[str]] = {}
    for unique_id, text in compiled.items():
        found = {
            places[place]: None
            for schema, table in _overlapping(text)
            if (place := (schema, table)) in places
        }
        named[unique_id] = [
            each for each in found if each != unique_id and each not in parents[unique_id]
        ]
    while any(named.values()):
        graph = {each: [*parents[each], *named.get(each, ())] for each in parents}
        try:
            graphlib.TopologicalSorter(graph).prepare()
        except graphlib.CycleError as error:
            for each in error.args[1]:
                named.pop(each, None)
            continue
        break
    nodes = {
        unique_id: {
            **node,
            "depends_on": {**node["depends_on"], "nodes": [*parents[unique_id], *more]},
        }
        if (more := named.get(unique_id))
        else node
        for unique_id, node in manifest["nodes"].items()
    }
    return {**manifest, "nodes": nodes}


def _overlapping(text: str) -> Iterator[tuple[str, str]]:
    """Yield the pairs of neighbouring parts of dotted names: of a.b.c, (a, b) and (b, c)."""
    at = 0
    while match := _NAME_IN_SQL.search(text, at):
        yield match.group(1), match.group(2)
        at = match.start(2) - (text[match.start(2) - 1] == '"')


def common_category(categories: tuple[str, ...]) -> str:
    """Return the narrowest category that all of these are of."""
    common = []
    for level in zip(*(category.split(".") for category in categories), strict=False):
        if len(set(level)) > 1:
            break
        common.append(level[0])
    return ".".join(common) or "user"


def _expect_built(project: Project) -> None:
    """Refuse a warehouse where nothing was built: SQL is compiled against what is there."""
    warehouse = project.settings.warehouse
    built: set[str] = set()
    if warehouse.exists():
        with connect(project.settings, read_only=True) as connection:
            schemas, _ = _columns(connection, project.manifest, with_declared=False)
            built = {name for name in schemas if name.startswith("model.")}
    if not built:
        raise ProjectError(f"No model is built in {warehouse} yet; `kigen plan` builds them.")


def _compiled(project: Project, compile_all: Callable[[], None] | None) -> dict[str, str]:
    """Return the compiled SQL of every enabled model and snapshot, by unique_id."""
    nodes = {
        unique_id: node
        for unique_id, node in project.manifest["nodes"].items()
        if node["resource_type"] in ("model", "snapshot")
    }
    stamp = project.settings.target / "compiled" / _COMPILED_FOR
    is_fresh = stamp.exists() and stamp.read_text("utf-8") == project.fingerprint
    found = _read_compiled(project, nodes)
    if is_fresh and len(found) == len(nodes):
        return found
    if compile_all is None:
        if is_fresh or not stamp.exists():
            missing = sorted(nodes[unique_id]["name"] for unique_id in nodes.keys() - found.keys())
            what = f"{len(missing)} models are not compiled, such as {missing[0]}"
        else:
            what = "The project has changed since its models were compiled"
        raise ProjectError(f"{what}; `kigen lineage` compiles them.")
    compile_all()
    stamp.write_text(project.fingerprint, "utf-8")
    return _read_compiled(project, nodes)


def _read_compiled(project: Project, nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return what dbt compiled last of these nodes.

    Of a model it leaves a file whenever it builds it; of a snapshot only its results tell.
    """
    target = project.settings.target
    found: dict[str, str] = {}
    results = target / f"run_results_{COMPILE_STEP}.json"
    if results.exists():
        for result in json.loads(results.read_bytes())["results"]:
            if nodes.get(result["unique_id"], {}).get("resource_type") == "snapshot":
                found[result["unique_id"]] = result["compiled_code"]
    for unique_id, node in nodes.items():
        file = target / "compiled" / node["package_name"] / Path(node["original_file_path"])
        if node["resource_type"] == "model" and file.exists():
            found[unique_id] = file.read_text("utf-8")
    return found


def _columns(
    connection: duckdb.DuckDBPyConnection,
    manifest: Mapping[str, Any],
    *,
    with_declared: bool = True,
) -> tuple[dict[str, dict[str, str]], dict[str, list[str]]]:
    """Return the columns of sources, seeds and models, and of tables that are none of these.

    `with_declared`: what is not built yet has the columns it declares.
    """
    there: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for schema, table, column, data_type in connection.execute(
        "select case when database_name = current_database() then schema_name else database_name end, "
        "table_name, column_name, data_type from duckdb_columns() "
        "where not internal and (database_name = current_database() or database_name = 'kigen_key') "
        # As they stand: a union and a star go by position.
        "order by database_name, schema_name, table_name, column_index"
    ).fetchall():
        there[schema, table][column] = data_type
    names = _names(manifest)
    nodes = {**manifest["sources"], **manifest["nodes"]}
    schemas = {unique_id: there[name] for unique_id, name in names.items() if name in there}
    if with_declared:
        for unique_id in names.keys() - schemas.keys():
            columns = nodes[unique_id]["columns"].items()
            if columns:
                schemas[unique_id] = {
                    name.lower(): each["data_type"] or "" for name, each in columns
                }
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
    edge: Edge, names: Mapping[str, tuple[str, str]], tags: Mapping[str, Mapping[str, ColumnTags]]
) -> _Row:
    """Return an edge as a row, with what its column is and the way it came, if it is personal."""
    column = tags.get(edge.model, {}).get(edge.column)
    categories = ", ".join(column.categories) if column else ""
    # A table that no node declares has the name it is called by.
    parent = names.get(edge.parent, ("", edge.parent))
    return (
        *names[edge.model], edge.column, *parent, edge.parent_column, edge.kind.value,
        categories or None, _path(column) or None,
    )  # fmt: skip


def _path(column: ColumnTags | None) -> str:
    if column is None or not column.origins:
        return ""
    return " -> ".join(min(column.origins, key=lambda each: (each.length, each.path)).path)


def _inherited(
    project: Project,
    tags: Mapping[str, Mapping[str, ColumnTags]],
    silent: tuple[Undeclared, ...],
) -> list[_Row]:
    """Return a row per column that personal data flows into, and what is wrong with some."""
    names = _names(project.manifest)
    unsaid = {(each.model, each.column): each.message for each in silent}
    rows: list[_Row] = []
    for model, columns in tags.items():
        for name, column in columns.items():
            if not column.categories or all(origin.length == 1 for origin in column.origins):
                continue
            problem, message = None, unsaid.get((model, name))
            if message:
                problem = "undeclared"
            elif _contradicts(project.manifest["nodes"][model], column):
                problem = "contradicted"
                message = (
                    f"{'.'.join((*names[model], name))} is declared {column.categories[0]} and "
                    f"inherits {', '.join(column.inherited)} ({_path(column)}); give the column "
                    "that, or meta.reason"
                )
            category = common_category(column.categories)
            rows.append((*names[model], name, category, _path(column), problem, message))
    return rows


def _left_over(project: Project, lineages: Iterable[ModelLineage]) -> list[_Row]:
    """Return the columns that a table has, and no SQL makes, and nobody declares.

    An incremental model keeps what an older version of it once put there.
    """
    names = _names(project.manifest)
    rows: list[_Row] = []
    for lineage in lineages:
        declared = {name.lower() for name in project.manifest["nodes"][lineage.model]["columns"]}
        for name in lineage.unexplained:
            if name not in declared:
                here = ".".join((*names[lineage.model], name))
                message = (
                    f"{here} stands in the table, and its SQL does not make it, so nobody knows "
                    "what it holds; build the model with --full-refresh, or declare the column"
                )
                rows.append((*names[lineage.model], name, "user", here, "left_over", message))
    return rows


def _contradicts(node: Mapping[str, Any], column: ColumnTags) -> bool:
    """Whether what is declared is of another kind than all that flows in, without a reason."""
    described = {name.lower(): each for name, each in node["columns"].items()}
    if (
        not column.is_declared
        or not column.inherited
        or meta_of(described.get(column.column, {})).get("reason")
    ):
        return False
    if any(origin.coarsened_from for origin in column.origins):
        return False
    return not any(
        f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")
        for one in column.categories
        for other in column.inherited
    )
