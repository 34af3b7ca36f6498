"""Which columns of a model's parents its columns are made of, and what personal data they inherit.

Read from dbt's manifest and the compiled SQL alone: no warehouse is opened, no row is read.
sqlglot parses; what a name means is decided here, as DuckDB decides it, one model at a time and
with the columns of its parents only, so that a project takes as long as its models together.

Only flows of values count: what is filtered by, joined on, ordered by, counted or compared does
not flow. When in doubt a column inherits: a function unknown to this module carries all it is given.

Architecture invariant: nothing is skipped. A model that cannot be parsed, or a name that means
nothing, is a `LineageError`. No message holds a string literal of the SQL: it may be a value.
"""

import functools
import graphlib
import itertools
import logging
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, Literal, cast

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError, TokenError

from orchestration.declarations import NOT_PERSONAL, Fault
from orchestration.fideslang_keys import DATA_CATEGORIES

PSEUDONYMOUS: Final = "user.unique_id.pseudonymous"
"""What a hash of personal data is."""

UNIQUE_ID: Final = "user.unique_id"
"""What the column holds that a source names as the subject of its rows."""

TaggedBy = Literal["declared", "inherited"]


class Kind(StrEnum):
    """What a column does with the column it comes from; of several, the last of these."""

    IDENTITY = "identity"
    RENAME = "rename"
    CAST = "cast"
    EXPRESSION = "expression"
    AGGREGATE = "aggregate"
    COARSEN = "coarsen"
    HASH = "hash"


_OF_DBT: Final = ("", "table", "view", "incremental", "ephemeral", "materialized_view", "snapshot")

_RANK: Final = {kind: rank for rank, kind in enumerate(Kind)}


class LineageError(ValueError):
    """Everything that cannot be read or is declared wrongly, one line per fault."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


@dataclass(frozen=True, slots=True)
class Edge:
    """A flow of values: from a column of a parent to a column of a model, by unique_id."""

    model: str
    column: str
    parent: str
    parent_column: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class ModelLineage:
    """The columns of one model in their order, and what flows into them.

    `unexplained` are columns of the table as it is, of which its SQL says nothing.
    """

    model: str
    columns: tuple[str, ...]
    edges: tuple[Edge, ...]
    unexplained: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Origin:
    """Personal data that reaches a column: what it is, and by which way it comes.

    The way begins at a raw column, also where the first tag stands on a model behind it.
    `pseudonymous_of` is the category of what was hashed, where `category` is a pseudonym of it.
    """

    category: str
    pseudonymous_of: str | None
    coarsened_from: str | None
    column: str
    raw_column: str
    length: int = 1
    # Left out of what makes two the same: a chain of hundreds is too deep to compare.
    via: "Origin | None" = field(default=None, compare=False, repr=False)

    @property
    def path(self) -> tuple[str, ...]:
        """The way as ``schema.table.column``, the raw column first."""
        columns: list[str] = []
        step: Origin | None = self
        while step is not None:
            columns.append(step.column)
            step = step.via
        return tuple(reversed(columns))


@dataclass(frozen=True, slots=True)
class ColumnTags:
    """What a column of a model holds of personal data, and how that is known.

    `categories` is what holds: the declared tag, or all that is inherited. `inherited` is what
    flows in by the SQL, before a tag or a coarsening: a tag that contradicts it can be seen.
    `tagged_by` is null where nothing is personal, or where `none` is declared with its reason.
    """

    model: str
    column: str
    categories: tuple[str, ...]
    inherited: tuple[str, ...]
    tagged_by: TaggedBy | None
    is_declared: bool
    origins: tuple[Origin, ...]

    @property
    def pseudonymous_of(self) -> tuple[str, ...]:
        """The categories that stand behind its pseudonyms."""
        return tuple(sorted({o.pseudonymous_of for o in self.origins if o.pseudonymous_of}))


@dataclass(frozen=True, slots=True)
class Undeclared:
    """A column that inherits personal data and says nothing of it."""

    model: str
    column: str
    categories: tuple[str, ...]
    path: tuple[str, ...]
    message: str


# Reading the project.


def read_lineage(
    manifest: Mapping[str, Any],
    compiled: Mapping[str, str],
    schemas: Mapping[str, Mapping[str, str]],
    externals: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, ModelLineage]:
    """Return the lineage of every model and snapshot, parents first.

    `manifest` is manifest.json as loaded. `compiled` has the compiled SQL and `schemas` the real
    columns with their types, both by unique_id; sources and seeds need a schema, models only one
    for columns without a name of their own. `externals` names tables that no node declares
    (``schema.table``), with their columns; they hold nothing personal.
    Raises LineageError with every model that cannot be read.
    """
    faults: list[Fault] = []
    lineages: dict[str, ModelLineage] = {}
    roots = _Roots(manifest, schemas, externals or {})
    for unique_id in _in_order(manifest):
        node = manifest["nodes"][unique_id]
        if _is_inlined(node, compiled):
            continue
        try:
            lineages[unique_id] = _read_model(manifest, unique_id, compiled, roots, lineages)
        except _FollowsError:
            # It cannot be read because a parent cannot, which has its fault.
            continue
        except _UnreadableError as unreadable:
            faults.append(_fault(node, str(unreadable)))
        except RecursionError:
            faults.append(_fault(node, "is nested too deeply to be read; split it"))
    if faults:
        raise LineageError(faults)
    return lineages


def _read_model(
    manifest: Mapping[str, Any],
    unique_id: str,
    compiled: Mapping[str, str],
    roots: "_Roots",
    lineages: Mapping[str, ModelLineage],
) -> ModelLineage:
    """Return the lineage of one model. Only its parents are looked at, however many others are."""
    node = manifest["nodes"][unique_id]
    if node.get("language", "sql") != "sql":
        raise _UnreadableError("is not SQL, and what its columns are made of cannot be read")
    text = compiled.get(unique_id)
    if text is None:
        raise _UnreadableError("has no compiled SQL; compile the project")
    catalog = _Catalog(roots)
    _add_parents(catalog, manifest, node, compiled, roots.schemas, lineages)
    own = roots.schemas.get(unique_id)
    # An incremental model may read its own table.
    names = list(own if own is not None else node.get("columns") or ())
    catalog.itself = (_relation_parts(node), [name.lower() for name in names])
    reader = _Reader(catalog, own)
    columns = reader.read(_parsed(text))
    if node["resource_type"] == "snapshot":
        columns = [*columns, *_snapshot_columns(node, columns)]
    names = _output_names(columns, own)
    if reader.hangs_on_data and names != [name.lower() for name in own or ()]:
        raise _UnreadableError(_NO_PIVOT)
    materialized = str((node.get("config") or {}).get("materialized") or "")
    if own is not None and materialized not in _OF_DBT:
        # What a materialization of the project's own leaves out never reaches the table.
        made = [name.lower() for name in own]
        kept = [(n, c) for n, c in zip(names, columns, strict=True) if n in made]
        names, columns = [n for n, _ in kept], [c for _, c in kept]
    edges = [
        Edge(unique_id, name, parent, column, _final(kind, name, column))
        for name, (_, value) in zip(names, columns, strict=True)
        for (parent, column), kind in sorted(value.flows, key=lambda f: (f[0], _RANK[f[1]]))
    ]
    unexplained = tuple(name.lower() for name in own or () if name.lower() not in names)
    return ModelLineage(unique_id, tuple(names), tuple(dict.fromkeys(edges)), unexplained)


def _in_order(manifest: Mapping[str, Any]) -> Iterator[str]:
    graph = {
        unique_id: [parent for parent in node["depends_on"]["nodes"] if _is_model(manifest, parent)]
        for unique_id, node in sorted(manifest["nodes"].items())
        if _is_model(manifest, unique_id)
    }
    return iter(graphlib.TopologicalSorter(graph).static_order())


def _is_model(manifest: Mapping[str, Any], unique_id: str) -> bool:
    node = manifest["nodes"].get(unique_id)
    return node is not None and node["resource_type"] in ("model", "snapshot")


def _is_ephemeral(node: Mapping[str, Any]) -> bool:
    return bool((node.get("config") or {}).get("materialized") == "ephemeral")


def _is_inlined(node: Mapping[str, Any], known: Collection[str]) -> bool:
    """Whether an ephemeral model is read in its readers alone: it declares nothing of its own."""
    if not _is_ephemeral(node) or node["unique_id"] in known:
        return False
    described = (node.get("columns") or {}).values()
    return not any(_meta(each, key) for each in described for key in ("pii", "kigen"))


def _node(manifest: Mapping[str, Any], unique_id: str) -> Mapping[str, Any]:
    node: Mapping[str, Any] | None = manifest["nodes"].get(unique_id)
    return node if node is not None else manifest["sources"][unique_id]


def _table_name(node: Mapping[str, Any]) -> str:
    return f"{node['schema']}.{_identifier(node)}"


def _identifier(node: Mapping[str, Any]) -> str:
    return str(node.get("identifier") or node.get("alias") or node["name"])


def _relation_parts(node: Mapping[str, Any]) -> list[str]:
    parts = [node.get("database"), node["schema"], _identifier(node)]
    return [str(part).lower() for part in parts if part]


def _fault(node: Mapping[str, Any], problem: str, column: str | None = None) -> Fault:
    return Fault(str(node.get("original_file_path") or ""), problem, _table_name(node), column)


def _add_parents(
    catalog: "_Catalog",
    manifest: Mapping[str, Any],
    node: Mapping[str, Any],
    compiled: Mapping[str, str],
    schemas: Mapping[str, Mapping[str, str]],
    lineages: Mapping[str, ModelLineage],
) -> None:
    """Make the tables known that a model may read: its parents, and those of inlined ones."""
    waiting = list(node["depends_on"]["nodes"])
    seen: set[str] = set()
    while waiting:
        parent = waiting.pop()
        known = parent in manifest["nodes"] or parent in manifest.get("sources", {})
        if parent in seen or not known:
            continue
        seen.add(parent)
        described = _node(manifest, parent)
        if described["resource_type"] not in ("model", "snapshot", "seed", "source"):
            continue
        columns = _parent_columns(manifest, parent, schemas, lineages)
        if described["resource_type"] == "model" and _is_ephemeral(described):
            # Its SQL is inlined; what is declared of its columns holds all the same.
            if parent in compiled and columns is not None:
                catalog.ephemerals[f"__dbt__cte__{_identifier(described)}".lower()] = columns
            waiting += described["depends_on"]["nodes"]
        elif columns is None:
            # Said when it is read: a parent may stand in depends_on alone.
            is_model = _is_model(manifest, parent)
            catalog.add_unknown(
                _relation_parts(described), _unknown(_table_name(described), is_model)
            )
        else:
            catalog.add(_relation_parts(described), columns)
            catalog.add_text(str(described.get("relation_name") or ""), columns)


def _parent_columns(
    manifest: Mapping[str, Any],
    parent: str,
    schemas: Mapping[str, Mapping[str, str]],
    lineages: Mapping[str, ModelLineage],
) -> "_Columns | None":
    types = {name.lower(): kind for name, kind in schemas.get(parent, {}).items()}
    names = list(types)
    if _is_model(manifest, parent):
        if parent not in lineages:
            return None
        # What the SQL says is newer than the table; the table may have columns of its own.
        of_sql = lineages[parent].columns
        names = [*of_sql, *(name for name in types if name not in of_sql)]
    elif not types:
        return None
    return [(name, _source_value((parent, name), types.get(name, ""))) for name in names]


def _unknown(table: str, is_model: bool) -> "_UnreadableError":
    if is_model:
        return _FollowsError(f"reads {table}, which cannot be read itself")
    return _UnreadableError(f"reads {table}, of which no columns are known; give its schema")


def _output_names(columns: "_Columns", own: Mapping[str, str] | None) -> list[str]:
    """Return the names of the columns; those without one have it from the table as it is."""
    names = [name for name, _ in columns]
    real = [name.lower() for name in own or ()]
    if len(real) == len(names):
        names = [
            known if name.startswith(_UNNAMED) else name
            for name, known in zip(names, real, strict=True)
        ]
    for position, name in enumerate(names, start=1):
        if name.startswith(_UNNAMED):
            raise _UnreadableError(f"has no name for its column {position}; give it an alias")
    return [name for name, _ in _deduplicated([(name, _NOTHING) for name in names])]


def _snapshot_columns(node: Mapping[str, Any], columns: "_Columns") -> "_Columns":
    """Return what dbt adds to a snapshot: the digest of its key, and times."""
    config = node.get("config") or {}
    named = config.get("snapshot_meta_column_names") or {}
    by_name = dict(columns)

    def value(*names: object) -> _Value:
        return _merged(by_name.get(str(name).lower(), _NOTHING) for name in names if name)

    key = config.get("unique_key")
    keys = key if isinstance(key, list) else [key]
    at = value(config.get("updated_at")).lifted(Kind.EXPRESSION)
    digest = value(*keys, config.get("updated_at")).lifted(Kind.HASH)
    added = {"dbt_scd_id": digest, "dbt_updated_at": at, "dbt_valid_from": at, "dbt_valid_to": at}
    return [(str(named.get(name) or name).lower(), value) for name, value in added.items()]


def _final(kind: Kind, name: str, parent_column: str) -> Kind:
    if kind is Kind.IDENTITY and name != parent_column:
        return Kind.RENAME
    return kind


# Reading SQL.


class _UnreadableError(Exception):
    """Why a model cannot be read, without a literal of its SQL."""


class _FollowsError(_UnreadableError):
    """A parent cannot be read."""


_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
_UNNAMED: Final = "?"
_ROUNDS: Final = 8
_DEEPEST: Final = 1000


def _shown(*parts: str) -> str:
    """A name for a message; what is not plainly a name may be a value in the wrong quotes."""
    return ".".join(part if _NAME.fullmatch(part) else "(quoted)" for part in parts)


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep sqlglot from logging a statement it does not know: its literals would be in the log."""
    logger = logging.getLogger("sqlglot")
    logger.addFilter(_drop)
    try:
        yield
    finally:
        logger.removeFilter(_drop)


def _drop(_record: logging.LogRecord) -> bool:
    return False


def _parsed(text: str) -> exp.Expr:
    try:
        with _unlogged():
            parsed = sqlglot.parse(text, dialect="duckdb")
    except ParseError as error:
        # The text of the error holds the SQL around it.
        first = error.errors[0] if error.errors else {}
        where = f" (line {first['line']}, column {first['col']})" if first.get("line") else ""
        raise _UnreadableError(f"cannot be parsed{where}") from None
    except TokenError:
        raise _UnreadableError("cannot be parsed: a quote or a comment is not closed") from None
    except SqlglotError:
        raise _UnreadableError("cannot be parsed") from None
    # A comment after the last semicolon is one of its own.
    statements = [e for e in parsed if e is not None and not isinstance(e, exp.Semicolon)]
    if len(statements) != 1:
        raise _UnreadableError(f"holds {len(statements)} statements; a model is one query")
    return statements[0]


_Source = tuple[str, str]
_Flow = tuple[_Source, Kind]


@dataclass(frozen=True, slots=True)
class _Value:
    """What a value is made of. `fields` is known of structs; a list is as its elements."""

    flows: frozenset[_Flow]
    fields: "Mapping[str, _Value] | None" = None
    is_list: bool = False

    def lifted(self, kind: Kind) -> "_Value":
        """The same after an operation, which keeps no fields."""
        rank = _RANK[kind]
        flows = ((source, k if _RANK[k] >= rank else kind) for source, k in self.flows)
        return _Value(frozenset(flows)) if self.flows else _NOTHING

    def aggregated(self) -> "_Value":
        """One of the values, or all in a list: a struct keeps its fields."""
        lifted = self.lifted(Kind.AGGREGATE)
        if self.fields is None:
            return _Value(lifted.flows, None, self.is_list)
        fields = {name: value.aggregated() for name, value in self.fields.items()}
        return _Value(lifted.flows, fields, self.is_list)

    def listed(self, is_list: bool) -> "_Value":
        return _Value(self.flows, self.fields, is_list)


_NOTHING: Final = _Value(frozenset())
_Columns = list[tuple[str, _Value]]


def _merged(values: Iterable[_Value]) -> _Value:
    """Any of the values, or all of them: fields where every one that holds something has them."""
    holding = [value for value in values if value.flows or value.fields]
    if not holding:
        return _NOTHING
    if len(holding) == 1:
        return holding[0]
    flows = frozenset(itertools.chain.from_iterable(value.flows for value in holding))
    is_list = any(value.is_list for value in holding)
    fields: dict[str, list[_Value]] = {}
    for value in holding:
        if value.fields is None:
            return _Value(flows, None, is_list)
        for name, each in value.fields.items():
            fields.setdefault(name, []).append(each)
    return _Value(flows, {name: _merged(each) for name, each in fields.items()}, is_list)


def _chosen(values: Sequence[_Value], conditions: Sequence[_Value]) -> _Value:
    """One of the values. Where they are constants, a boolean that chooses is all they tell."""
    chosen = _merged(values)
    if chosen.flows or chosen.fields:
        return chosen
    return _merged(conditions).lifted(Kind.EXPRESSION)


def _struct(fields: Mapping[str, _Value]) -> _Value:
    flows = frozenset(itertools.chain.from_iterable(v.flows for v in fields.values()))
    return _Value(_Value(flows).lifted(Kind.EXPRESSION).flows, fields)


def _source_value(source: _Source, type_name: str) -> _Value:
    value = _Value(frozenset({(source, Kind.IDENTITY)}))
    if "STRUCT(" not in type_name.upper():
        return value.listed(type_name.rstrip().endswith("]"))
    try:
        kind = exp.DataType.build(type_name, dialect="duckdb")
    except SqlglotError:
        return value
    return _of_type(value, kind)


def _of_type(value: _Value, kind: exp.Expr) -> _Value:
    """The value with the fields its type has; all of them come from the whole column."""
    if not isinstance(kind, exp.DataType):
        return value
    if kind.is_type(exp.DType.LIST, exp.DType.ARRAY):
        inner = kind.expressions[0] if kind.expressions else kind
        return (value if inner is kind else _of_type(value, inner)).listed(True)
    if not kind.is_type(exp.DType.STRUCT):
        return value
    part = value.lifted(Kind.EXPRESSION)
    fields = {
        each.name.lower(): _of_type(part, each.args["kind"])
        for each in kind.expressions
        if isinstance(each, exp.ColumnDef)
    }
    return _Value(value.flows, fields or None)


def _deduplicated(columns: _Columns) -> _Columns:
    """Give a second column of the same name the name DuckDB gives it: ``name_1``."""
    seen: dict[str, int] = {}
    result: _Columns = []
    for name, value in columns:
        new = name
        while new in seen:
            new = f"{name}_{seen[name]}"
            seen[name] += 1
        seen[new] = seen.get(new, 0) + 1
        result.append((new, value))
    return result


def _by_position(left: _Columns, right: _Columns) -> _Columns:
    if len(left) != len(right):
        problem = f"unites queries of {len(left)} and {len(right)} columns"
        raise _UnreadableError(problem)
    pairs = zip(left, right, strict=True)
    return [(name, _merged((value, other))) for (name, value), (_, other) in pairs]


def _settled(columns: _Columns, rounds: int) -> _Columns:
    """The same without fields after some rounds: a struct in itself would grow for ever."""
    if rounds < len(columns) + _ROUNDS:
        return columns
    return [(name, _Value(value.flows, None, value.is_list)) for name, value in columns]


def _by_name(left: _Columns, right: _Columns) -> _Columns:
    result = dict(left)
    for name, value in right:
        result[name] = _merged((result[name], value)) if name in result else value
    return list(result.items())


class _Roots:
    """The tables no model makes, by the ends of their names: sources, seeds and externals.

    A model may read them without a ref: a macro that looks at the graph finds them.
    """

    def __init__(
        self,
        manifest: Mapping[str, Any],
        schemas: Mapping[str, Mapping[str, str]],
        externals: Mapping[str, Sequence[str]],
    ) -> None:
        self.schemas = schemas
        self._tables: dict[tuple[str, ...], list[Callable[[], _Columns]]] = {}
        seeds = (n for n in manifest["nodes"].values() if n["resource_type"] == "seed")
        for node in itertools.chain(manifest.get("sources", {}).values(), seeds):
            read = functools.partial(self._columns, str(node["unique_id"]), _table_name(node))
            self._add(_relation_parts(node), read)
        for name, columns in externals.items():
            known = [(column.lower(), _NOTHING) for column in columns]
            self._add(name.lower().split("."), functools.partial(list, known))

    def _add(self, parts: Sequence[str], read: Callable[[], _Columns]) -> None:
        for start in range(len(parts)):
            self._tables.setdefault(tuple(parts[start:]), []).append(read)

    def _columns(self, unique_id: str, table: str) -> _Columns:
        types = self.schemas.get(unique_id)
        if not types:
            raise _unknown(table, is_model=False)
        return [(n.lower(), _source_value((unique_id, n.lower()), t)) for n, t in types.items()]

    def find(self, parts: Sequence[str]) -> list[Callable[[], _Columns]]:
        return self._tables.get(tuple(parts), [])


class _Catalog:
    """The tables a model may read, by the ends of their names."""

    def __init__(self, roots: _Roots) -> None:
        self.ephemerals: dict[str, _Columns] = {}
        self.itself: tuple[list[str], list[str]] = ([], [])
        self._roots = roots
        self._tables: dict[tuple[str, ...], dict[tuple[str, ...], _Columns]] = {}
        self._unknown: dict[tuple[str, ...], _UnreadableError] = {}
        self._texts: dict[str, _Columns] = {}

    def add(self, parts: Sequence[str], columns: _Columns) -> None:
        for start in range(len(parts)):
            tables = self._tables.setdefault(tuple(parts[start:]), {})
            # One table that two sources declare is both.
            full = tuple(parts)
            tables[full] = _by_name(tables[full], columns) if full in tables else columns

    def add_unknown(self, parts: Sequence[str], why: _UnreadableError) -> None:
        for start in range(len(parts)):
            self._unknown[tuple(parts[start:])] = why

    def add_text(self, text: str, columns: _Columns) -> None:
        """A table that is written as something else than its name, such as a file."""
        self._texts[_squeezed(text)] = columns

    def find(self, parts: Sequence[str], text: str) -> _Columns:
        """Return the columns of a table. Raises for one that is not known, or two."""
        found = list(self._tables.get(tuple(parts), {}).values())
        if len(found) == 1:
            return found[0]
        if not found:
            if (written := self.written(text)) is not None:
                return written
            if (why := self._unknown.get(tuple(parts))) is not None:
                raise why
            if len(readers := self._roots.find(parts)) == 1:
                return readers[0]()
            if not readers:
                raise _UnreadableError(
                    f"reads {_shown(*parts)}, which is none of its parents; "
                    "read it by ref() or source(), or name it among the externals"
                )
        raise _UnreadableError(
            f"reads {_shown(*parts)}, and there is more than one; write it in full"
        )

    def has(self, parts: Sequence[str]) -> bool:
        return tuple(parts) in self._tables or bool(self._roots.find(parts))

    def written(self, text: str) -> _Columns | None:
        return self._texts.get(_squeezed(text))

    def is_itself(self, parts: Sequence[str]) -> bool:
        return bool(parts) and self.itself[0][-len(parts) :] == list(parts)


@dataclass(slots=True)
class _Table:
    """A table of a FROM clause. An open one is of the system: any name is a column of it."""

    names: tuple[str, ...]
    columns: _Columns
    is_open: bool = False
    by_name: dict[str, _Value] = field(default_factory=dict)
    # Columns of a USING: those that stand for both sides, and those that stand there already.
    merging: frozenset[str] = frozenset()
    merged: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for name, value in self.columns:
            self.by_name.setdefault(name, value)

    def get(self, name: str) -> _Value | None:
        value = self.by_name.get(name)
        return _NOTHING if value is None and (self.is_open or name == "rowid") else value

    def row(self) -> _Value:
        if len(self.columns) == 1 and self.columns[0][0] in ("unnest", "range", "generate_series"):
            return self.columns[0][1]
        return _struct(self.by_name)


class _Ctes:
    """The common table expressions that are seen from a place; read when first asked for."""

    def __init__(self, outer: "_Ctes | None" = None) -> None:
        self._outer = outer
        self._known: dict[str, _Columns | Callable[[], _Columns]] = {}

    def put(self, name: str, columns: _Columns | Callable[[], _Columns]) -> None:
        self._known[name] = columns

    def get(self, name: str) -> _Columns | None:
        if name not in self._known:
            return self._outer.get(name) if self._outer is not None else None
        known = self._known[name]
        if callable(known):
            known = known()
            self._known[name] = known
        return known


@dataclass(slots=True)
class _Scope:
    """What names mean at a place of the SQL."""

    ctes: _Ctes
    outer: "_Scope | None" = None
    tables: list[_Table] = field(default_factory=list)
    # Columns of a USING: one name for those of several tables.
    merged: dict[str, _Value] = field(default_factory=dict)
    aliases: dict[str, _Value] = field(default_factory=dict)
    # Parameters of lambdas, which hide everything else.
    parameters: dict[str, _Value] = field(default_factory=dict)
    # What COLUMNS(...) stands for while its item is read for one column.
    column: _Value | None = None

    def find(self, parts: Sequence[str]) -> _Value:
        """Return what a dotted name means, from the innermost place out.

        As DuckDB: a table's column first, then a column's field; then an alias of the same
        select; then the row of a table. Raises for a name that means nothing.
        """
        # A table of the system may have any column: it is asked last, after all places.
        for may_be_open in (False, True):
            scope: _Scope | None = self
            while scope is not None:
                value = scope._find(parts, may_be_open)
                if value is not None:
                    return value
                scope = scope.outer
        raise _UnreadableError(f"has the name {_shown(*parts)}, which is no column it can see")

    def _find(self, parts: Sequence[str], may_be_open: bool) -> _Value | None:
        if parts[0] in self.parameters:
            return _fields(self.parameters[parts[0]], parts[1:])
        for length in range(min(3, len(parts) - 1), 0, -1):
            for table in self.named(parts[:length]):
                value = table.get(parts[length])
                if value is not None:
                    return _fields(value, parts[length + 1 :])
        value = self._column(parts[0], may_be_open)
        if value is None and parts[0] in self.aliases:
            value = self.aliases[parts[0]]
        if value is None:
            rows = [table.row() for table in self.named(parts[:1])]
            if not rows or len(parts) > 1:
                return None
            value = _merged(rows)
        return _fields(value, parts[1:])

    def _column(self, name: str, may_be_open: bool) -> _Value | None:
        closed = [
            table.by_name[name]
            for table in self.tables
            if name in table.by_name and name not in table.merging | table.merged
        ]
        if name in self.merged:
            closed.append(self.merged[name])
        if closed:
            return _merged(closed)
        if may_be_open and any(table.get(name) is not None for table in self.tables):
            return _NOTHING
        return None

    def named(self, parts: Sequence[str]) -> Iterator[_Table]:
        length = len(parts)
        return (t for t in self.tables if t.names and t.names[-length:] == tuple(parts))

    def star(self, table: _Table | None = None) -> list[tuple[str, _Value, _Table]]:
        found: list[tuple[str, _Value, _Table]] = []
        for each in self.tables if table is None else [table]:
            if each.is_open:
                raise _UnreadableError(
                    f"reads * of {_shown(*each.names) or 'a function'}, of which no columns "
                    "are known; name the columns"
                )
            for name, value in each.columns:
                if table is None and name in each.merged:
                    continue
                is_merged = table is None and name in each.merging
                found.append((name, self.merged[name] if is_merged else value, each))
        return found


def _fields(value: _Value, names: Sequence[str]) -> _Value:
    """Return a field of a struct; the whole, where its fields are not known."""
    for name in names:
        if value.fields is None or name not in value.fields:
            return value.lifted(Kind.EXPRESSION)
        value = value.fields[name]
    return value


# Functions by sqlglot's classes, and by name those it has no class for.
_HASHES: Final = (exp.MD5, exp.SHA, exp.SHA2)
_HASH_NAMES: Final = frozenset(
    {"hash", "md5_number", "md5_number_lower", "md5_number_upper"}
    # Of the extensions crypto and hashfuncs.
    | {"crypto_hash", "crypto_hmac", "xxh32", "xxh64", "xxh3_64", "xxh3_128", "rapidhash"}
    | {"murmurhash3_32", "murmurhash3_128", "murmurhash3_x64_128"}
)
_STOPS: Final = (
    exp.Predicate,
    *(exp.StartsWith, exp.EndsWith, exp.Contains, exp.IsNan, exp.IsInf),
    *(exp.Count, exp.CountIf, exp.ApproxDistinct, exp.RegrCount, exp.Grouping, exp.GroupingId),
    *(exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile),
)
_STOP_NAMES: Final = frozenset(
    {"prefix", "suffix", "isfinite", "signbit", "like_escape", "ilike_escape"}
    | {"not_like_escape", "not_ilike_escape", "list_has_all", "array_has_any"}
    | {"map_contains", "map_contains_value", "map_contains_entry"}
    | {"json_contains", "json_exists", "json_valid"}
)
_FIRST_NAMES: Final = frozenset(
    {"arg_min_null", "arg_max_null", "arg_min_nulls_last", "arg_max_nulls_last", "arbitrary"}
)
_TRUTH: Final = (exp.EQ, exp.NEQ, exp.Is, exp.NullSafeEQ, exp.NullSafeNEQ)
_COARSE: Final = (
    *(exp.TimestampTrunc, exp.DateTrunc, exp.Extract, exp.Year, exp.Quarter, exp.Month, exp.Week),
    *(exp.Left, exp.Substring, exp.Round, exp.Floor, exp.Ceil, exp.WidthBucket),
)
_COARSE_NAMES: Final = frozenset({"date_part", "datepart"})
_AGGREGATE_NAMES: Final = frozenset({"histogram", "mean", "product", "mad", "fsum", "favg"})
# Nodes that hold no value: types, units, names of functions.
_MUTE: Final = (exp.DataType, exp.Literal, exp.Null, exp.Boolean, exp.Var, exp.JSONPath)
_SYSTEM_SCHEMAS: Final = frozenset({"information_schema", "pg_catalog"})
_SYSTEM_TABLES: Final = re.compile(r"(duckdb|pragma|sqlite)_\w+")
# Not those of sqlite: they read a file.
_SYSTEM_FUNCTIONS: Final = re.compile(r"(duckdb|pragma)_\w+")
_SERIES: Final = {"range": "range", "generate_series": "generate_series"}
_OF_VALUES: Final = ("min", "max", "avg", "std", "q25", "q50", "q75")
_SUMMARY: Final = (
    *("column_name", "column_type", "min", "max", "approx_unique"),
    *("avg", "std", "q25", "q50", "q75", "count", "null_percentage"),
)
_JSON_EACH: Final = ("key", "value", "type", "atom", "id", "parent", "fullkey", "path")


class _Reader:
    """Reads one query: what flows into each of its columns."""

    def __init__(self, catalog: _Catalog, own: Collection[str] | None = None) -> None:
        self.catalog = catalog
        # Whether a pivot's columns are those of the table as it is.
        self.hangs_on_data = False
        self._own = [name.lower() for name in own or ()]
        self._itself: _Columns | None = None
        self._has_read_itself = False
        self._unnamed = itertools.count()

    def read(self, query: exp.Expr) -> _Columns:
        columns = self.query(query, None, _Ctes())
        for rounds in itertools.count():
            if not self._has_read_itself:
                break
            # An incremental model that reads its own table: until nothing is added.
            before = self._itself
            named = [column for column in columns if not column[0].startswith(_UNNAMED)]
            self._itself = _settled(named, rounds)
            if before is not None and before == self._itself:
                break
            columns = self.query(query, None, _Ctes())
        return columns

    # Queries.

    def query(self, node: exp.Expr, outer: _Scope | None, ctes: _Ctes) -> _Columns:
        """Return the columns of a query, in their order."""
        with_ = node.args.get("with_")
        if with_ is not None:
            ctes = self._with(with_, outer, ctes)
        if isinstance(node, exp.Select):
            return self._select(node, outer, ctes)
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, outer, ctes)
        if isinstance(node, exp.Subquery) and not isinstance(node.this, exp.Table):
            columns = self.query(node.this, outer, ctes)
            return self._pivoted(node, columns, _Scope(ctes, outer))
        if isinstance(node, exp.Paren):
            return self.query(node.this, outer, ctes)
        if isinstance(node, exp.Values):
            return self._values(node, _Scope(ctes, outer))
        if isinstance(node, exp.Pivot):
            return self._pivot_statement(node, outer, ctes)
        if isinstance(node, exp.Summarize):
            return self._summary(node, outer, ctes)
        if isinstance(node, exp.Table | exp.Subquery):
            scope = _Scope(ctes, outer)
            self._from(node, scope)
            return [(name, value) for name, value, _ in scope.star()]
        raise _UnreadableError(f"is not a query DuckDB's dialect knows ({type(node).__name__})")

    def _with(self, node: exp.Expr, outer: _Scope | None, ctes: _Ctes) -> _Ctes:
        for cte in node.expressions:
            # Each sees those before it.
            before, ctes = ctes, _Ctes(ctes)
            name = cte.alias.lower()
            if name in self.catalog.ephemerals:
                ctes.put(name, self.catalog.ephemerals[name])
                continue
            is_recursive = bool(node.args.get("recursive")) and any(
                not table.args.get("db") and table.name.lower() == name
                for table in cte.this.find_all(exp.Table)
            )
            read = self._recursive_cte if is_recursive else self._cte
            ctes.put(name, functools.partial(read, cte, outer, before))
        return ctes

    def _cte(self, cte: exp.Expr, outer: _Scope | None, ctes: _Ctes) -> _Columns:
        return _renamed(_deduplicated(self.query(cte.this, outer, ctes)), cte)

    def _recursive_cte(self, cte: exp.Expr, outer: _Scope | None, ctes: _Ctes) -> _Columns:
        anchor = cte.this
        while isinstance(anchor, exp.SetOperation | exp.Subquery):
            if anchor.args.get("with_") is not None:
                ctes = self._with(anchor.args["with_"], outer, ctes)
            anchor = anchor.this
        columns = _renamed(_deduplicated(self.query(anchor, outer, ctes)), cte)
        before: _Columns = []
        rounds = 0
        # What flows only grows, and cannot grow for ever.
        while columns != before:
            before = columns
            inner = _Ctes(ctes)
            inner.put(cte.alias.lower(), before)
            read = _renamed(_deduplicated(self.query(cte.this, outer, inner)), cte)
            columns = _settled(_by_position(before, read), rounds)
            rounds += 1
        return columns

    def _set_operation(self, node: exp.SetOperation, outer: _Scope | None, ctes: _Ctes) -> _Columns:
        # Hundreds of branches nest to the left: no recursion there.
        operations = [node]
        left = node.this
        while isinstance(left, exp.SetOperation) and left.args.get("with_") is None:
            operations.append(left)
            left = left.this
        columns = self.query(left, outer, ctes)
        for operation in reversed(operations):
            right = self.query(operation.expression, outer, ctes)
            if operation.args.get("by_name"):
                is_union = isinstance(operation, exp.Union)
                columns = _by_name(columns, right) if is_union else columns
            elif isinstance(operation, exp.Union):
                columns = _by_position(columns, right)
        return columns

    def _summary(self, node: exp.Expr, outer: _Scope | None, ctes: _Ctes) -> _Columns:
        """SUMMARIZE: a row for each column, with values of all of them in the same columns."""
        columns = self.query(node.this, outer, ctes)
        value = _merged(value for _, value in columns).lifted(Kind.AGGREGATE)
        return [(name, value if name in _OF_VALUES else _NOTHING) for name in _SUMMARY]

    def _values(self, node: exp.Expr, scope: _Scope) -> _Columns:
        rows = [
            [self.value(each, scope) for each in row.expressions]
            if isinstance(row, exp.Tuple)
            else [self.value(row.this if isinstance(row, exp.Paren) else row, scope)]
            for row in node.expressions
        ]
        merged = [_merged(cells) for cells in zip(*rows, strict=True)]
        return [(f"col{position}", value) for position, value in enumerate(merged)]

    def _select(self, node: exp.Select, outer: _Scope | None, ctes: _Ctes) -> _Columns:
        scope = _Scope(ctes, outer)
        from_ = node.args.get("from_")
        if from_ is not None:
            self._from(from_.this, scope)
        for lateral in node.args.get("laterals") or ():
            self._from(lateral, scope)
        for join in node.args.get("joins") or ():
            self._join(join, scope)
        columns: _Columns = []
        for item in node.expressions:
            for name, value in self._item(item, scope):
                columns.append((name, value))
                scope.aliases.setdefault(name, value)
        # Nothing flows from here, but each name has to mean something.
        for clause in ("where", "group", "having", "qualify", "order", "distinct"):
            if (condition := node.args.get(clause)) is not None:
                self.value(condition, scope)
        for window in node.args.get("windows") or ():
            self._window_parts(window, scope)
        return columns

    # Tables.

    def _from(self, node: exp.Expr, scope: _Scope) -> None:
        """Add a table of a FROM clause, which may use the tables before it."""
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table | exp.Subquery):
            inner_joins = node.this.args.get("joins") or ()
            if isinstance(node.this, exp.Table) or inner_joins:
                # A join in brackets: its tables keep their names.
                self._from(node.this, scope)
                return self._joins(node, scope)
        names: tuple[str, ...] = (node.alias.lower(),) if node.alias else ()
        is_open = False
        if isinstance(node, exp.Table):
            names, columns, is_open = self._table(node, scope)
        elif isinstance(node, exp.Unnest):
            columns = self._unnest(node, scope)
        elif isinstance(node, exp.Lateral):
            columns = self._lateral(node, scope)
        elif isinstance(node, exp.Query | exp.Values | exp.Pivot):
            # Any subquery of a FROM may use the tables before it.
            columns = _deduplicated(self.query(node, scope, scope.ctes))
        else:
            raise _UnreadableError(f"reads from something unknown ({type(node).__name__})")
        columns = _renamed(columns, node)
        if node.args.get("pivots"):
            if isinstance(node, exp.Table):
                columns = self._pivoted(node, columns, scope)
            alias = node.args["pivots"][-1].args.get("alias")
            if alias is not None:
                columns = _renamed(columns, node.args["pivots"][-1])
                names = (alias.name.lower(),)
        scope.tables.append(_Table(names, columns, is_open))
        return self._joins(node, scope)

    def _joins(self, node: exp.Expr, scope: _Scope) -> None:
        for lateral in node.args.get("laterals") or ():
            self._from(lateral, scope)
        for join in node.args.get("joins") or ():
            self._join(join, scope)

    def _table(self, node: exp.Table, scope: _Scope) -> tuple[tuple[str, ...], _Columns, bool]:
        alias = (node.alias.lower(),) if node.alias else None
        if not isinstance(node.this, exp.Identifier):
            return self._table_function(node, alias, scope)
        parts = [part.name.lower() for part in node.parts]
        names = alias or tuple(parts)
        if len(parts) == 1:
            columns = scope.ctes.get(parts[0])
            if columns is not None:
                return names, columns, False
        if parts[0] in _SYSTEM_SCHEMAS or (len(parts) > 1 and parts[-2] in _SYSTEM_SCHEMAS):
            return names, [], True
        if self.catalog.is_itself(parts) and not self.catalog.has(parts):
            self._has_read_itself = True
            own = self._itself
            if own is None:
                own = [(name, _NOTHING) for name in self.catalog.itself[1]]
            return names, own, not self.catalog.itself[1] and self._itself is None
        if len(parts) == 1 and _SYSTEM_TABLES.fullmatch(parts[0]) and not self.catalog.has(parts):
            return names, [], True
        return names, self.catalog.find(parts, _written(node)), False

    def _table_function(
        self, node: exp.Table, alias: tuple[str, ...] | None, scope: _Scope
    ) -> tuple[tuple[str, ...], _Columns, bool]:
        function = node.this
        if isinstance(function, exp.GenerateSeries):
            is_range = bool(function.args.get("is_end_exclusive"))
            name = "range" if is_range else "generate_series"
            return alias or (name,), [(name, self._arguments(function, scope))], False
        name = (function.name if isinstance(function, exp.Anonymous) else "").lower()
        if _SYSTEM_FUNCTIONS.fullmatch(name):
            return alias or (name,), [], True
        if name in ("json_each", "json_tree"):
            value = self._arguments(function, scope)
            return alias or (name,), [(column, value) for column in _JSON_EACH], False
        if name in ("unnest", "repeat", "repeat_row", "regexp_split_to_table"):
            return alias or (name,), [(name, self._arguments(function, scope))], False
        columns = self.catalog.written(_written(node))
        if columns is None:
            shown = _shown(name or function.sql_name().lower())
            raise _UnreadableError(
                f"reads the function {shown}, of which no columns are known; make it a source"
            )
        return alias or (), columns, False

    def _unnest(self, node: exp.Unnest, scope: _Scope) -> _Columns:
        value = _merged(self.value(each, scope) for each in node.expressions)
        columns: _Columns = [("unnest", value.listed(False))]
        if node.args.get("offset"):
            columns.append(("ordinality", _NOTHING))
        return columns

    def _lateral(self, node: exp.Lateral, scope: _Scope) -> _Columns:
        if isinstance(node.this, exp.Query):
            return _deduplicated(self.query(node.this, scope, scope.ctes))
        if isinstance(node.this, exp.Unnest):
            return self._unnest(node.this, scope)
        if isinstance(node.this, exp.Explode | exp.Anonymous):
            return [("unnest", self._arguments(node.this, scope))]
        raise _UnreadableError(f"reads from something unknown ({type(node.this).__name__})")

    def _join(self, join: exp.Expr, scope: _Scope) -> None:
        before = len(scope.tables)
        self._from(join.this, scope)
        added = scope.tables[before:]
        side = str(join.args.get("side") or "").upper()
        kind = str(join.args.get("kind") or "").upper()
        using = [each.name.lower() for each in join.args.get("using") or ()]
        if str(join.args.get("method") or "").upper() == "NATURAL":
            left = {name for table in scope.tables[:before] for name, _ in table.columns}
            using = [name for table in added for name, _ in table.columns if name in left]
        for name in using:
            left_tables = [t for t in scope.tables[:before] if name in t.by_name]
            right = [t.by_name[name] for t in added if name in t.by_name]
            is_merged = any(name in table.merging for table in left_tables)
            lefts = [table.by_name[name] for table in left_tables[:1]]
            of_left = [scope.merged[name]] if is_merged else lefts
            if not right or not of_left:
                raise _UnreadableError(f"joins using {_shown(name)}, which is not on both sides")
            if kind in ("SEMI", "ANTI"):
                continue
            values = {"RIGHT": right, "FULL": of_left + right}.get(side, of_left)
            scope.merged[name] = _merged(values)
            for table in [] if is_merged else left_tables[:1]:
                table.merging |= {name}
            for table in added:
                table.merged |= {name}
        if (on := join.args.get("on")) is not None:
            self.value(on, scope)
        if kind in ("SEMI", "ANTI"):
            # Its columns are seen by ON alone.
            del scope.tables[before:]

    # Pivots.

    def _pivoted(self, node: exp.Expr, columns: _Columns, outer: _Scope) -> _Columns:
        for pivot in node.args.get("pivots") or ():
            names = (node.alias.lower(),) if node.alias else (node.name.lower(),)
            scope = _Scope(outer.ctes, outer, [_Table(names, columns)])
            if pivot.args.get("unpivot"):
                fields = pivot.args["fields"]
                values = [name for each in pivot.expressions for name in _identifiers(each)]
                items = fields[0].expressions
                columns = self._unpivot(columns, items, fields[0].this.name, values, scope)
            else:
                columns = self._pivot(
                    columns, pivot, pivot.args["fields"], pivot.expressions, scope
                )
        return columns

    def _pivot_statement(self, node: exp.Pivot, outer: _Scope | None, ctes: _Ctes) -> _Columns:
        scope = _Scope(ctes, outer)
        self._from(node.this, scope)
        columns = [(name, value) for name, value, _ in scope.star()]
        if node.args.get("unpivot"):
            into = node.args.get("into")
            name = into.this.name if into is not None else "name"
            values = [e.name for e in into.expressions] if into is not None else ["value"]
            return self._unpivot(columns, node.expressions, name, values, scope)
        using = node.args.get("using") or [exp.Count(this=exp.Star())]
        return self._pivot(columns, node, node.expressions, using, scope)

    def _pivot(
        self,
        columns: _Columns,
        node: exp.Expr,
        fields: Sequence[exp.Expr],
        aggregates: Sequence[exp.Expr],
        scope: _Scope,
    ) -> _Columns:
        used: set[str] = set()
        options: list[list[str]] = []
        for each in fields:
            literals = each.expressions if isinstance(each, exp.In) else []
            is_listed = bool(literals) and all(_is_constant(one) for one in literals)
            if not is_listed and not self._own:
                raise _UnreadableError(_NO_PIVOT)
            on = each.this if isinstance(each, exp.In) else each
            self.value(on, scope)
            used |= {column.name.lower() for column in on.find_all(exp.Column)}
            options.append([_constant(one).lower() for one in literals] if is_listed else [])
        results: _Columns = []
        for aggregate in aggregates:
            used |= {column.name.lower() for column in aggregate.find_all(exp.Column)}
            inner = aggregate.this if isinstance(aggregate, exp.Alias) else aggregate
            results.append((aggregate.alias.lower(), self.value(inner, scope)))
        group = node.args.get("group")
        if group is not None:
            known = dict(columns)
            kept = [(e.name.lower(), self.value(e, scope)) for e in group.expressions]
            kept = [(name, known.get(name, value)) for name, value in kept]
        else:
            kept = [(name, value) for name, value in columns if name not in used]
        made: _Columns = []
        if not all(options):
            # Any of the table's other columns may be one; held against the table in the end.
            self.hangs_on_data = True
            value = _merged(value for _, value in results)
            there = {name for name, _ in kept}
            return kept + [(name, value) for name in self._own if name not in there]
        for values in itertools.product(*options):
            for name, value in results:
                stem = "_".join(values)
                if name:
                    made.append((f"{stem}_{name}", value))
                else:
                    made.append((stem if len(results) == 1 else self._no_name(), value))
        return kept + made

    def _unpivot(
        self,
        columns: _Columns,
        items: Sequence[exp.Expr],
        name: str,
        values: Sequence[str],
        scope: _Scope,
    ) -> _Columns:
        slots: list[list[_Value]] = [[] for _ in values]
        used: set[str] = set()
        for item in items:
            inner = item.this if isinstance(item, exp.PivotAlias | exp.Alias) else item
            if isinstance(inner, exp.Columns | exp.Star):
                expanded = self._item(inner, scope)
                slots[0] += [value for _, value in expanded]
                used |= {column for column, _ in expanded}
                continue
            parts = inner.expressions if isinstance(inner, exp.Tuple) else [inner]
            if len(parts) != len(values):
                raise _UnreadableError("unpivots another number of columns than it names")
            for slot, part in zip(slots, parts, strict=True):
                slot.append(self.value(part, scope))
                used |= {column.name.lower() for column in part.find_all(exp.Column)}
        kept = [(column, value) for column, value in columns if column not in used]
        made = [(v.lower(), _merged(s)) for v, s in zip(values, slots, strict=True)]
        return [*kept, (name.lower(), _NOTHING), *made]

    # Items of a select.

    def _item(self, item: exp.Expr, scope: _Scope) -> _Columns:
        """Return the columns an item of a select stands for."""
        if isinstance(item, exp.Star):
            return self._star(item, None, scope)
        if isinstance(item, exp.Column):
            if isinstance(item.this, exp.Star):
                return self._star(item.this, item, scope)
            return [(item.name.lower(), self.value(item, scope))]
        test = item.this if isinstance(item, exp.Not) else item
        if isinstance(test, exp.Like | exp.ILike | exp.SimilarTo | exp.Glob) and _is_star(
            test.this
        ):
            is_not = bool(test.args.get("negate")) is not (test is not item)
            return self._star_like(test, is_not, scope)
        inner = item.unalias()
        while isinstance(inner, exp.Paren):
            inner = inner.this
        columns = inner.find(exp.Columns)
        if columns is not None and not columns.args.get("unpack"):
            return self._columns(item, inner, columns, scope)
        value = self.value(inner, scope)
        if isinstance(inner, exp.Explode):
            unnested = self.value(inner.this, scope)
            levels = _depth(inner) - (1 if unnested.is_list else 0)
            if unnested.fields is not None and levels > 0:
                return _expanded(unnested.fields, levels)
        return [(self._name(item, inner), value)]

    def _name(self, item: exp.Expr, inner: exp.Expr) -> str:
        if isinstance(item, exp.Alias):
            return item.alias.lower()
        if isinstance(inner, exp.Column | exp.Identifier):
            return inner.name.lower()
        if isinstance(inner, exp.Dot) and isinstance(inner.expression, exp.Identifier):
            base = inner.this
            while isinstance(base, exp.Dot):
                base = base.this
            if isinstance(base, exp.Column | exp.Identifier):
                return inner.expression.name.lower()
        if isinstance(inner, exp.PositionalColumn):
            return self._no_name()
        return self._no_name()

    def _no_name(self) -> str:
        return f"{_UNNAMED}{next(self._unnamed)}"

    def _star(self, star: exp.Expr, prefix: exp.Column | None, scope: _Scope) -> _Columns:
        found = self._star_columns(prefix, scope)
        pattern = star.args.get("ilike") or star.args.get("like")
        if pattern is not None:
            matches = _like(_text_of(pattern), re.IGNORECASE)
            found = [each for each in found if matches(each[0])]
        without: set[tuple[str, ...]] = set()
        for each in star.args.get("except_") or ():
            without.add(tuple(name.lower() for name in _identifiers(each)))
        replaced = {
            each.alias.lower(): self.value(each.this, scope)
            for each in star.args.get("replace") or ()
        }
        renamed = {
            each.this.name.lower(): each.alias.lower() for each in star.args.get("rename") or ()
        }
        return [
            (renamed.get(name, name), replaced.get(name, value))
            for name, value, names in found
            if (name,) not in without
            and not any((*names[start:], name) in without for start in range(len(names)))
        ]

    def _star_columns(
        self, prefix: exp.Column | None, scope: _Scope
    ) -> list[tuple[str, _Value, tuple[str, ...]]]:
        if prefix is None:
            return [(name, value, table.names) for name, value, table in scope.star()]
        parts = [part.name.lower() for part in prefix.parts[:-1]]
        for table in scope.named(parts):
            return [(name, value, table.names) for name, value, _ in scope.star(table)]
        value = scope.find(parts)
        if value.fields is None:
            raise _UnreadableError(f"reads {_shown(*parts)}.*, of which no fields are known")
        return [(name, each, ()) for name, each in value.fields.items()]

    def _star_like(self, item: exp.Expr, is_not: bool, scope: _Scope) -> _Columns:
        prefix = item.this if isinstance(item.this, exp.Column) else None
        star = prefix.this if prefix is not None else item.this
        pattern = _text_of(item.expression)
        if isinstance(item, exp.SimilarTo):
            # As DuckDB does: anywhere in the name, but NOT SIMILAR TO is of the whole name.
            matches: Callable[[str], bool] = _regex(pattern, is_full=is_not)
        elif isinstance(item, exp.Glob):
            matches = _regex(_glob(pattern), is_full=True)
        else:
            flags = re.IGNORECASE if isinstance(item, exp.ILike) else re.NOFLAG
            matches = _like(pattern, flags)
        found = self._star(star, prefix, scope)
        return [(name, value) for name, value in found if matches(name) is not is_not]

    def _columns(
        self, item: exp.Expr, inner: exp.Expr, columns: exp.Columns, scope: _Scope
    ) -> _Columns:
        """Return what an item with COLUMNS(...) stands for: itself, once for each column."""
        others = [each for each in inner.find_all(exp.Columns) if each is not columns]
        if any(each.this != columns.this for each in others):
            raise _UnreadableError("has different COLUMNS(...) in one item; write it apart")
        result: _Columns = []
        for name, value, groups in self._matched(columns, scope):
            scope.column = value
            read = self.value(inner, scope)
            if isinstance(item, exp.Alias):
                alias = item.alias
                for number, group in enumerate(groups):
                    alias = alias.replace(f"\\{number}", group)
                name = alias.lower()
            result.append((name, read))
        scope.column = None
        return result

    def _matched(
        self, columns: exp.Columns, scope: _Scope
    ) -> list[tuple[str, _Value, tuple[str, ...]]]:
        what = columns.this
        if isinstance(what, exp.Star):
            return [(name, value, (name,)) for name, value in self._star(what, None, scope)]
        if isinstance(what, exp.Column) and isinstance(what.this, exp.Star):
            found = self._star(what.this, what, scope)
            return [(name, value, (name,)) for name, value in found]
        if isinstance(what, exp.Literal) and what.is_string:
            pattern = _compiled(what.name)
            matches = [(n, v, pattern.search(n)) for n, v, _ in scope.star()]
            return [(n, v, (m[0], *(g or "" for g in m.groups()))) for n, v, m in matches if m]
        if isinstance(what, exp.Array):
            names = {_text_of(each).lower() for each in what.expressions}
            return [(name, value, (name,)) for name, value, _ in scope.star() if name in names]
        if isinstance(what, exp.Lambda) and len(what.expressions) == 1:
            fits = _of_names(what.this, what.expressions[0].name.lower())
            return [(name, value, (name,)) for name, value, _ in scope.star() if fits(name)]
        raise _UnreadableError(_NO_COLUMNS)

    # Values.

    def value(self, node: exp.Expr, scope: _Scope) -> _Value:
        """Return what a value is made of; conditions are read, and hold nothing."""
        handler = _HANDLERS.get(type(node))
        if handler is not None:
            return handler(self, node, scope)
        if isinstance(node, _MUTE):
            return _NOTHING
        if isinstance(node, exp.Query):
            return self._subquery(node, scope)
        if isinstance(node, _STOPS):
            return self._stop(node, scope)
        if isinstance(node, exp.Binary):
            return self._binary(node, scope)
        value = self._arguments(node, scope)
        if isinstance(node, _HASHES):
            return value.lifted(Kind.HASH)
        if isinstance(node, exp.AggFunc):
            return value.lifted(Kind.AGGREGATE)
        if isinstance(node, _COARSE):
            return value.lifted(Kind.COARSEN)
        return value.lifted(Kind.EXPRESSION)

    def _arguments(self, node: exp.Expr, scope: _Scope) -> _Value:
        """Everything a node is given. A lambda's parameters are what the others hold."""
        children = list(node.iter_expressions())
        values = [self.value(c, scope) for c in children if not isinstance(c, exp.Lambda)]
        given = _merged(values)
        lambdas = [c for c in children if isinstance(c, exp.Lambda)]
        return _merged([given, *(self._lambda(each, given, scope) for each in lambdas)])

    def _lambda(self, node: exp.Expr, given: _Value, scope: _Scope) -> _Value:
        inner = _Scope(scope.ctes, scope, column=scope.column)
        for parameter in node.expressions:
            inner.parameters[parameter.name.lower()] = given.listed(False)
        return self.value(node.this, inner)

    def _subquery(self, node: exp.Expr, scope: _Scope) -> _Value:
        columns = self.query(node, scope, scope.ctes)
        return _merged(value for _, value in columns)

    def _stop(self, node: exp.Expr, scope: _Scope) -> _Value:
        if isinstance(node, exp.Count):
            # The star of count(*) is no column.
            if not _is_star(node.this):
                self._arguments(node, scope)
            return _NOTHING
        if isinstance(node, exp.Exists) and isinstance(node.this, exp.Query):
            self.query(node.this, scope, scope.ctes)
            return _NOTHING
        if isinstance(node, _TRUTH):
            # A test against true or false is the boolean itself.
            sides = (node.this, node.expression)
            for truth, other in (sides, sides[::-1]):
                if isinstance(truth, exp.Boolean):
                    return self.value(other, scope).lifted(Kind.EXPRESSION)
        self._arguments(node, scope)
        return _NOTHING

    def _binary(self, node: exp.Expr, scope: _Scope) -> _Value:
        # Long chains nest to the left: no recursion there.
        values: list[_Value] = []
        left: exp.Expr = node
        while isinstance(left, exp.Binary) and _is_plain(left):
            values.append(self.value(left.expression, scope))
            left = left.this
        values.append(self.value(left, scope))
        return _merged(values).lifted(Kind.EXPRESSION)

    def _column(self, node: exp.Expr, scope: _Scope) -> _Value:
        if isinstance(node.this, exp.Star):
            return self._misplaced_star(node, scope)
        parts = [part.name.lower() for part in cast(exp.Column, node).parts]
        return scope.find(parts)

    def _identifier(self, node: exp.Expr, scope: _Scope) -> _Value:
        return scope.find([node.name.lower()])

    def _misplaced_star(self, node: exp.Expr, scope: _Scope) -> _Value:
        raise _UnreadableError("has a star within an expression; name the columns")

    def _columns_value(self, node: exp.Expr, scope: _Scope) -> _Value:
        place: _Scope | None = scope
        if not node.args.get("unpack"):
            while place is not None:
                if place.column is not None:
                    return place.column
                place = place.outer
        assert isinstance(node, exp.Columns)  # noqa: S101 - by the table of handlers
        return _merged(value for _, value, _ in self._matched(node, scope))

    def _through(self, node: exp.Expr, scope: _Scope) -> _Value:
        return self.value(node.this, scope)

    def _cast(self, node: exp.Expr, scope: _Scope) -> _Value:
        return _of_type(self.value(node.this, scope).lifted(Kind.CAST), node.args["to"])

    def _case(self, node: exp.Expr, scope: _Scope) -> _Value:
        ifs = node.args.get("ifs") or []
        conditions = [self.value(each.this, scope) for each in ifs]
        if node.this is not None:
            # It is compared with them; against true or false, it is the condition itself.
            operand = self.value(node.this, scope)
            conditions = [operand] if any(isinstance(e.this, exp.Boolean) for e in ifs) else []
        values = [self.value(each.args["true"], scope) for each in ifs]
        if (default := node.args.get("default")) is not None:
            values.append(self.value(default, scope))
        return _chosen(values, conditions)

    def _if(self, node: exp.Expr, scope: _Scope) -> _Value:
        branches = (node.args.get("true"), node.args.get("false"))
        values = [self.value(each, scope) for each in branches if each is not None]
        return _chosen(values, [self.value(node.this, scope)])

    def _first(self, node: exp.Expr, scope: _Scope) -> _Value:
        """The first argument carries; a bound, an order or an offset does not."""
        for key, each in node.args.items():
            if key not in ("this", "default") and isinstance(each, exp.Expr):
                self.value(each, scope)
        values = [self.value(node.this, scope)]
        if isinstance(node.args.get("default"), exp.Expr):
            values.append(self.value(node.args["default"], scope))
        return _merged(values)

    def _first_aggregate(self, node: exp.Expr, scope: _Scope) -> _Value:
        return self._first(node, scope).aggregated()

    def _list_aggregate(self, node: exp.Expr, scope: _Scope) -> _Value:
        return self._first(node, scope).aggregated().listed(True)

    def _window(self, node: exp.Expr, scope: _Scope) -> _Value:
        self._window_parts(node, scope)
        return self.value(node.this, scope)

    def _window_parts(self, node: exp.Expr, scope: _Scope) -> None:
        spec = node.args.get("spec")
        bounds = [spec.args.get(key) for key in ("start", "end")] if spec is not None else []
        for each in (*(node.args.get("partition_by") or ()), node.args.get("order"), *bounds):
            if isinstance(each, exp.Expr):
                self.value(each, scope)

    def _within_group(self, node: exp.Expr, scope: _Scope) -> _Value:
        values = [self.value(each.this, scope) for each in node.expression.expressions]
        return _merged([self.value(node.this, scope), *values]).lifted(Kind.AGGREGATE)

    def _order(self, node: exp.Expr, scope: _Scope) -> _Value:
        for each in node.expressions:
            self.value(each, scope)
        return self.value(node.this, scope) if node.this is not None else _NOTHING

    def _several(self, node: exp.Expr, scope: _Scope) -> _Value:
        return _merged(self.value(each, scope) for each in node.iter_expressions())

    def _array(self, node: exp.Expr, scope: _Scope) -> _Value:
        return self._several(node, scope).listed(True)

    def _made_struct(self, node: exp.Expr, scope: _Scope) -> _Value:
        fields: dict[str, _Value] = {}
        for position, each in enumerate(node.expressions):
            name = each.this.name if isinstance(each, exp.PropertyEQ) else str(position)
            fields[name.lower()] = self.value(each, scope)
        return _struct(fields)

    def _map(self, node: exp.Expr, scope: _Scope) -> _Value:
        """A map in braces: its keys are values as well."""
        pairs = node.this.expressions if isinstance(node.this, exp.Struct) else [node.this]
        sides = [
            side
            for pair in pairs
            for side in (
                (pair.this, pair.expression) if isinstance(pair, exp.PropertyEQ) else [pair]
            )
        ]
        return _merged(self.value(side, scope) for side in sides).lifted(Kind.EXPRESSION)

    def _property(self, node: exp.Expr, scope: _Scope) -> _Value:
        return self.value(node.expression, scope)

    def _bracket(self, node: exp.Expr, scope: _Scope) -> _Value:
        value = self.value(node.this, scope)
        keys = node.expressions
        if len(keys) == 1 and isinstance(keys[0], exp.Literal) and keys[0].is_string:
            return _fields(value, [keys[0].name.lower()])
        for each in keys:
            value = _merged([value, self.value(each, scope)])
        if any(isinstance(each, exp.Slice) for each in keys):
            return _Value(value.lifted(Kind.COARSEN).flows, value.fields, value.is_list)
        return _Value(value.lifted(Kind.EXPRESSION).flows, value.fields)

    def _struct_extract(self, node: exp.Expr, scope: _Scope) -> _Value:
        value = self.value(node.this, scope)
        if isinstance(node.expression, exp.Literal) and node.expression.is_string:
            return _fields(value, [node.expression.name.lower()])
        return value.lifted(Kind.EXPRESSION)

    def _dot(self, node: exp.Expr, scope: _Scope) -> _Value:
        name = node.expression
        if not isinstance(name, exp.Identifier):
            # a.lower() is lower(a).
            arguments = (
                name.expressions
                if isinstance(name, exp.Anonymous)
                else list(name.iter_expressions())
            )
            call = exp.func(
                name.name if isinstance(name, exp.Anonymous) else name.sql_name(),
                node.this.copy(),
                *(each.copy() for each in arguments),
                dialect="duckdb",
            )
            return self.value(call, scope)
        parts = [name.name.lower()]
        base = node.this
        while isinstance(base, exp.Dot) and isinstance(base.expression, exp.Identifier):
            parts.append(base.expression.name.lower())
            base = base.this
        parts.reverse()
        if isinstance(base, exp.Column) and not isinstance(base.this, exp.Star):
            return scope.find([*(part.name.lower() for part in base.parts), *parts])
        if isinstance(base, exp.Identifier):
            return scope.find([base.name.lower(), *parts])
        return _fields(self.value(base, scope), parts)

    def _transform(self, node: exp.Expr, scope: _Scope) -> _Value:
        """list_transform: what the lambda makes of the elements."""
        given = self.value(node.this, scope)
        if not isinstance(node.expression, exp.Lambda):
            return _merged([given, self.value(node.expression, scope)]).lifted(Kind.EXPRESSION)
        made = self._lambda(node.expression, given, scope)
        lifted = made.lifted(Kind.EXPRESSION)
        return _Value(lifted.flows, made.fields, is_list=True)

    def _filter_list(self, node: exp.Expr, scope: _Scope) -> _Value:
        given = self.value(node.this, scope)
        if isinstance(node.expression, exp.Lambda):
            self._lambda(node.expression, given, scope)
        return given

    def _comprehension(self, node: exp.Expr, scope: _Scope) -> _Value:
        given = self.value(node.args["iterator"], scope)
        inner = _Scope(scope.ctes, scope, column=scope.column)
        inner.parameters[node.expression.name.lower()] = given.listed(False)
        if (position := node.args.get("position")) is not None:
            inner.parameters[position.name.lower()] = _NOTHING
        if (condition := node.args.get("condition")) is not None:
            self.value(condition, inner)
        return self.value(node.this, inner)

    def _positional(self, node: exp.Expr, scope: _Scope) -> _Value:
        found = scope.star()
        position = int(node.this.name) - 1
        if not 0 <= position < len(found):
            raise _UnreadableError(f"has no column #{position + 1}")
        return found[position][1]

    def _explode(self, node: exp.Expr, scope: _Scope) -> _Value:
        value = self.value(node.this, scope).listed(False)
        return _Value(value.lifted(Kind.EXPRESSION).flows, value.fields)

    def _named_function(self, node: exp.Expr, scope: _Scope) -> _Value:
        """A function sqlglot has no class for."""
        name = node.name.lower()
        arguments = node.expressions
        if name in ("iff", "if") and len(arguments) >= 2:
            condition, *values = [self.value(each, scope) for each in arguments]
            return _chosen(values, [condition])
        if name in ("list_apply", "array_apply", "apply", "array_transform", "list_transform"):
            return self._transform(exp.Transform(this=arguments[0], expression=arguments[1]), scope)
        if name in ("array_filter", "filter", "list_filter"):
            return self._filter_list(
                exp.ArrayFilter(this=arguments[0], expression=arguments[1]), scope
            )
        if name in _FIRST_NAMES and arguments:
            for each in arguments[1:]:
                self.value(each, scope)
            return self.value(arguments[0], scope).aggregated()
        value = self._arguments(node, scope)
        if name in _STOP_NAMES:
            return _NOTHING
        if name in _HASH_NAMES:
            return value.lifted(Kind.HASH)
        if name in _AGGREGATE_NAMES:
            return value.lifted(Kind.AGGREGATE)
        if name in _COARSE_NAMES:
            return value.lifted(Kind.COARSEN)
        return value.lifted(Kind.EXPRESSION)


_Handler = Callable[[_Reader, exp.Expr, _Scope], _Value]
_HANDLERS: Final[dict[type[exp.Expr], _Handler]] = {
    exp.Column: _Reader._column,
    exp.Identifier: _Reader._identifier,
    exp.Star: _Reader._misplaced_star,
    exp.Columns: _Reader._columns_value,
    exp.Dot: _Reader._dot,
    exp.Paren: _Reader._through,
    exp.Filter: _Reader._first,
    exp.IgnoreNulls: _Reader._through,
    exp.RespectNulls: _Reader._through,
    exp.Nullif: _Reader._first,
    exp.Cast: _Reader._cast,
    exp.TryCast: _Reader._cast,
    exp.Case: _Reader._case,
    exp.If: _Reader._if,
    exp.Coalesce: _Reader._several,
    exp.Distinct: _Reader._several,
    exp.Array: _Reader._array,
    exp.Struct: _Reader._made_struct,
    exp.PropertyEQ: _Reader._property,
    exp.ToMap: _Reader._map,
    exp.Bracket: _Reader._bracket,
    exp.StructExtract: _Reader._struct_extract,
    exp.Window: _Reader._window,
    exp.WithinGroup: _Reader._within_group,
    exp.Order: _Reader._order,
    exp.Max: _Reader._first_aggregate,
    exp.Min: _Reader._first_aggregate,
    exp.ArgMax: _Reader._first_aggregate,
    exp.ArgMin: _Reader._first_aggregate,
    exp.First: _Reader._first_aggregate,
    exp.Last: _Reader._first_aggregate,
    exp.FirstValue: _Reader._first_aggregate,
    exp.LastValue: _Reader._first_aggregate,
    exp.NthValue: _Reader._first_aggregate,
    exp.AnyValue: _Reader._first_aggregate,
    exp.Lag: _Reader._first_aggregate,
    exp.Lead: _Reader._first_aggregate,
    exp.ArrayAgg: _Reader._list_aggregate,
    exp.Transform: _Reader._transform,
    exp.ArrayFilter: _Reader._filter_list,
    exp.Comprehension: _Reader._comprehension,
    exp.PositionalColumn: _Reader._positional,
    exp.Explode: _Reader._explode,
    exp.Anonymous: _Reader._named_function,
}


def _is_plain(node: exp.Expr) -> bool:
    """Whether both sides of an operator are its values, and nothing else decides."""
    return type(node) not in _HANDLERS and not isinstance(node, (*_STOPS, exp.Query))


def _is_star(node: exp.Expr | None) -> bool:
    return isinstance(node, exp.Star) or (
        isinstance(node, exp.Column) and isinstance(node.this, exp.Star)
    )


def _written(node: exp.Expr) -> str:
    """A file or function as it is written, without its alias."""
    return str(node.this.sql(dialect="duckdb"))


def _squeezed(text: str) -> str:
    """A table as text, whatever its quotes and spaces are."""
    return re.sub(r"[\s'\"]", "", text).lower()


def _renamed(columns: _Columns, node: exp.Expr) -> _Columns:
    """Give the first columns the names of an alias such as ``t(a, b)``."""
    alias = node.args.get("alias")
    names = [each.name.lower() for each in (alias.args.get("columns") or ())] if alias else []
    if not names:
        return columns
    if len(names) > len(columns):
        raise _UnreadableError(f"names {len(names)} columns of {len(columns)}")
    return [
        (names[position] if position < len(names) else name, value)
        for position, (name, value) in enumerate(columns)
    ]


def _depth(unnest: exp.Expr) -> int:
    """How many lists and structs an unnest opens, one within the other."""
    for each in unnest.expressions:
        if isinstance(each, exp.PropertyEQ) and each.name.lower() == "recursive":
            return 1 if _is_false(each.expression) else _DEEPEST
        if isinstance(each, exp.PropertyEQ) and each.name.lower() == "max_depth":
            written = each.expression
            return int(written.name) if isinstance(written, exp.Literal) else _DEEPEST
    return 1


def _expanded(fields: Mapping[str, _Value], levels: int) -> _Columns:
    """The fields of a struct, and those of structs in it; a list in it stays a list."""
    result: _Columns = []
    for name, value in fields.items():
        if value.fields is not None and not value.is_list and levels > 1:
            result += _expanded(value.fields, levels - 1)
        else:
            result.append((name, value))
    return result


def _is_false(node: exp.Expr) -> bool:
    return isinstance(node, exp.Boolean) and not node.this


def _identifiers(node: exp.Expr) -> list[str]:
    """The parts of a name, or the names of a tuple."""
    if isinstance(node, exp.Tuple):
        return [name for each in node.expressions for name in _identifiers(each)]
    if isinstance(node, exp.Column):
        return [str(part.name) for part in node.parts]
    return [str(node.name)]


def _is_constant(node: exp.Expr) -> bool:
    inner = node.this if isinstance(node, exp.PivotAlias | exp.Alias) else node
    return isinstance(inner, exp.Literal | exp.Boolean)


def _constant(node: exp.Expr) -> str:
    if isinstance(node, exp.PivotAlias | exp.Alias):
        return str(node.alias)
    return str(node.this).lower() if isinstance(node, exp.Boolean) else str(node.name)


def _text_of(node: exp.Expr) -> str:
    if not isinstance(node, exp.Literal) or not node.is_string:
        raise _UnreadableError("has a pattern of columns that is no text; name the columns")
    return str(node.name)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error:
        raise _UnreadableError("has a COLUMNS pattern that cannot be read") from None


def _of_names(node: exp.Expr, parameter: str) -> Callable[[str], bool]:
    """What the lambda of a COLUMNS says of a name."""
    if isinstance(node, exp.Paren):
        return _of_names(node.this, parameter)
    if isinstance(node, exp.Not):
        inner = _of_names(node.this, parameter)
        return lambda name: not inner(name)
    if isinstance(node, exp.And | exp.Or):
        sides = [_of_names(each, parameter) for each in (node.this, node.expression)]
        every = all if isinstance(node, exp.And) else any
        return lambda name: every(side(name) for side in sides)
    this = node.this
    # Names are held in lower case, so what they are compared with is, too.
    if not isinstance(this, exp.Identifier | exp.Column) or this.name.lower() != parameter:
        raise _UnreadableError(_NO_COLUMNS)
    if isinstance(node, exp.In) and node.expressions:
        names = {_text_of(each).lower() for each in node.expressions}
        return lambda name: name in names
    if isinstance(node, exp.Like | exp.ILike):
        flags = re.IGNORECASE if isinstance(node, exp.ILike) else re.NOFLAG
        fits = _like(_text_of(node.expression), flags)
        is_not = bool(node.args.get("negate"))
        return lambda name: fits(name) is not is_not
    if isinstance(node, exp.RegexpLike):
        return _regex(_text_of(node.expression), is_full=False)
    if isinstance(node, tuple(_TESTS_OF_NAMES)):
        text = _text_of(node.expression).lower()
        test = _TESTS_OF_NAMES[type(node)]
        return lambda name: test(name, text)
    raise _UnreadableError(_NO_COLUMNS)


_NO_PIVOT: Final = "pivots without IN: its columns hang on the data; list them"
_NO_COLUMNS: Final = "has a COLUMNS(...) that cannot be read; name the columns"
_TESTS_OF_NAMES: Final[dict[type[exp.Expr], Callable[[str, str], bool]]] = {
    exp.EQ: lambda name, text: name == text,
    exp.NEQ: lambda name, text: name != text,
    exp.StartsWith: lambda name, text: name.startswith(text),
    exp.EndsWith: lambda name, text: name.endswith(text),
    exp.Contains: lambda name, text: text in name,
}


def _regex(pattern: str, *, is_full: bool) -> Callable[[str], bool]:
    compiled = _compiled(pattern)
    find = compiled.fullmatch if is_full else compiled.search
    return lambda name: find(name) is not None


def _like(pattern: str, flags: re.RegexFlag) -> Callable[[str], bool]:
    # Names are held in lower case, so a pattern is, too.
    parts = {"%": ".*", "_": "."}
    text = "".join(parts.get(letter, re.escape(letter)) for letter in pattern)
    compiled = re.compile(text, flags | re.IGNORECASE | re.DOTALL)
    return lambda name: compiled.fullmatch(name) is not None


def _glob(pattern: str) -> str:
    parts = {"*": ".*", "?": "."}
    return "".join(parts.get(letter, re.escape(letter)) for letter in pattern)


# Inheritance.


def inherit(
    manifest: Mapping[str, Any], lineages: Mapping[str, ModelLineage]
) -> dict[str, dict[str, ColumnTags]]:
    """Return what every column of every model holds of personal data, by unique_id and name.

    Raises LineageError with every declaration that cannot stand: an unknown category, a `none`
    or a coarsening without its reason, a coarsening of what does not reach the column.
    """
    faults: list[Fault] = []
    tags: dict[str, dict[str, ColumnTags]] = {}
    reaching: dict[_Source, tuple[Origin, ...]] = dict(_roots(manifest, faults))
    untagged = _Untagged(manifest)
    for unique_id in _in_order(manifest):
        lineage = lineages.get(unique_id)
        node = manifest["nodes"][unique_id]
        if lineage is None and _is_inlined(node, lineages):
            continue
        if lineage is None:
            faults.append(_fault(node, "has no lineage; read it first"))
            continue
        edges: dict[str, list[Edge]] = {}
        for edge in lineage.edges:
            edges.setdefault(edge.column, []).append(edge)
        described = {name.lower(): each for name, each in (node.get("columns") or {}).items()}
        tags[unique_id] = {}
        # A table may have columns that its SQL does not make: they hold what is declared.
        names = dict.fromkeys([*lineage.columns, *described])
        for name in names:
            here = f"{_table_name(node)}.{name}"
            untagged.flows[unique_id, name] = edges.get(name, [])
            arriving = _arriving(here, edges.get(name, ()), reaching)
            column = _declared(node, name, described.get(name), arriving, faults)
            if column.origins and not column.inherited:
                # The tag stands here first: the raw columns have none.
                found = untagged.origins((unique_id, name), column.categories[0])
                column = replace(column, origins=found)
            tags[unique_id][name] = column
            reaching[unique_id, name] = column.origins
    if faults:
        raise LineageError(faults)
    return tags


def undeclared(tags: Mapping[str, Mapping[str, ColumnTags]]) -> tuple[Undeclared, ...]:
    """Return the columns that inherit personal data and say nothing of it."""
    found: list[Undeclared] = []
    for unique_id, columns in tags.items():
        for name, column in columns.items():
            if column.is_declared or not column.origins:
                continue
            silent = [origin for origin in column.origins if origin.coarsened_from is None]
            origin = min(silent, key=lambda each: (each.length, each.path))
            what = ", ".join(column.categories)
            message = f"{_way(origin.path)} inherits {what} and is not declared; "
            message += "give the column pii, or pii: none with a reason"
            found.append(Undeclared(unique_id, name, column.categories, origin.path, message))
    return tuple(found)


def _way(path: Sequence[str]) -> str:
    """A path for people: the raw column in full, then ``table.column``."""
    head, *middle = path
    return " -> ".join([head, *(".".join(step.split(".")[-2:]) for step in middle)])


def _roots(
    manifest: Mapping[str, Any], faults: list[Fault]
) -> Iterator[tuple[_Source, tuple[Origin, ...]]]:
    seeds = (n for n in manifest["nodes"].values() if n["resource_type"] == "seed")
    for node in itertools.chain(manifest.get("sources", {}).values(), seeds):
        subject = _kigen(node, "subject")
        for name, described in (node.get("columns") or {}).items():
            category = _meta(described, "pii")
            if category is None and name == subject:
                # Whom a row is about is a tag of its own.
                category = UNIQUE_ID
            if category is None or category == NOT_PERSONAL:
                continue
            if not _is_category(category):
                faults.append(_fault(node, _no_category("pii", category), name))
                continue
            if not _is_personal(category):
                continue
            here = f"{_table_name(node)}.{name.lower()}"
            yield (
                (node["unique_id"], name.lower()),
                (Origin(str(category), None, None, here, here),),
            )


class _Untagged:
    """The ways from raw columns without a tag to a column where a tag stands first."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self.flows: dict[_Source, list[Edge]] = {}
        self._manifest = manifest
        self._found: dict[tuple[_Source, str], tuple[Origin, ...]] = {}

    def origins(self, column: _Source, category: str) -> tuple[Origin, ...]:
        """Return the shortest way from each raw column, as of this category."""
        waiting = [column]
        while waiting:
            last = waiting[-1]
            parents = [(e.parent, e.parent_column) for e in self.flows.get(last, ())]
            unread = [parent for parent in parents if (parent, category) not in self._found]
            if unread:
                waiting += unread
                continue
            waiting.pop()
            here = f"{_table_name(_node(self._manifest, last[0]))}.{last[1]}"
            best: dict[str, Origin] = {}
            for parent in parents:
                for origin in self._found[parent, category]:
                    known = best.get(origin.raw_column)
                    if known is None or origin.length + 1 < known.length:
                        best[origin.raw_column] = _step(origin, here, category, None)
            root = (Origin(category, None, None, here, here),)
            self._found[last, category] = tuple(best.values()) or root
        return self._found[column, category]


def _arriving(
    here: str, edges: Iterable[Edge], reaching: Mapping[_Source, tuple[Origin, ...]]
) -> tuple[Origin, ...]:
    """Return what flows into a column; of several ways from the same raw column, the shortest."""
    best: dict[tuple[str, str | None, str], Origin] = {}
    for edge in edges:
        for origin in reaching.get((edge.parent, edge.parent_column), ()):
            category, behind = origin.category, origin.pseudonymous_of
            if edge.kind is Kind.HASH and category != PSEUDONYMOUS:
                category, behind = PSEUDONYMOUS, category
            key = (category, behind, origin.raw_column)
            if key not in best or origin.length + 1 < best[key].length:
                best[key] = _step(origin, here, category, behind)
    return tuple(best.values())


def _step(
    origin: Origin, here: str, category: str, behind: str | None, coarsened: str | None = None
) -> Origin:
    raw, length = origin.raw_column, origin.length + 1
    return Origin(category, behind, coarsened, here, raw, length, origin)


def _is_category(value: object) -> bool:
    return isinstance(value, str) and value in DATA_CATEGORIES


def _is_personal(category: str) -> bool:
    """Whether a category of fideslang is of a person, and not of a system."""
    return category == "user" or category.startswith("user.")


def _declared(
    node: Mapping[str, Any],
    name: str,
    described: Mapping[str, Any] | None,
    arriving: tuple[Origin, ...],
    faults: list[Fault],
) -> ColumnTags:
    """Return what a column holds, from what flows in and what is declared."""
    unique_id = str(node["unique_id"])
    inherited = _categories(arriving)
    coarsens = _kigen(described, "coarsens")
    here = f"{_table_name(node)}.{name}"
    origins = arriving
    if coarsens is not None:
        origins = _coarsened(node, name, coarsens, arriving, faults)
    category = _meta(described, "pii") if described else None
    silent = [origin for origin in origins if origin.coarsened_from is None]
    if category is None:
        is_declared = coarsens is not None and not silent
        by: TaggedBy | None = ("declared" if is_declared else "inherited") if origins else None
        return ColumnTags(
            unique_id, name, _categories(origins), inherited, by, is_declared, origins
        )
    if category != NOT_PERSONAL and not _is_category(category):
        faults.append(_fault(node, _no_category("pii", category), name))
        return ColumnTags(unique_id, name, inherited, inherited, "inherited", False, origins)
    own = str(category)
    if not _is_personal(own):
        if silent and not _reason(described):
            what = ", ".join(_categories(silent))
            way = _way(min(silent, key=lambda each: each.length).path)
            problem = f"is pii: {own} without a reason, and inherits {what} ({way}); "
            faults.append(_fault(node, problem + "give meta.reason", name))
        kept = () if own == NOT_PERSONAL else (own,)
        return ColumnTags(unique_id, name, kept, inherited, "declared" if kept else None, True, ())
    tagged = {
        replace(origin, category=own, pseudonymous_of=_behind(own, origin)): None
        for origin in origins
    } or {Origin(own, None, None, here, here): None}
    return ColumnTags(unique_id, name, (own,), inherited, "declared", True, tuple(tagged))


def _behind(category: str, origin: Origin) -> str | None:
    if category != PSEUDONYMOUS:
        return None
    return origin.pseudonymous_of or (origin.category if origin.category != category else None)


def _coarsened(
    node: Mapping[str, Any],
    name: str,
    coarsens: object,
    arriving: tuple[Origin, ...],
    faults: list[Fault],
) -> tuple[Origin, ...]:
    """Return what is left of what flows in after a declared coarsening."""
    written = coarsens if isinstance(coarsens, Mapping) else {}
    before, after, reason = (written.get(key) for key in ("from", "to", "reason"))
    problems: list[str] = []
    if not isinstance(coarsens, Mapping):
        problems.append("meta.kigen.coarsens is not from, to and reason; write it as keys")
    else:
        unknown = sorted(str(key) for key in set(written) - {"from", "to", "reason"})
        if unknown:
            problems.append(f"meta.kigen.coarsens has the unknown key {unknown[0]!r}")
        if not _is_category(before):
            problems.append(_no_category("meta.kigen.coarsens.from", before))
        if after != NOT_PERSONAL and not _is_category(after):
            problems.append(_no_category("meta.kigen.coarsens.to", after))
        if not isinstance(reason, str) or not reason.strip():
            problems.append("meta.kigen.coarsens has no reason; give it one")
    if not problems and not any(_is_within(o.category, str(before)) for o in arriving):
        inherited = ", ".join(_categories(arriving)) or "nothing personal"
        problems.append(f"coarsens {before}, which does not reach it: it inherits {inherited}")
    if problems:
        faults.extend(_fault(node, problem, name) for problem in problems)
        return arriving
    result: dict[Origin, None] = {}
    for origin in arriving:
        if not _is_within(origin.category, str(before)):
            result[origin] = None
        elif _is_personal(to := str(after)):
            behind = _behind(to, origin)
            changed = replace(
                origin, category=to, pseudonymous_of=behind, coarsened_from=origin.category
            )
            result[changed] = None
    return tuple(result)


def _is_within(category: str, parent: str) -> bool:
    return category == parent or category.startswith(f"{parent}.")


def _categories(origins: Iterable[Origin]) -> tuple[str, ...]:
    return tuple(sorted({origin.category for origin in origins}))


def _meta(described: Mapping[str, Any], key: str) -> Any:
    """Return a key of a column's meta, under ``config`` or beside it."""
    for holder in (described.get("config") or {}, described):
        meta = holder.get("meta") or {}
        if key in meta:
            # `pii:` with nothing after it is a slip, not an absence.
            return meta[key] if meta[key] is not None else ""
    return None


def _kigen(described: Mapping[str, Any] | None, key: str) -> Any:
    """Return a key of a column's meta.kigen."""
    written = _meta(described, "kigen") if described is not None else None
    return written.get(key) if isinstance(written, Mapping) else None


def _reason(described: Mapping[str, Any] | None) -> bool:
    """Whether a column says why it holds nothing personal."""
    if described is None:
        return False
    written = (_meta(described, "reason"), _kigen(described, "reason"))
    return any(isinstance(each, str) and each.strip() for each in written)


def _no_category(what: str, value: object) -> str:
    return f"{what} is {value!r}, which is no category of fideslang"
