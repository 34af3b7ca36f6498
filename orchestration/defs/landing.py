"""The first stage of a run: the raw tables are there, and the policy is loaded."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster_dbt import dbt_assets

from orchestration.dbt_process import Dbt, build
from orchestration.defs.jobs import DELETING_JOBS
from orchestration.moment import Moment, refusal_of_future
from orchestration.project import current
from orchestration.readiness import make_ready
from orchestration.refusals import refusals_as_failures
from orchestration.sample import load_sample
from orchestration.settings import format_moment
from orchestration.tags import RESTORED_TAG
from orchestration.translator import RAW_GROUP, RAW_TABLES, KigenTranslator
from orchestration.warehouse import (
    WarehouseError,
    connect,
    look_for_raw_tables,
    needs_sample,
)

PROJECT = current()


@dg.asset(
    key=RAW_TABLES,
    group_name=RAW_GROUP,
    kinds={"duckdb"},
    pool="warehouse",
    description=(
        "That every declared raw table is there. Where nobody names a warehouse and there is no "
        "raw schema, the made-up shop is loaded, once. A set that is there in part is refused."
    ),
)
def raw_tables(context: dg.AssetExecutionContext, moment: Moment) -> dg.MaterializeResult[None]:
    """Look before anything is created; load the sample where that is allowed."""
    settings = PROJECT.settings
    as_of = moment.of(context.run, context.instance)
    future = refusal_of_future(as_of)
    if future and context.run.job_name in DELETING_JOBS:
        raise dg.Failure(future, allow_retries=False)
    with refusals_as_failures():
        loads_sample = needs_sample(settings, PROJECT.manifest)
        reconciled = make_ready(PROJECT)
        loaded: dict[str, int] = {}
        if loads_sample:
            with connect(settings, read_only=False) as connection:
                loaded = load_sample(connection, as_of, settings.sample)
            missing = look_for_raw_tables(settings, PROJECT.manifest).missing
            if missing:
                raise WarehouseError(
                    f"The sample shop has no {', '.join(missing)}, which the project declares; "
                    "name your own warehouse by KIGEN_WAREHOUSE."
                )
    if reconciled.state != "equal":
        context.log.warning(reconciled.said)
    if reconciled.state == "file_behind":
        context.instance.add_run_tags(context.run.run_id, {RESTORED_TAG: reconciled.said})
    return dg.MaterializeResult(
        metadata={
            "as_of": format_moment(as_of),
            "sample_rows": sum(loaded.values()),
            "journal": reconciled.said,
        }
    )


@dbt_assets(
    name="landing",
    manifest=PROJECT.manifest,
    project=PROJECT.dbt_project,
    select="resource_type:seed",
    dagster_dbt_translator=KigenTranslator(),
    pool="warehouse",
)
def landing(context: dg.AssetExecutionContext, dbt: Dbt, moment: Moment) -> Iterator[Any]:
    """Load the written policy."""
    yield from build(PROJECT, dbt, context, moment.of(context.run, context.instance))
