"""The scan for personal columns: the sources in every run, any schema by `kigen scan`."""

from typing import Final

import dagster as dg
from pydantic import Field

from orchestration.project import current
from orchestration.refusals import refusals_as_failures
from orchestration.scan.findings import scan as scan_tables
from orchestration.scan.findings import source_schemas
from orchestration.scan.scanner import Finding
from orchestration.translator import RAW_TABLES, SCAN_FINDINGS, KigenTranslator
from orchestration.warehouse import TAGS_SOURCE

PROJECT = current()

SCAN: Final = "scan"


class ScannedSchema(dg.Config):
    """What is to be scanned."""

    schema_name: str = Field(
        default="",
        description="A schema of the warehouse; empty: every schema that holds a declared source.",
    )


@dg.asset(
    key=SCAN_FINDINGS,
    deps=[RAW_TABLES],
    group_name=TAGS_SOURCE,
    kinds={"duckdb", "table"},
    pool="warehouse",
    description=(
        "What the columns of the sources hold by their names, values and tables: one row each, in "
        "tags.scan_findings. Shares of matches leave the warehouse, values do not."
    ),
    metadata=KigenTranslator().get_metadata(
        PROJECT.manifest["sources"]["source.kigen.tags.scan_findings"]
    ),
)
def scan_findings(
    context: dg.AssetExecutionContext, config: ScannedSchema
) -> dg.MaterializeResult[None]:
    """Scan every table of the schemas, declared or not; the log holds names and counts."""
    findings: list[Finding] = []
    with refusals_as_failures():
        schemas = [config.schema_name] if config.schema_name else source_schemas(PROJECT)
        for schema in schemas:
            findings += scan_tables(PROJECT, schema, context.log.debug)
    personal = sum(finding.is_personal for finding in findings)
    return dg.MaterializeResult(
        metadata={
            "schemas": ", ".join(schemas),
            "columns": len(findings),
            "personal_columns": personal,
        }
    )


scan = dg.define_asset_job(
    SCAN,
    selection=dg.AssetSelection.assets(SCAN_FINDINGS),
    description="Scan a schema of the warehouse for personal columns. Changes tags.scan_findings only.",
)
