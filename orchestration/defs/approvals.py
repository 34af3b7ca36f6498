"""The approval of a plan above the limits, as a job: the same as `kigen approve`."""

import getpass

import dagster as dg
from pydantic import Field

from orchestration.approvals import approve as write_approval
from orchestration.defs.jobs import PURGE_PLAN
from orchestration.keys import read_pads
from orchestration.moment import Moment
from orchestration.project import current
from orchestration.refusals import refusals_as_failures
from orchestration.settings import format_moment, utc_now
from orchestration.warehouse import connect

PROJECT = current()


class ApprovalConfig(dg.Config):
    """Which plan, why, and who says so."""

    digest: str = Field(description="The digest of the plan that stands, or its first 12 digits.")
    reason: str = Field(description="Why it is right, in words; no personal data.")
    approver: str = Field(default="", description="Who approves; empty: the user of the process.")


@dg.op(
    name="write_approval",
    pool="warehouse",
    description="Write that the plan of this digest may be purged although it exceeds a limit.",
)
def approval(context: dg.OpExecutionContext, config: ApprovalConfig, moment: Moment) -> None:
    """Approve the plan that stands; refuse any other."""
    with refusals_as_failures(), connect(PROJECT.settings, read_only=False) as connection:
        given = write_approval(
            connection,
            PROJECT,
            read_pads(PROJECT.settings.key),
            plan_digest=config.digest,
            approver=config.approver or getpass.getuser(),
            reason=config.reason,
            now=utc_now(),
        )
    context.log_event(
        dg.AssetObservation(
            PURGE_PLAN,
            description="Approved.",
            metadata={
                "plan_digest": given.digest,
                "approved_by": given.approver,
                "reason": given.reason,
                "approval_expires_at": format_moment(given.expires_at),
            },
        )
    )


@dg.job(description="Approve the plan that stands, by its digest. Deletes nothing.")
def approve() -> None:
    """Approve a plan."""
    approval()
