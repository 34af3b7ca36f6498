"""The documents for people, as a job: the same as `kigen document`."""

from typing import Any, Final

import dagster as dg

from orchestration.documents import write_documents
from orchestration.project import current
from orchestration.refusals import refusals_as_failures
from orchestration.translator import DOCUMENTS
from orchestration.warehouse import TAGS_SOURCE

PROJECT = current()

DOCUMENT: Final = "document"


@dg.asset(
    key=DOCUMENTS,
    deps=[
        dg.AssetKey([TAGS_SOURCE, "pii_columns"]),
        dg.AssetKey(["retention", "exposure"]),
        dg.AssetKey(["retention", "exposure_trend"]),
    ],
    group_name=TAGS_SOURCE,
    kinds={"html", "csv"},
    pool="warehouse",
    description=(
        "The record of processing (GDPR art. 30) and the retention statement of a privacy policy, in "
        "Japanese and English, the personal columns for other catalogues, and what stands to leak: files under "
        "KIGEN_HOME/documents, by the policy as it is."
    ),
)
def documents() -> dg.MaterializeResult[None]:
    """Write the documents."""
    with refusals_as_failures():
        written = write_documents(PROJECT)
    metadata: dict[str, Any] = {
        path.name: dg.MetadataValue.url(PROJECT.settings.page_url("documents", path.name))
        for path in written.paths
    }
    if written.missing_words:
        metadata["to_be_worded"] = dg.MetadataValue.md(
            "\n".join(f"- {missing}" for missing in written.missing_words)
        )
    return dg.MaterializeResult(metadata=metadata)


document = dg.define_asset_job(
    DOCUMENT,
    selection=dg.AssetSelection.assets(DOCUMENTS),
    description="Write the record of processing, the retention statement and the personal columns.",
)
