"""What would go at another T or under another policy, as a job: the same as `kigen simulate`."""

import dataclasses
from pathlib import Path
from typing import Final

import dagster as dg
from pydantic import Field

from orchestration.moment import Moment
from orchestration.project import current
from orchestration.refusals import refusals_as_failures
from orchestration.settings import format_moment, parse_moment
from orchestration.simulation import by_period, markdown, write_forecast
from orchestration.simulation import simulate as simulate_rows

PROJECT = current()

FORECAST: Final = dg.AssetKey(["purge", "forecast"])
SIMULATE: Final = "simulate"


class SimulationConfig(dg.Config):
    """Which T, and which policy."""

    as_of: str = Field(
        default="", description="T in ISO 8601, past or future; empty: the T of the run."
    )
    policy_file: str = Field(
        default="",
        description="A file like policy_deletion_classes.csv; empty: the policy that was built.",
    )


@dg.asset(
    key=FORECAST,
    deps=[dg.AssetKey(["retention", "record_states"]), dg.AssetKey(["purge", "purge_plan"])],
    group_name="purge",
    kinds={"csv"},
    pool="warehouse",
    description=(
        "What would be due at another T or under another policy, beside the plan, and what would "
        "go in the 24 months from it on if nobody acted: CSV under KIGEN_HOME/forecasts. "
        "The warehouse is only read."
    ),
)
def forecast(
    context: dg.AssetExecutionContext, config: SimulationConfig, moment: Moment
) -> dg.MaterializeResult[None]:
    """Simulate, and write the forecast."""
    with refusals_as_failures():
        as_of = (
            parse_moment(config.as_of, "as_of in the run's config")
            if config.as_of
            else moment.of(context.run, context.instance)
        )
        result = simulate_rows(
            PROJECT, as_of, Path(config.policy_file).expanduser() if config.policy_file else None
        )
        path = write_forecast(PROJECT.settings, result)
    firsts, sums = by_period(result, 1)
    return dg.MaterializeResult(
        metadata={
            "as_of": format_moment(result.as_of),
            "built_as_of": format_moment(result.built_as_of),
            "policy_digest": result.policy_digest,
            "csv": dg.MetadataValue.path(str(path)),
            "forecast": dg.MetadataValue.md(
                markdown(
                    ("table", "class", "action", *firsts, "later"),
                    [(*key, *counts) for key, counts in sums.items()],
                )
            ),
            "what_if": dg.MetadataValue.md(
                markdown(
                    ("table", "class", "action", "due", "in the plan", "difference"),
                    [(*dataclasses.astuple(r), f"{r.rows - r.planned:+}") for r in result.what_if],
                )
            ),
            "apart": dg.MetadataValue.md(
                markdown(
                    ("table", "class", "why", "rows"),
                    [dataclasses.astuple(row) for row in result.apart],
                )
            ),
            "notes": dg.MetadataValue.md("\n".join(f"- {note}" for note in result.notes)),
            "simulation": dg.MetadataValue.json(result.as_json()),
        }
    )


simulate = dg.define_asset_job(
    SIMULATE,
    selection=dg.AssetSelection.assets(FORECAST),
    description="Say what another T or policy would take, and forecast 24 months. Changes nothing.",
)
