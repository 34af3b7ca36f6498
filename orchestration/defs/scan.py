"""The scan of a schema, as a job: the same as `kigen scan`."""

import dagster as dg

from orchestration.moment import Moment
from orchestration.project import current
from orchestration.refusals import refusals_as_failures
from orchestration.scan.findings import scan as scan_tables

PROJECT = current()


class ScannedSchema(dg.Config):
    """What is to be scanned."""

    schema_name: str
    """A schema of the warehouse."""


@dg.op(
    name="scan_schema",
    pool="warehouse",
    description="Look at names and values of every column of a schema; keep tags.scan_findings.",
)
def scan_schema(context: dg.OpExecutionContext, config: ScannedSchema, moment: Moment) -> None:
    """Scan the schema; the log holds names and counts."""
    with refusals_as_failures():
        findings = scan_tables(PROJECT, config.schema_name, context.log.debug)
    personal = sum(finding.is_personal for finding in findings)
    context.log.info(f"{len(findings)} columns scanned; personal: {personal}.")


@dg.job(
    description="Scan a schema of the warehouse for personal columns. Changes tags.scan_findings only."
)
def scan() -> None:
    """Scan a schema."""
    scan_schema()
