"""T, the moment a run judges by: one for the whole run, and seen in the launchpad."""

from datetime import UTC, datetime
from typing import Any, Final

import dagster as dg
from pydantic import Field

from orchestration.settings import Settings, format_moment, parse_moment, utc_now

RESOURCE: Final = "moment"


class Moment(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The run's T."""

    as_of: str = Field(
        default="",
        description=(
            "T in ISO 8601, UTC where it names no zone. Empty: KIGEN_AS_OF, or else the moment "
            "the run was created. A T later than now is refused by whatever deletes or hands over."
        ),
    )

    def of(self, run: dg.DagsterRun, instance: dg.DagsterInstance) -> datetime:
        """Return T of this run in UTC, without a zone. Raises SettingsError."""
        return _moment(self.as_of, run.run_id, instance)


def moment_of(run: dg.DagsterRun, instance: dg.DagsterInstance) -> datetime:
    """Return the T of a run from outside it, as its own steps saw it."""
    resources: Any = run.run_config.get("resources", {})
    configured = resources.get(RESOURCE, {}).get("config", {}).get("as_of", "")
    return _moment(configured, run.run_id, instance)


def run_config(as_of: datetime) -> dict[str, Any]:
    """Return the run config that gives a run this T (naive, UTC)."""
    return {"resources": {RESOURCE: {"config": {"as_of": format_moment(as_of)}}}}


def refusal_of_future(as_of: datetime, done: str = "deleted") -> str | None:
    """Return why nothing may be deleted, or what else is not to be `done`, by this T; or None."""
    if as_of <= utc_now():
        return None
    return (
        f"T is {format_moment(as_of)} UTC, later than now, and nothing is {done} by a date that "
        "has not come; name a past moment, or none (KIGEN_AS_OF; in the launchpad, as_of)."
    )


def _moment(configured: str, run_id: str, instance: dg.DagsterInstance) -> datetime:
    if configured:
        return parse_moment(configured, "as_of in the run's config")
    settings = Settings.from_env()
    if settings.is_as_of_named:
        return settings.as_of
    # When the run was created does not change from step to step, as `now` would.
    record = instance.get_run_record_by_id(run_id)
    if record is None:
        return settings.as_of
    return record.create_timestamp.astimezone(UTC).replace(tzinfo=None)
