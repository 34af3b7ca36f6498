"""What runs start other runs: the rebuild after a purge, a plan after an erasure request."""

import json
from collections.abc import Mapping
from typing import Any

import dagster as dg

from orchestration.defs.jobs import PLAN, nightly, rebuild, rebuild_selection
from orchestration.instance import IN_PROGRESS, free_places
from orchestration.moment import moment_of, run_config
from orchestration.project import current
from orchestration.tags import DOOR_TAG, PLAN_DIGEST_TAG, PURGE_RUN_TAG
from orchestration.translator import kigen_of
from orchestration.warehouse import WarehouseBusyError, WarehouseError, connect

PROJECT = current()


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitored_jobs=[nightly],
    request_job=rebuild,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="A purge that went through is followed by the rebuild, by the same T.",
)
def rebuild_after_nightly(
    context: dg.RunStatusSensorContext,
) -> dg.RunRequest | dg.SkipReason:
    """Request the rebuild of a nightly run, unless who started it does so too."""
    # Read anew: the purge has tagged the run after it was started.
    run = context.instance.get_run_by_id(context.dagster_run.run_id) or context.dagster_run
    if DOOR_TAG in run.tags:
        return dg.SkipReason(f"Run {run.run_id} was started by `kigen`, which rebuilds itself.")
    return dg.RunRequest(
        run_key=run.run_id,
        run_config=run_config(moment_of(run, context.instance)),
        asset_selection=rebuild_selection(run.tags),
        tags={
            PURGE_RUN_TAG: run.run_id,
            PLAN_DIGEST_TAG: run.tags.get(PLAN_DIGEST_TAG, ""),
        },
    )


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="A run that was killed gives its place in the pool back, for the next to start.",
)
def freed_places(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Free the places of ended runs; starts nothing."""
    freed = free_places(context.instance)
    return dg.SkipReason(f"Ended runs that still held a place: {freed}.")


@dg.sensor(
    job_name=PLAN,
    minimum_interval_seconds=60,
    description=(
        "A new erasure or stop request: audiences are built anew at once, without the people "
        "who asked. Off until somebody turns it on."
    ),
)
def erasure_requests(
    context: dg.SensorEvaluationContext,
) -> dg.SensorResult | dg.SkipReason:
    """Request a plan when a table of requests has a later key than the last time."""
    tables = request_tables(PROJECT.manifest)
    if not tables:
        return dg.SkipReason("No source table says `meta.kigen.requests: true`.")
    # Asked of Dagster, not of the file: a run that holds it must not be waited for here.
    if context.instance.get_runs_count(dg.RunsFilter(statuses=list(IN_PROGRESS))):
        return dg.SkipReason("A run is in progress; its end is waited for.")
    if not PROJECT.settings.warehouse.exists():
        return dg.SkipReason(f"There is no {PROJECT.settings.warehouse} yet.")
    try:
        with connect(PROJECT.settings, read_only=True, wait=0) as connection:
            seen = {
                table: list(connection.execute(query).fetchall()[0])
                for table, query in tables.items()
            }
    except WarehouseBusyError:
        return dg.SkipReason("Another process has the warehouse open.")
    except WarehouseError as error:
        return dg.SkipReason(str(error))
    cursor = json.dumps(seen, sort_keys=True)
    before: dict[str, list[Any]] = json.loads(context.cursor) if context.cursor else {}
    if not any(_is_new(*now, *before.get(table, ("", 0))) for table, now in seen.items()):
        return dg.SensorResult(cursor=cursor, skip_reason="There is no new request.")
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=cursor)], cursor=cursor)


def _is_new(key: str, count: int, key_before: str, count_before: int) -> bool:
    # Fewer rows alone are no request: a purge takes closed ones.
    return count > count_before or (key != key_before and key != "")


def request_tables(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return, by table of requests, a query for its highest key and its row count."""
    queries = {}
    for source in manifest["sources"].values():
        declared = kigen_of(source)
        if declared.get("requests"):
            keys = declared["key"] if isinstance(declared["key"], list) else [declared["key"]]
            highest = ", ".join(f'"{key}"' for key in keys)
            queries[f"{source['source_name']}.{source['name']}"] = (
                f"select coalesce(cast(max(({highest})) as varchar), ''), count(*) "
                f"from {source['relation_name']}"
            )
    return queries
