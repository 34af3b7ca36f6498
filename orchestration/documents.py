"""What is written for people and for other systems, from tags, classes and audiences."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestration import processing_record, retention_statement
from orchestration.declarations import DataCategory
from orchestration.durable import write_whole
from orchestration.exposure_page import write_exposure
from orchestration.known_columns import Known, Place, known_columns
from orchestration.project import Project
from orchestration.warehouse import connect

COLUMNS: Final = (
    "schema_name", "table_name", "column_name", "data_category", "tagged_by", "sensitivity", "legal_basis",
    "snowflake_semantic_category", "snowflake_privacy_category", "dpv", "path",
)  # fmt: skip
"""The columns of the export of personal columns, for catalogues and classifiers."""


@dataclass(frozen=True, slots=True)
class Written:
    """The files, and the words a publishable statement still lacks."""

    paths: tuple[Path, ...]
    missing_words: tuple[str, ...]


def write_documents(project: Project) -> Written:
    """Write the record of processing, the retention statement, personal columns, and what stands to leak.

    The last two need a warehouse that was built, and are left out where there is none. Raises
    WarehouseError.
    """
    folder = project.settings.documents
    groups = retention_statement.gather(project)
    return Written(
        (
            *processing_record.write(folder, processing_record.gather(project)),
            *retention_statement.write(folder, groups),
            *_write_personal_columns(project),
            *write_exposure(project),
        ),
        retention_statement.missing_words(project),
    )


def personal_columns(
    known: dict[Place, Known], categories: dict[str, DataCategory]
) -> list[tuple[str, ...]]:
    """Return a row per personal column, with the names other systems have for its category."""
    rows: list[tuple[str, ...]] = []
    for place, column in sorted(known.items()):
        names = categories.get(column.category)
        other = (
            (
                names.legal_basis,
                names.snowflake_semantic_category,
                names.snowflake_privacy_category,
                names.dpv,
            )
            if names
            else ("", "", "", "")
        )
        rows.append((*place, column.category, column.how, column.sensitivity, *other, column.path))
    return rows


def _write_personal_columns(project: Project) -> tuple[Path, ...]:
    if not project.settings.warehouse.exists():
        return ()
    with connect(project.settings, read_only=True) as connection:
        known = known_columns(connection, project)
    if not known:
        return ()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(personal_columns(known, dict(project.declarations.data_categories)))
    path = project.settings.documents / "personal_columns.csv"
    write_whole(path, text.getvalue())
    return (path,)
