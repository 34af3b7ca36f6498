"""The column lineage: traced in every run, and by `kigen lineage`."""

from collections.abc import Iterator
from typing import Final

import dagster as dg

from orchestration.column_lineage import COMPILE_STEP, trace
from orchestration.dbt_process import Dbt, fail_if_any, invoke
from orchestration.defs.jobs import PURGE_PLAN, governed_keys, tags_keys
from orchestration.moment import Moment
from orchestration.project import current
from orchestration.refusals import refusals_as_failures
from orchestration.translator import (
    COLUMN_LINEAGE,
    INHERITED_COLUMNS,
    LINEAGE_PAGE,
    KigenTranslator,
)
from orchestration.warehouse import TAGS_SOURCE

PROJECT = current()

LINEAGE: Final = "lineage"


def _spec(table: str) -> dg.AssetSpec:
    source = PROJECT.manifest["sources"][f"source.kigen.{TAGS_SOURCE}.{table}"]
    translator = KigenTranslator()
    return dg.AssetSpec(
        translator.get_asset_key(source),
        # The guard stands behind the plan, and waits for the proofs that read this.
        deps=[key for key in governed_keys() if key != PURGE_PLAN],
        group_name=TAGS_SOURCE,
        kinds={"duckdb", "table"},
        description=source["description"],
        owners=translator.get_owners(source),
        metadata=translator.get_metadata(source),
    )


@dg.multi_asset(
    name=COMPILE_STEP,
    specs=[_spec("column_lineage"), _spec("inherited_columns")],
    check_specs=[
        dg.AssetCheckSpec(
            "personal_columns_are_declared",
            asset=INHERITED_COLUMNS,
            description="Every column of a model that inherits personal data says so; else, the way.",
        )
    ],
    pool="warehouse",
)
def lineage_of_columns(
    context: dg.AssetExecutionContext, dbt: Dbt, moment: Moment
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Trace every column of every model; compile first what dbt has not compiled as it stands."""
    as_of = moment.of(context.run, context.instance)

    def compile_all() -> None:
        arguments = ["compile", "--select", "resource_type:model resource_type:snapshot"]
        fail_if_any(invoke(PROJECT, dbt, context, arguments, as_of, selects=False))

    with refusals_as_failures():
        found = trace(PROJECT, compile_all)
    yield dg.MaterializeResult(
        asset_key=COLUMN_LINEAGE,
        metadata={"models": found.models, "columns": found.columns, "edges": found.edges},
    )
    yield dg.MaterializeResult(
        asset_key=INHERITED_COLUMNS, metadata={"personal_columns": found.personal}
    )
    yield dg.AssetCheckResult(
        asset_key=INHERITED_COLUMNS,
        check_name="personal_columns_are_declared",
        passed=not found.messages,
        description="\n".join(found.messages) or "All are declared.",
    )


lineage = dg.define_asset_job(
    LINEAGE,
    selection=dg.AssetSelection.assets(
        COLUMN_LINEAGE, INHERITED_COLUMNS, LINEAGE_PAGE, *tags_keys()
    ),
    description="Read which column comes from which, and what inherits personal data.",
)
