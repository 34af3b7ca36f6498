"""What a regulator asks after a leak, as a job: the same as `kigen breach`."""

import getpass
from collections.abc import Iterator
from typing import Final

import dagster as dg
from pydantic import Field

from orchestration.breach import folder_of, freeze, place_of
from orchestration.dbt_process import WITHOUT_UNIT_TESTS, Dbt, fail_if_any, invoke
from orchestration.keys import read_pads
from orchestration.moment import Moment
from orchestration.project import current
from orchestration.readiness import expect_warehouse, make_ready
from orchestration.refusals import refusals_as_failures
from orchestration.settings import format_moment, utc_now
from orchestration.translator import BREACH
from orchestration.warehouse import DELIVERY_SOURCE, connect

PROJECT = current()

JOB: Final = "breach"


class BreachConfig(dg.Config):
    """What leaked."""

    place: str = Field(
        default="",
        description="A governed table, as shop.orders, or the campaign of a lease. Empty: ask nothing.",
    )
    asked_by: str = Field(default="", description="Who asks; empty: the user of this process.")


@dg.asset(
    key=BREACH,
    deps=[dg.AssetKey(["retention", "breach_view"])],
    group_name=DELIVERY_SOURCE,
    kinds={"duckdb", "html"},
    pool="warehouse",
    output_required=False,
    description=(
        "After a leak: how many persons, which categories, which recipients, judged anew at that moment; "
        "and the persons to be told, frozen under KIGEN_HOME/breaches as a list that somebody approves."
    ),
)
def breach(
    context: dg.AssetExecutionContext, config: BreachConfig, dbt: Dbt, moment: Moment
) -> Iterator[dg.MaterializeResult[None]]:
    """Judge by this T what the answer is made from, and freeze it."""
    if not config.place:
        context.log.info("No place is named: nothing was asked.")
        return
    as_of = moment.of(context.run, context.instance)
    settings = PROJECT.settings
    with refusals_as_failures():
        expect_warehouse(settings)
        make_ready(PROJECT)
        with connect(settings, read_only=True) as connection:
            # Refused before anything is built.
            place_of(connection, PROJECT, config.place)
        # The view looks up how sensitive categories are, and cannot refer to a seed that may be missing.
        seed = ["policy_data_categories"] if PROJECT.declarations.data_categories else []
        select = ["build", *WITHOUT_UNIT_TESTS, "--select", " ".join(["+breach_view", *seed])]
        done = invoke(PROJECT, dbt, context, select, as_of, selects=False)
    fail_if_any(done)
    with refusals_as_failures():
        found, is_new = freeze(
            PROJECT, config.place, as_of, utc_now(), config.asked_by or getpass.getuser(),
            read_pads(settings.key),
        )  # fmt: skip
    yield dg.MaterializeResult(
        metadata={
            "breach_id": found.breach_id,
            "place": found.place,
            "as_of": format_moment(found.as_of),
            "records": found.record_count,
            "persons": found.person_count,
            "recipients": len(found.recipients),
            "is_report_due": found.is_report_due,
            "contacts": -1 if found.contact_count is None else found.contact_count,
            "list_digest": found.list_digest,
            "folder": dg.MetadataValue.path(str(folder_of(settings, found))),
            "is_new": is_new,
        }
    )


ask = dg.define_asset_job(
    JOB,
    selection=dg.AssetSelection.assets(BREACH),
    description="After a leak of a table or lease: persons, categories, recipients, and whom to tell.",
)
