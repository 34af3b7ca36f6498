"""The approval of a plan above the limits, or of who is to be told of a leak: the same as `kigen approve`."""

import getpass
from typing import Any

import dagster as dg
from pydantic import Field

from orchestration.approvals import approve as approve_plan
from orchestration.breach import approve_list
from orchestration.defs.jobs import PURGE_PLAN
from orchestration.keys import read_pads
from orchestration.moment import Moment
from orchestration.project import current
from orchestration.refusals import refusals_as_failures
from orchestration.settings import format_moment, utc_now
from orchestration.translator import BREACH
from orchestration.warehouse import connect

PROJECT = current()


class ApprovalConfig(dg.Config):
    """Which plan, why, and who says so."""

    digest: str = Field(
        description="The digest of the plan that stands, or of a list of `breach`; or its first 12 digits."
    )
    reason: str = Field(description="Why it is right, in words; no personal data.")
    approver: str = Field(default="", description="Who approves; empty: the user of the process.")


@dg.op(
    name="write_approval",
    pool="warehouse",
    description=(
        "Write that the plan of this digest may be purged although it exceeds a limit, or that the "
        "persons on the list of this digest may be told of a leak."
    ),
)
def write(context: dg.OpExecutionContext, config: ApprovalConfig, moment: Moment) -> None:
    """Approve the plan that stands, or a list that was frozen; refuse any other."""
    approver, now = config.approver or getpass.getuser(), utc_now()
    metadata: dict[str, Any] = {}
    with refusals_as_failures(), connect(PROJECT.settings, read_only=False) as connection:
        pads = read_pads(PROJECT.settings.key)
        listed = approve_list(
            connection, PROJECT, pads,
            digest=config.digest, approver=approver, reason=config.reason, now=now,
        )  # fmt: skip
        if listed is None:
            key, name = PURGE_PLAN, "plan_digest"
            approval = approve_plan(
                connection, PROJECT, pads,
                plan_digest=config.digest, approver=approver, reason=config.reason, now=now,
            )  # fmt: skip
        else:
            key, name = BREACH, "list_digest"
            breach, approval = listed
            metadata = {"breach_id": breach.breach_id, "contacts": breach.contact_count}
    context.log_event(
        dg.AssetObservation(
            key,
            description="Approved.",
            metadata={
                name: approval.digest,
                "approved_by": approval.approver,
                "reason": approval.reason,
                "approval_expires_at": format_moment(approval.expires_at),
                **metadata,
            },
        )
    )


@dg.job(
    description="Approve the plan that stands, or a frozen list, by its digest. Deletes nothing."
)
def approve() -> None:
    """Approve a plan or a list."""
    write()
