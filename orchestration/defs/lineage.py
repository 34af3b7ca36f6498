"""The column lineage, as a job: the same as `kigen lineage`."""

import dagster as dg

from orchestration.column_lineage import trace
from orchestration.moment import Moment
from orchestration.project import current
from orchestration.refusals import refusals_as_failures

PROJECT = current()


@dg.op(
    name="trace_columns",
    pool="warehouse",
    description="Read the compiled SQL of every model; keep tags.column_lineage.",
)
def trace_columns(context: dg.OpExecutionContext, moment: Moment) -> None:
    """Trace every column; fail where one inherits personal data and does not declare it."""
    with refusals_as_failures():
        found = trace(PROJECT)
    context.log.info(
        f"{found.models} models, {found.columns} columns, {found.edges} edges; personal: "
        f"{found.personal}."
    )
    if found.undeclared:
        raise dg.Failure(
            f"{len(found.undeclared)} columns inherit personal data and do not declare it:\n"
            + "\n".join(each.message for each in found.undeclared),
            allow_retries=False,
        )


@dg.job(description="Read which column comes from which, and what inherits personal data.")
def lineage() -> None:
    """Trace the columns of all models."""
    trace_columns()
