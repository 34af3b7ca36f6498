"""What is known of personal columns: which category, how it is known, by which way it comes.

The stage `tags` knows it once a run has scanned and traced. It is kept beside the manifest, too,
so that Dagster can show it wherever it loads the definitions, without opening the warehouse.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import duckdb

from orchestration.durable import write_whole
from orchestration.project import Project
from orchestration.settings import Settings
from orchestration.warehouse import INHERITED, connect, has_table

Place = tuple[str, str, str]
"""Schema, table and column."""

_FILE: Final = "known_columns.json"


@dataclass(frozen=True, slots=True)
class Known:
    """A personal column. Empty is what is not known, or not the case."""

    category: str
    how: str
    """`declared`, `inherited` or `scanned`."""
    sensitivity: str
    path: str
    """The way from the raw column."""
    evidence: str
    """Why the scan says so."""
    problem: str
    """What is wrong with its declaration."""

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the column, as Dagster shows them."""
        told = {
            "data_category": self.category,
            "tagged_by": self.how,
            "sensitivity": self.sensitivity if self.sensitivity != "ordinary" else "",
        }
        return {name: text for name, text in told.items() if text}

    @property
    def text(self) -> str:
        """The same in words, with the way."""
        said = f"Personal ({self.category}), {self.how}."
        if self.path:
            said += f" From {self.path}."
        if self.evidence and self.how == "scanned":
            said += f" The scan: {self.evidence}."
        if self.problem:
            said += f" To be mended: {self.problem}."
        return said


def known_columns(connection: duckdb.DuckDBPyConnection, project: Project) -> dict[Place, Known]:
    """Return the columns that are known to be personal; none before the first run."""
    if not has_table(connection, "tags", "pii_columns"):
        return {}
    rows = connection.execute(
        "select p.schema_name, p.table_name, p.column_name, p.data_category, p.tagged_by, p.path, "
        f"p.evidence, i.message from {project.relation('pii_columns')} as p "
        f"left join tags.{INHERITED} as i on (p.schema_name, p.table_name, p.column_name) = "
        "(i.schema_name, i.table_name, i.column_name) order by all"
    ).fetchall()
    sensitivity = project.declarations.sensitivity
    return {
        (schema, table, column): Known(
            category, how, sensitivity(category), path or "", evidence or "", problem or ""
        )
        for schema, table, column, category, how, path, evidence, problem in rows
    }


def keep(project: Project) -> None:
    """Keep what is known now, for whoever loads the definitions next. Raises WarehouseError."""
    with connect(project.settings, read_only=True) as connection:
        known = known_columns(connection, project)
    rows = [[*place, dataclasses.astuple(each)] for place, each in known.items()]
    write_whole(project.settings.target / _FILE, json.dumps(rows, ensure_ascii=False))


def last_known(settings: Settings) -> Mapping[Place, Known]:
    """Return what the last run knew; nothing where there was none, or an older version's."""
    file = settings.target / _FILE
    try:
        return _read(file, file.stat().st_mtime_ns)
    except (FileNotFoundError, ValueError, TypeError):
        return {}


@lru_cache(maxsize=2)
def _read(file: Path, changed_at: int) -> Mapping[Place, Known]:
    """Read the file; `changed_at` has it read anew when it was written anew."""
    rows = json.loads(file.read_bytes())
    return {(schema, table, column): Known(*told) for schema, table, column, told in rows}
