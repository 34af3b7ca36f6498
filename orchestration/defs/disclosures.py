"""What is held on one person, disclosed to that person; and taken away in time."""

import getpass
from collections.abc import Mapping
from typing import Any, Final

import dagster as dg
from pydantic import Field

from orchestration.dbt_process import WITHOUT_UNIT_TESTS, Dbt, fail_if_any, invoke
from orchestration.disclosures import (
    Disclosure,
    close,
    disclosure_of,
    expect_there,
    expire,
    folder_of,
    issue,
    request_named,
)
from orchestration.keys import read_pads
from orchestration.leases import audiences_of
from orchestration.moment import Moment
from orchestration.project import current
from orchestration.readiness import expect_warehouse, make_ready
from orchestration.refusals import refusals_as_failures
from orchestration.seals import tidy
from orchestration.settings import format_moment
from orchestration.translator import DISCLOSURE, EXPIRED_DISCLOSURES, RAW_TABLES, KigenTranslator
from orchestration.warehouse import DELIVERY_SOURCE

PROJECT = current()

DISCLOSE: Final = "disclose"

_READ: Final = (
    "request_standings",
    "subjects",
    "records",
    "record_states",
    "suppressions",
    *audiences_of(PROJECT),
)
"""The models a disclosure reads: built by its own T, with all they are made from."""


class DisclosureConfig(dg.Config):
    """Which request is answered."""

    request: str = Field(
        default="",
        description=(
            "The key of a request to disclose, as 12, or shop.erasure_requests:12 where several tables "
            "hold requests. Empty: disclose nothing."
        ),
    )
    made_by: str = Field(default="", description="Who answers; empty: the user of this process.")


def _read_models() -> list[Mapping[str, Any]]:
    return [
        node
        for node in PROJECT.manifest["nodes"].values()
        if node["resource_type"] == "model" and node["name"] in _READ
    ]


@dg.asset(
    key=DISCLOSURE,
    deps=[KigenTranslator().get_asset_key(node) for node in _read_models()],
    group_name=DELIVERY_SOURCE,
    kinds={"duckdb", "json", "html"},
    pool="warehouse",
    output_required=False,
    description=(
        "Everything that is held on one verified person, for that person: written once under "
        "KIGEN_HOME/disclosures, noted as done in the request's row, and taken away when its time is up."
    ),
)
def disclosure(
    context: dg.AssetExecutionContext, config: DisclosureConfig, dbt: Dbt, moment: Moment
) -> Any:
    """Build what it reads by this T; disclose, or say why not; close the request."""
    if not config.request:
        context.log.info("No request is named: nothing was disclosed.")
        return
    as_of = moment.of(context.run, context.instance)
    settings = PROJECT.settings
    with refusals_as_failures():
        expect_warehouse(settings)
        request = request_named(PROJECT, config.request)
        expect_there(PROJECT, request)
        make_ready(PROJECT)
        pads = read_pads(settings.key)
        tidy(settings.disclosures)
        made = disclosure_of(settings, request, as_of, pads)
    is_new = made is None
    if made is None:
        with refusals_as_failures():
            select = " ".join(f"+{name}" for name in _READ)
            done = invoke(
                PROJECT,
                dbt,
                context,
                ["build", *WITHOUT_UNIT_TESTS, "--select", select],
                as_of,
                selects=False,
            )
        fail_if_any(done)
    with refusals_as_failures():
        made = made or issue(PROJECT, request, as_of, config.made_by or getpass.getuser(), pads)
        # What a kill left open is closed now, by the T the files were made by.
        close(PROJECT, request, made.as_of)
    yield dg.MaterializeResult(
        metadata={
            **_told(made),
            "folder": dg.MetadataValue.path(str(folder_of(settings, request))),
            "is_new": is_new,
        }
    )


def _told(made: Disclosure) -> dict[str, Any]:
    return {
        "request": f"{made.table_name}:{made.request_key}",
        "records": sum(made.records.values()),
        "tables": len(made.records),
        "left_out": "; ".join(f"{count}: {why}" for why, count in made.left_out.items()) or "none",
        "as_of": format_moment(made.as_of),
        "expires_at": format_moment(made.expires_at),
        "made_by": made.made_by,
    }


@dg.asset(
    key=EXPIRED_DISCLOSURES,
    deps=[RAW_TABLES],
    group_name=DELIVERY_SOURCE,
    kinds={"json", "html"},
    pool="warehouse",
    description=(
        "That no file of a disclosure outlives its time: those whose time is up are taken away, and "
        "looked for. What a disclosure left that was killed goes, too."
    ),
)
def expired_disclosures(
    context: dg.AssetExecutionContext, moment: Moment
) -> dg.MaterializeResult[None]:
    """Take away what has expired by T; before anything that could fail."""
    as_of = moment.of(context.run, context.instance)
    with refusals_as_failures():
        halves = tidy(PROJECT.settings.disclosures)
        gone = expire(PROJECT.settings, as_of, read_pads(PROJECT.settings.key))
    return dg.MaterializeResult(metadata={"removed": len(gone), "unfinished": halves})


disclose = dg.define_asset_job(
    DISCLOSE,
    selection=dg.AssetSelection.assets(DISCLOSURE),
    description="Disclose what is held on one verified person, by that person's request.",
)
