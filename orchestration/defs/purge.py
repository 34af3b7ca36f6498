"""The purge, and the rewriting of the file after it: the only steps that take something away."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import dagster as dg
from dagster_dbt import dbt_assets

from orchestration.dbt_process import Dbt, fail_if_any, invoke, with_facts
from orchestration.defs.jobs import DELETING_JOBS
from orchestration.erase import (
    ErasureDelayedError,
    are_planted,
    deleted_since,
    erase_policy,
    interrupted,
    lack_of_space,
    note_deleted,
    note_erased,
    note_waiting,
    plant_canaries,
    plant_late,
    read_record,
    reason_to_wait,
    rewrite,
)
from orchestration.facts import facts_of
from orchestration.journal import mirror
from orchestration.keys import read_pads
from orchestration.moment import Moment, refusal_of_future
from orchestration.plan import (
    Plan,
    PurgeCount,
    has_ledger,
    last_purge,
    purge_counts,
    read_plan,
)
from orchestration.project import current
from orchestration.refusals import refusals_as_failures
from orchestration.settings import utc_now
from orchestration.tags import PLAN_DIGEST_TAG, PURGED_TAG
from orchestration.translator import ERASED_FILE, LAST_RUN, KigenTranslator
from orchestration.warehouse import WarehouseBusyError, connect

PROJECT = current()

PURGE_LEDGER: Final = dg.AssetKey(["purge", "purge_ledger"])

_ARGUMENTS: Final = (
    "run",
    "--select",
    "+purge_ledger",
    "--exclude",
    "purge_plan resource_type:seed",
)
"""What the purge takes is judged anew, in the same process; the plan stays as it was frozen."""


@dbt_assets(
    name="purge",
    manifest=PROJECT.manifest,
    project=PROJECT.dbt_project,
    select="config.materialized:purge",
    dagster_dbt_translator=KigenTranslator(),
    pool="warehouse",
)
def purge(context: dg.AssetExecutionContext, dbt: Dbt, moment: Moment) -> Iterator[Any]:
    """Apply the frozen plan, if the guard's verdict for it and for this run is there."""
    as_of = moment.of(context.run, context.instance)
    if future := refusal_of_future(as_of):
        raise dg.Failure(future, allow_retries=False)
    with refusals_as_failures(), connect(PROJECT.settings, read_only=True) as connection:
        plan = read_plan(connection, PROJECT)
        before = last_purge(connection, PROJECT)
        is_first = not has_ledger(connection, PROJECT)
    tags = {PLAN_DIGEST_TAG: plan.digest, PURGED_TAG: "0"}
    context.instance.add_run_tags(context.run.run_id, tags)
    if not plan.rows and not is_first:
        context.log.info("The plan is empty: nothing was purged.")
        said: dict[str, Any] = {
            "purged": 0,
            "plan_digest": plan.digest,
            "said": "The plan is empty.",
        }
        yield dg.Output(
            None,
            output_name=PURGE_LEDGER.to_python_identifier(),
            metadata={**_facts(), **said},
        )
        return

    with refusals_as_failures():
        if plan.rows:
            with connect(PROJECT.settings, read_only=False) as connection:
                plant_canaries(connection, read_pads(PROJECT.settings.key), context.run.run_id)
        done = invoke(
            PROJECT,
            dbt,
            context,
            _ARGUMENTS,
            as_of,
            selects=False,
            environment={"KIGEN_PURGE_RUN": context.run.run_id},
        )
        with connect(PROJECT.settings, read_only=True) as connection:
            counts = purge_counts(connection, before, plan.digest, plan.as_of)
            mirror(connection, PROJECT)
    purged = sum(count.deleted + count.anonymised for count in counts)
    context.instance.add_run_tags(context.run.run_id, {PURGED_TAG: str(purged)})
    if purged:
        note_deleted(PROJECT.settings, context.run.run_id)
    with refusals_as_failures():
        sources = PROJECT.manifest["sources"]
        facts = {
            f"{sources[unique_id]['source_name']}.{sources[unique_id]['name']}": metadata
            for unique_id, metadata in facts_of(PROJECT, sources).items()
        }
    for count in counts:
        context.log_event(_materialization(count, plan, facts.get(count.table_name, {})))
    for event in with_facts(PROJECT, done.events):
        if isinstance(event, dg.Output):
            more: dict[str, Any] = {"purged": purged, "plan_digest": plan.digest}
            if done.said:
                more["said"] = " ".join(done.said)
            event = dg.Output(
                None, output_name=event.output_name, metadata={**event.metadata, **more}
            )
        yield event
    fail_if_any(done)
    if plan.rows and not counts and context.run.job_name in DELETING_JOBS:
        # Whoever started a purge must not take its refusal for a success.
        raise dg.Failure(" ".join(done.said), allow_retries=False)


def _facts() -> dict[str, Any]:
    """Return the columns and rows of the ledger as it stands."""
    nodes = PROJECT.manifest["nodes"].items()
    ledger = {
        unique_id: node
        for unique_id, node in nodes
        if KigenTranslator().get_asset_key(node) == PURGE_LEDGER
    }
    with refusals_as_failures():
        return next(iter(facts_of(PROJECT, ledger).values()), {})


@dg.asset(
    key=ERASED_FILE,
    deps=[PURGE_LEDGER, dg.AssetKey(["purge", "purge_plan"]), LAST_RUN],
    group_name="purge",
    kinds={"duckdb"},
    pool="warehouse",
    description=(
        "The warehouse file without a byte of what was deleted: written anew in a fresh process, "
        "compared, and put in the old one's place. Left alone where nothing was deleted since."
    ),
)
def erased_file(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Write the file anew if something was purged since it was last, as the policy has it."""
    settings = PROJECT.settings
    with refusals_as_failures(), connect(settings, read_only=True) as connection:
        purge_number = last_purge(connection, PROJECT)
        record = read_record(settings)
        # A restored backup has an older ledger: the number may well be smaller than the last.
        if record.deleted_not_erased_since is None and purge_number == record.erased_purge:
            return dg.MaterializeResult(
                metadata={"erased": False, "said": "Nothing was deleted since the last time."}
            )
        if told := interrupted(settings):
            context.log.warning(told)
        record = note_deleted(settings)
        deleted = deleted_since(connection, settings, PROJECT.declarations, record.erased_purge)
        planted = are_planted(connection, read_pads(settings.key), record.canary_run)
    since = record.deleted_not_erased_since
    policy = erase_policy(PROJECT.declarations.settings)
    if said := reason_to_wait(policy, deleted, since, utc_now()):
        note_waiting(settings, said, by_policy=True)
        return dg.MaterializeResult(metadata={"erased": False, "said": said})
    if said := lack_of_space(settings):
        return _put_off(context, said)
    canary_run = record.canary_run
    with refusals_as_failures():
        try:
            if canary_run is None or not planted:
                canary_run = context.run.run_id
                plant_late(settings, canary_run)
            rewritten = rewrite(settings, canary_run)
        except (ErasureDelayedError, WarehouseBusyError) as delay:
            return _put_off(context, str(delay))
    note_erased(settings, purge_number, rewritten.verification)
    return dg.MaterializeResult(
        metadata={
            "erased": True,
            "tables": rewritten.tables,
            "rows": rewritten.rows,
            "bytes_before": rewritten.bytes_before,
            "bytes_after": rewritten.bytes_after,
            "verification": dg.MetadataValue.json(rewritten.verification),
        }
    )


def _put_off(context: dg.AssetExecutionContext, said: str) -> dg.MaterializeResult[None]:
    """The next run tries again."""
    note_waiting(PROJECT.settings, said)
    context.log.warning(said)
    return dg.MaterializeResult(metadata={"erased": False, "said": said})


def _materialization(
    count: PurgeCount, plan: Plan, facts: Mapping[str, Any]
) -> dg.AssetMaterialization:
    return dg.AssetMaterialization(
        asset_key=count.table_name.split("."),
        description="Rows that a purge took.",
        metadata={
            **facts,
            "purged": count.deleted + count.anonymised,
            "deleted": count.deleted,
            "anonymised": count.anonymised,
            "planned": count.planned,
            "skipped": count.skipped,
            "rows_before": count.rows_before,
            "dagster/row_count": count.rows_after,
            "plan_digest": plan.digest,
        },
    )
