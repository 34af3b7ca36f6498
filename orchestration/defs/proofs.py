"""The proofs of `gate: after`: what a purge must have healed. They run in the rebuild."""

from collections.abc import Generator
from typing import Any

import dagster as dg
from dagster_dbt import dbt_assets

from orchestration.dbt_process import Dbt, build
from orchestration.defs.jobs import REBUILD
from orchestration.moment import Moment
from orchestration.project import current
from orchestration.translator import KigenTranslator

PROJECT = current()


@dbt_assets(
    name="proofs_after",
    manifest=PROJECT.manifest,
    project=PROJECT.dbt_project,
    select="config.meta.kigen.gate:after source:kigen.delivery.file_copies+,resource_type:model",
    dagster_dbt_translator=KigenTranslator(),
    pool="warehouse",
)
def proofs_after(
    context: dg.AssetExecutionContext, dbt: Dbt, moment: Moment
) -> Generator[Any, None, None]:
    """Build the proofs that look at the purge, with the copies they count, and test them.

    In the job `rebuild` a red one fails the run: nothing comes after it that would say so.
    """
    done = yield from build(PROJECT, dbt, context, moment.of(context.run, context.instance))
    if done.red_proofs and context.run.job_name == REBUILD:
        named = ", ".join(done.red_proofs)
        raise dg.Failure(f"Red after the purge: {named}.", allow_retries=False)
