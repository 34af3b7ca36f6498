"""The purge, and the rewriting of the file after it: the only steps that take something away."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import dagster as dg
from dagster_dbt import dbt_assets

from orchestration.dbt_process import Dbt, fail_if_any, invoke, with_facts
from orchestration.defs.jobs import DELETING_JOBS
from orchestration.erase import (
    lack_of_space,
    note_deleted,
    note_erased,
    read_record,
    rewrite,
)
from orchestration.facts import facts_of
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
from orchestration.tags import PLAN_DIGEST_TAG, PURGED_TAG
from orchestration.translator import ERASED_FILE, KigenTranslator
from orchestration.warehouse import connect

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
    purged = sum(count.deleted + count.anonymised for count in counts)
    context.instance.add_run_tags(context.run.run_id, {PURGED_TAG: str(purged)})
    if purged:
        note_deleted(PROJECT.settings)
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
    deps=[PURGE_LEDGER, dg.AssetKey(["purge", "purge_plan"])],
    group_name="purge",
    kinds={"duckdb"},
    pool="warehouse",
    description=(
        "The warehouse file without a byte of what was deleted: written anew in a fresh process, "
        "compared, and put in the old one's place. Left alone where nothing was deleted since."
    ),
)
def erased_file(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Write the file anew if something was purged since it was last written anew."""
    settings = PROJECT.settings
    with refusals_as_failures(), connect(settings, read_only=True) as connection:
        purge_number = last_purge(connection, PROJECT)
    record = read_record(settings)
    # A restored backup has an older ledger: the number may well be smaller than the last.
    if record.deleted_not_erased_since is None and purge_number == record.erased_purge:
        return dg.MaterializeResult(
            metadata={"erased": False, "said": "Nothing was deleted since the last time."}
        )
    note_deleted(settings)
    if lack := lack_of_space(settings):
        context.log.warning(lack)
        return dg.MaterializeResult(metadata={"erased": False, "said": lack})
    with refusals_as_failures():
        rewritten = rewrite(settings)
    note_erased(settings, purge_number)
    return dg.MaterializeResult(
        metadata={
            "erased": True,
            "tables": rewritten.tables,
            "rows": rewritten.rows,
            "bytes_before": rewritten.bytes_before,
            "bytes_after": rewritten.bytes_after,
        }
    )


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
