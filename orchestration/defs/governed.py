"""All that is derived from the raw tables before a purge: tags, words, states, audiences, plan."""

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
    name="governed",
    manifest=PROJECT.manifest,
    project=PROJECT.dbt_project,
    select="resource_type:model",
    exclude=(
        "config.materialized:purge config.meta.kigen.gate:after source:kigen.tags.*+ "
        "source:kigen.delivery.file_copies+"
    ),
    dagster_dbt_translator=KigenTranslator(),
    pool="warehouse",
)
def governed(context: dg.AssetExecutionContext, dbt: Dbt, moment: Moment) -> Iterator[Any]:
    """Build every stage up to the plan and the proofs before it."""
    yield from build(PROJECT, dbt, context, moment.of(context.run, context.instance))
