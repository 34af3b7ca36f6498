"""When runs start by themselves. T is the scheduled moment, so a late start judges no later."""

from datetime import UTC
from typing import Final

import dagster as dg

from orchestration.defs.jobs import NIGHTLY, PLAN
from orchestration.moment import run_config

BUSINESS_TIME_ZONE: Final = "Asia/Tokyo"


def _request(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    scheduled = context.scheduled_execution_time.astimezone(UTC).replace(tzinfo=None)
    return dg.RunRequest(run_config=run_config(scheduled))


@dg.schedule(
    job_name=PLAN,
    cron_schedule="0 1 * * *",
    execution_timezone=BUSINESS_TIME_ZONE,
    description="An hour before the purge: what it would take.",
)
def plan_daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Request a plan by the scheduled moment."""
    return _request(context)


@dg.schedule(
    job_name=NIGHTLY,
    cron_schedule="0 2 * * *",
    execution_timezone=BUSINESS_TIME_ZONE,
    description="The purge. Off until somebody turns it on.",
)
def nightly_daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Request a purge by the scheduled moment."""
    return _request(context)
