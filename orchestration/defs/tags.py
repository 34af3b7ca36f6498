"""What is known of the columns, once they were scanned and traced: the tags, and proofs of them."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster_dbt import dbt_assets

from orchestration.dbt_process import Dbt, build
from orchestration.facts import facts_of
from orchestration.known_columns import keep
from orchestration.moment import Moment
from orchestration.project import current
from orchestration.refusals import refusals_as_failures
from orchestration.translator import KigenTranslator, group_of
from orchestration.warehouse import DELIVERY_SOURCE, TAGS_SOURCE

PROJECT = current()


@dbt_assets(
    name="tags",
    manifest=PROJECT.manifest,
    project=PROJECT.dbt_project,
    select="source:kigen.tags.*+,resource_type:model",
    exclude="config.meta.kigen.gate:after",
    dagster_dbt_translator=KigenTranslator(),
    pool="warehouse",
)
def tags(context: dg.AssetExecutionContext, dbt: Dbt, moment: Moment) -> Iterator[Any]:
    """Build what reads the findings and the lineage of this run, and show it on the sources.

    A model shows its columns when it is built; a source is not built here, and only looked at.
    """
    yield from build(PROJECT, dbt, context, moment.of(context.run, context.instance))
    sources = {
        unique_id: source
        for unique_id, source in PROJECT.manifest["sources"].items()
        if group_of(source) not in (TAGS_SOURCE, DELIVERY_SOURCE)
    }
    with refusals_as_failures():
        keep(PROJECT)
        facts = facts_of(PROJECT, sources)
    for unique_id, metadata in facts.items():
        key = KigenTranslator().get_asset_key(sources[unique_id])
        context.log_event(dg.AssetObservation(key, metadata=metadata))
