"""The page of the column graph, made anew in every run."""

from typing import Final

import dagster as dg

from orchestration.lineage_page import write_page
from orchestration.project import current
from orchestration.refusals import refusals_as_failures
from orchestration.translator import COLUMN_LINEAGE, INHERITED_COLUMNS, LINEAGE_PAGE
from orchestration.warehouse import TAGS_SOURCE

PROJECT = current()

PII_COLUMNS: Final = dg.AssetKey([TAGS_SOURCE, "pii_columns"])


@dg.asset(
    key=LINEAGE_PAGE,
    deps=[PII_COLUMNS, COLUMN_LINEAGE, INHERITED_COLUMNS],
    group_name=TAGS_SOURCE,
    kinds={"html"},
    pool="warehouse",
    description=(
        "Every column with the ways to it and from it, personal ones marked; one page without "
        "anything from elsewhere. `kigen ui` serves it."
    ),
)
def lineage_page() -> dg.MaterializeResult[None]:
    """Write the page."""
    with refusals_as_failures():
        path, graph = write_page(PROJECT)
    return dg.MaterializeResult(
        metadata={
            "lineage": dg.MetadataValue.url(PROJECT.settings.page_url("documents", path.name)),
            "page": dg.MetadataValue.path(str(path)),
            "tables": len(graph["tables"]),
            "flows": len(graph["edges"]),
        }
    )
