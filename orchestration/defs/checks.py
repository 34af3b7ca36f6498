"""The guard: it stands between what is governed and the purge, and blocks."""

import dagster as dg

from orchestration.defs.jobs import NIGHTLY, PLAN, PURGE_PLAN, REBUILD
from orchestration.defs.purge import PURGE_LEDGER
from orchestration.guard import GUARD, judge, metadata_of, write_verdict
from orchestration.journal import heads
from orchestration.keys import read_pads
from orchestration.ledger import broken_link, chain_of
from orchestration.moment import Moment
from orchestration.plan import plan_facts
from orchestration.project import current
from orchestration.refusals import refusals_as_failures
from orchestration.translator import KigenTranslator
from orchestration.warehouse import connect

PROJECT = current()


@dg.asset_check(
    asset=PURGE_PLAN,
    name=GUARD,
    blocking=True,
    additional_deps=[
        KigenTranslator().get_asset_key(PROJECT.manifest["nodes"][proof.unique_id])
        for proof in PROJECT.declarations.proofs("before")
    ],
    description=(
        "Every proof of gate `before` is green, the plan is of this run's T, T is not to come, the "
        "ledger's chain is whole; and the plan is within policy_purge_limits.csv and nothing looks "
        "changed that should not, or the plan is approved by its digest. "
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
    with refusals_as_failures():
        pads = read_pads(PROJECT.settings.key)
    with (
        refusals_as_failures(),
        connect(PROJECT.settings, read_only=not is_nightly) as connection,
    ):
        verdict = judge(connection, PROJECT, as_of, pads)
        metadata = metadata_of(verdict, plan_facts(connection, PROJECT))
        if verdict.passes and is_nightly:
            write_verdict(connection, verdict, run_id, pads)
    return dg.AssetCheckResult(
        passed=verdict.passes,
        # A report stops nothing.
        severity=dg.AssetCheckSeverity.WARN
        if job in (PLAN, REBUILD)
        else dg.AssetCheckSeverity.ERROR,
        description=" ".join(verdict.refusals) or "The plan may be purged.",
        metadata=metadata,
    )


@dg.asset_check(
    asset=PURGE_LEDGER,
    name="ledger_chain",
    description=(
        "The chain of the ledger, made anew from its rows and held against the journal: no row was "
        "altered, dropped, added or moved since it was written."
    ),
    pool="warehouse",
)
def ledger_chain(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Recompute the chain; name the first broken link."""
    with refusals_as_failures(), connect(PROJECT.settings, read_only=True) as connection:
        chain = chain_of(connection, PROJECT)
        broken = broken_link(connection, PROJECT, heads(PROJECT.settings))
    return dg.AssetCheckResult(
        passed=broken is None,
        description=broken or "The chain is whole.",
        metadata={"runs": len(chain), "head": chain[max(chain)] if chain else ""},
    )
