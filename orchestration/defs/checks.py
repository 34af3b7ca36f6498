"""The guard: it stands between what is governed and the purge, and blocks."""

from typing import Final

import dagster as dg

from orchestration.defs.jobs import NIGHTLY, PLAN
from orchestration.guard import GUARD, judge, metadata_of, write_verdict
from orchestration.moment import Moment
from orchestration.project import current
from orchestration.refusals import refusals_as_failures
from orchestration.translator import KigenTranslator
from orchestration.warehouse import connect

PROJECT = current()

PURGE_PLAN: Final = dg.AssetKey(["purge", "purge_plan"])


@dg.asset_check(
    asset=PURGE_PLAN,
    name=GUARD,
    blocking=True,
    additional_deps=[
        KigenTranslator().get_asset_key(PROJECT.manifest["nodes"][proof.unique_id])
        for proof in PROJECT.declarations.proofs("before")
    ],
    description=(
        "Every proof of gate `before` is green, the plan is of this run's T, and T is not to come. "
        "In the job `nightly` it leaves the verdict without which nothing is purged; in any other "
        "it only reports."
    ),
    pool="warehouse",
)
def guard(context: dg.AssetCheckExecutionContext, moment: Moment) -> dg.AssetCheckResult:
    """Judge the plan; leave the verdict for this run where it may be purged."""
    job, run_id = context.run.job_name, context.run.run_id
    as_of = moment.of(context.run, context.op_execution_context.instance)
    is_nightly = job == NIGHTLY
    with (
        refusals_as_failures(),
        connect(PROJECT.settings, read_only=not is_nightly) as connection,
    ):
        verdict = judge(connection, PROJECT, as_of)
        if verdict.passes and is_nightly:
            write_verdict(connection, verdict, run_id)
    return dg.AssetCheckResult(
        passed=verdict.passes,
        # A report stops nothing.
        severity=dg.AssetCheckSeverity.WARN if job == PLAN else dg.AssetCheckSeverity.ERROR,
        description=" ".join(verdict.refusals) or "The plan may be purged.",
        metadata=metadata_of(verdict),
    )
