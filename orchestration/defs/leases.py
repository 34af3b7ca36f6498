"""What becomes of what was handed over: looked after every night, and taken away in time."""

from typing import Final

import dagster as dg

from orchestration.breach import expire_lists
from orchestration.keys import read_pads
from orchestration.leases import RECORD_PERIOD, audiences_of, expire, keep, look_after
from orchestration.moment import Moment
from orchestration.project import current
from orchestration.refusals import refusals_as_failures
from orchestration.seals import tidy
from orchestration.translator import EXPIRED_LEASES, LEASES, RAW_TABLES, KigenTranslator
from orchestration.warehouse import DELIVERY_SOURCE

PROJECT = current()


@dg.asset(
    key=EXPIRED_LEASES,
    deps=[RAW_TABLES],
    group_name=DELIVERY_SOURCE,
    kinds={"csv"},
    pool="warehouse",
    description=(
        "That no file of a lease outlives its time: those whose time is up are taken away, and looked "
        "for. What a hand-over left that was killed goes, too."
    ),
)
def expired_leases(context: dg.AssetExecutionContext, moment: Moment) -> dg.MaterializeResult[None]:
    """Take away what has expired by T; before anything that could fail."""
    as_of = moment.of(context.run, context.instance)
    period = PROJECT.declarations.settings.get("lease_record_period", RECORD_PERIOD)
    with refusals_as_failures():
        halves = tidy(PROJECT.settings.leases)
        pads = read_pads(PROJECT.settings.key)
        gone = expire(PROJECT.settings, as_of, pads, period)
        lists = expire_lists(PROJECT.settings, as_of, pads, period)
    return dg.MaterializeResult(
        metadata={
            "removed": len(gone),
            "campaigns": ", ".join(each.terms.campaign_id for each in gone) or "none",
            "unfinished": halves,
            "breach_lists_removed": len(lists),
        }
    )


_LEASES_SOURCE: Final = PROJECT.manifest["sources"][f"source.kigen.{DELIVERY_SOURCE}.leases"]


@dg.asset(
    key=LEASES,
    deps=[
        EXPIRED_LEASES,
        *(KigenTranslator().get_asset_key(node) for node in audiences_of(PROJECT).values()),
    ],
    group_name=DELIVERY_SOURCE,
    kinds={"duckdb", "table"},
    pool="warehouse",
    description=_LEASES_SOURCE["description"],
    owners=KigenTranslator().get_owners(_LEASES_SOURCE),
    metadata=KigenTranslator().get_metadata(_LEASES_SOURCE),
)
def leases() -> dg.MaterializeResult[None]:
    """Hold every lease against its audience as it stands now, and against its own record."""
    with refusals_as_failures():
        pads = read_pads(PROJECT.settings.key)
        standings = look_after(PROJECT, pads)
        keep(PROJECT, standings, pads)
    return dg.MaterializeResult(
        metadata={
            "leases": len(standings),
            "stale": sum(bool(each.revoked) for each in standings),
            "with_problems": sum(bool(each.problems) for each in standings),
        }
    )
