"""Audiences handed over for a campaign, as leases: an asset each."""

import getpass
from collections.abc import Iterator
from typing import Any, Final

import dagster as dg
from pydantic import Field

from orchestration.breach import expect_approved, listed
from orchestration.dbt_process import WITHOUT_UNIT_TESTS, Dbt, fail_if_any, invoke
from orchestration.keys import read_pads
from orchestration.leases import (
    PERIOD,
    Lease,
    audiences_of,
    expect_message_class,
    expect_notice,
    expect_unknown,
    issue,
    keep,
    lease_of,
    look_after,
    path_of,
    revoke_path,
    start_grace,
    terms_of,
)
from orchestration.moment import Moment, refusal_of_future
from orchestration.project import current
from orchestration.readiness import expect_warehouse, make_ready
from orchestration.refusals import refusals_as_failures
from orchestration.seals import tidy
from orchestration.settings import format_moment, utc_now
from orchestration.translator import (
    KigenTranslator,
    gate_of,
    kigen_of,
)
from orchestration.warehouse import DELIVERY_SOURCE

PROJECT = current()

DELIVER: Final = "deliver"


class DeliveryConfig(dg.Config):
    """For what an audience is handed over."""

    campaign_id: str = Field(
        default="",
        description="The campaign; it has one set of recipients for ever. Empty: hand nothing over.",
    )
    purpose: str = Field(default="", description="A fideslang data use; empty: the audience's own.")
    file_format: str = Field(default="csv", description="csv or parquet.")
    period: str = Field(default=PERIOD, description="How long the file may lie there, ISO 8601.")
    issued_by: str = Field(
        default="", description="Who hands it over; empty: the user of this process."
    )
    breach_id: str = Field(
        default="", description="Of a legal notice: the breach whose approved list it is for."
    )


def delivery_key(audience: str) -> dg.AssetKey:
    """Return the asset that hands an audience over."""
    return dg.AssetKey([DELIVERY_SOURCE, audience])


def _hand_over(audience: str) -> dg.AssetsDefinition:
    node = audiences_of(PROJECT)[audience]
    proofs = [
        PROJECT.manifest["nodes"][child]["name"]
        for child in PROJECT.manifest["child_map"][node["unique_id"]]
        if gate_of(PROJECT.manifest["nodes"].get(child, {})) == "before"
    ]

    @dg.asset(
        key=delivery_key(audience),
        deps=[KigenTranslator().get_asset_key(node)],
        group_name=DELIVERY_SOURCE,
        kinds={"duckdb", "csv"},
        pool="warehouse",
        output_required=False,
        owners=KigenTranslator().get_owners(node),
        description=(
            f"{audience}, handed over for a campaign: judged anew at that moment, written once under "
            "KIGEN_HOME/leases, and taken away when its time is up."
            + (
                " It is the last notice: its hand-over writes the log of what was sent, where a source "
                "says so, and the grace begins."
                if kigen_of(node).get("notice")
                else ""
            )
        ),
    )
    def hand_over(
        context: dg.AssetExecutionContext, config: DeliveryConfig, dbt: Dbt, moment: Moment
    ) -> Iterator[dg.MaterializeResult[None]]:
        """Build the audience and all it is made from by this T; hand it over, or say why not."""
        if not config.campaign_id:
            context.log.info("No campaign is named: nothing was handed over.")
            return
        as_of = moment.of(context.run, context.instance)
        settings = PROJECT.settings
        if refusal := refusal_of_future(as_of, "handed over"):
            raise dg.Failure(refusal, allow_retries=False)
        with refusals_as_failures():
            terms = terms_of(
                PROJECT,
                config.campaign_id,
                audience,
                config.purpose,
                config.file_format,
                config.period,
                config.breach_id,
            )
            expect_warehouse(settings)
            make_ready(PROJECT)
            pads = read_pads(settings.key)
            tidy(settings.leases)
            lease = lease_of(PROJECT, terms, as_of, pads)
            if lease is None:
                expect_unknown(PROJECT, terms.campaign_id)
                expect_approved(PROJECT, terms, pads, utc_now())
            expect_message_class(PROJECT, terms)
            expect_notice(PROJECT, terms, as_of, pads)
            select = " ".join([f"+{audience}", *proofs])
            done = invoke(
                PROJECT,
                dbt,
                context,
                ["build", *WITHOUT_UNIT_TESTS, "--select", select],
                as_of,
                selects=False,
            )
        fail_if_any(done)
        if done.red_proofs:
            raise dg.Failure(
                f"Not handed over: {', '.join(done.red_proofs)} is red. See what it names, mend it, "
                "and ask again.",
                allow_retries=False,
            )
        with refusals_as_failures():
            is_new = lease is None
            lease = lease or issue(
                PROJECT, terms, as_of, utc_now(), config.issued_by or getpass.getuser(), pads,
                listed(PROJECT, terms, pads, utc_now()),
            )  # fmt: skip
            lease, noticed = start_grace(PROJECT, lease, as_of, pads)
            standings = look_after(PROJECT, pads)
            keep(PROJECT, standings, pads)
        (own,) = [each for each in standings if each.lease.terms.campaign_id == terms.campaign_id]
        yield dg.MaterializeResult(
            metadata={**_told(lease), "is_new": is_new, "revoked": own.revoked, "noticed": noticed,
                      "problems": "; ".join(own.problems) or "none"}
        )  # fmt: skip

    return hand_over


def _told(lease: Lease) -> dict[str, Any]:
    settings = PROJECT.settings
    return {
        "campaign_id": lease.terms.campaign_id,
        "purpose": lease.terms.purpose,
        "message_class": lease.terms.message_class,
        "file": dg.MetadataValue.path(str(path_of(settings, lease))),
        "revoke_list": dg.MetadataValue.path(str(revoke_path(settings, lease))),
        "file_digest": lease.file_digest,
        "recipients": lease.recipients,
        "as_of": format_moment(lease.as_of),
        "expires_at": format_moment(lease.expires_at),
        "issued_by": lease.issued_by,
    }


@dg.definitions
def deliveries() -> dg.Definitions:
    """Return an asset per audience of the project, and the job that hands one over."""
    assets = [_hand_over(audience) for audience in audiences_of(PROJECT)]
    keys = [delivery_key(audience) for audience in audiences_of(PROJECT)]
    job = dg.define_asset_job(
        DELIVER,
        selection=dg.AssetSelection.assets(*keys),
        description="Hand an audience over for a campaign, as a lease.",
    )
    return dg.Definitions(assets=assets, jobs=[job])
