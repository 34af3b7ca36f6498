"""Copies of who is gone, in files that people leave behind: looked for before and after a purge."""

from typing import Final

import dagster as dg

from orchestration.file_copies import GONE, TABLE, keep, sweep
from orchestration.keys import read_pads
from orchestration.moment import Moment
from orchestration.project import current
from orchestration.refusals import refusals_as_failures
from orchestration.translator import EXPIRED_LEASES, FILE_COPIES, LEASES, KigenTranslator
from orchestration.warehouse import DELIVERY_SOURCE

PROJECT = current()

_SOURCE: Final = PROJECT.manifest["sources"][f"source.kigen.{DELIVERY_SOURCE}.{TABLE}"]


@dg.asset(
    key=FILE_COPIES,
    deps=[dg.AssetKey(list(GONE)), EXPIRED_LEASES, LEASES],
    group_name=DELIVERY_SOURCE,
    kinds={"duckdb", "table"},
    pool="warehouse",
    description=_SOURCE["description"],
    owners=KigenTranslator().get_owners(_SOURCE),
    metadata=KigenTranslator().get_metadata(_SOURCE),
)
def file_copies(context: dg.AssetExecutionContext, moment: Moment) -> dg.MaterializeResult[None]:
    """Read the files of every declared location, and the leases, for contacts that are gone."""
    as_of = moment.of(context.run, context.instance)
    with refusals_as_failures():
        swept = sweep(PROJECT, read_pads(PROJECT.settings.key), as_of)
        keep(PROJECT, swept)
    return dg.MaterializeResult(
        metadata={
            "places_with_copies": sum(each.problem is None for each in swept.copies),
            "not_readable": sum(each.problem is not None for each in swept.copies),
            **{f"files in {location}": count for location, count in swept.files.items()},
        }
    )
