"""The proofs of `gate: after`: what a purge must have healed. They run in the rebuild."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster_dbt import dbt_assets

from orchestration.dbt_process import Dbt, build
from orchestration.moment import Moment
from orchestration.project import current
from orchestration.translator import KigenTranslator

PROJECT = current()


@dbt_assets(
    name="proofs_after",
    manifest=PROJECT.manifest,
    project=PROJECT.dbt_project,
    select="config.meta.kigen.gate:after",
    dagster_dbt_translator=KigenTranslator(),
    pool="warehouse",
)
def proofs_after(context: dg.AssetExecutionContext, dbt: Dbt, moment: Moment) -> Iterator[Any]:
    """Build the proofs that look at the purge, and test them."""
    yield from build(PROJECT, dbt, context, moment.of(context.run, context.instance))
