"""Approvals: who let a plan above the limits through, or who may be told of a leak; why, until when.

An approval is for one plan, by its digest: it covers those records under that policy, and nothing
else. It is the same for a list of persons that was frozen after a leak (orchestration/breach.py). It
carries a seal, a keyed digest over all it says, so that a row that somebody wrote into the table by
hand, or changed, is no approval.

Architecture invariant: rows of the table are only ever added, and only here.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import duckdb

from orchestration.declarations import Declarations, parse_period
from orchestration.keys import Pads
from orchestration.keys import digest as keyed_digest
from orchestration.plan import EMPTY_DIGEST, read_plan
from orchestration.project import Project
from orchestration.settings import format_moment
from orchestration.warehouse import has_table

TABLE: Final = "purge.approvals"

_ADDRESS: Final = re.compile(r"[^\s@]+@[^\s@]+")
_DIGITS: Final = re.compile(r"(?:\d[\s()+.-]?){9,}")
_DEFAULT_PERIOD: Final = "P7D"


class ApprovalError(RuntimeError):
    """The approval cannot be given as it was asked for."""


@dataclass(frozen=True, slots=True)
class Approval:
    """One approval; times are naive UTC."""

    digest: str
    approver: str
    reason: str
    approved_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """What stands in the table for a plan: an approval that holds, or why none does."""

    approval: Approval | None
    problem: str | None = None
    """Null where nobody tried: there is no row at all."""


def approve(
    connection: duckdb.DuckDBPyConnection,
    project: Project,
    pads: Pads,
    *,
    plan_digest: str,
    approver: str,
    reason: str,
    now: datetime,
) -> Approval:
    """Approve the plan that stands, by its digest. Raises ApprovalError naming what is wrong.

    The digest may be shortened to its first twelve digits or more. `now` is naive UTC; the
    approval holds for the setting `approval_period` (ISO 8601, P7D where it is not set).
    """
    check_words(reason=reason, approver=approver)
    if not has_table(connection, *TABLE.split(".")):
        raise ApprovalError("There is no plan yet; run `kigen plan`, and look at what it takes.")
    plan = read_plan(connection, project)
    if plan.digest == EMPTY_DIGEST:
        raise ApprovalError("The plan that stands is empty: there is nothing to approve.")
    if len(plan_digest) < 12 or not plan.digest.startswith(plan_digest):
        raise ApprovalError(
            f"{plan_digest} is not the plan that stands; that is {plan.digest}, with {plan.rows} "
            "rows. Look at it with `kigen plan`, and approve it by its own digest."
        )
    return write_approval(
        connection, project, pads, digest=plan.digest, approver=approver, reason=reason, now=now
    )


def write_approval(
    connection: duckdb.DuckDBPyConnection,
    project: Project,
    pads: Pads,
    *,
    digest: str,
    approver: str,
    reason: str,
    now: datetime,
) -> Approval:
    """Write the approval of a digest, whatever it is of: of a plan, or of who is to be told of a leak.

    Whoever calls this must have seen that there is such a thing. Raises ApprovalError.
    """
    check_words(reason=reason, approver=approver)
    if not has_table(connection, *TABLE.split(".")):
        raise ApprovalError(f"There is no table {TABLE} yet; run `kigen plan` first.")
    approval = Approval(
        digest,
        approver.strip(),
        reason.strip(),
        now,
        _expiry(project.declarations, now),
    )
    connection.execute(
        f"insert into {TABLE} (digest, approver, reason, approved_at, expires_at, seal) "
        "values (?, ?, ?, ?, ?, ?)",
        [
            approval.digest,
            approval.approver,
            approval.reason,
            approval.approved_at,
            approval.expires_at,
            _seal(approval, pads),
        ],
    )
    return approval


def check_words(**words: str) -> None:
    """Refuse words that are empty, or hold what looks personal: they are kept for good.

    Raises ApprovalError naming the word, and not its value.
    """
    for name, value in words.items():
        if not value.strip():
            raise ApprovalError(f"The {name} is empty; say it in words: it goes into the table.")
        if _ADDRESS.search(value) or _DIGITS.search(value):
            raise ApprovalError(
                f"The {name} holds what looks like an address or a number of a person, and what is "
                "written here is kept for good; name a role, a ticket or a key instead."
            )


def find_approval(
    connection: duckdb.DuckDBPyConnection, pads: Pads, plan_digest: str, now: datetime
) -> Found:
    """Return the approval of a plan that holds now, the latest, or why there is none."""
    if not has_table(connection, *TABLE.split(".")):
        return Found(None)
    rows = connection.execute(
        f"select digest, approver, reason, approved_at, expires_at, seal from {TABLE} "
        "where digest = ? order by expires_at desc, approved_at desc",
        [plan_digest],
    ).fetchall()
    forged = 0
    for row in rows:
        approval = Approval(*row[:5])
        if row[5] != _seal(approval, pads):
            forged += 1
        elif approval.approved_at <= now < approval.expires_at:
            return Found(approval)
    genuine = len(rows) - forged
    if genuine:
        ended = max(row[4] for row in rows if row[5] == _seal(Approval(*row[:5]), pads))
        return Found(None, f"Its approval has expired, at {format_moment(ended)}.")
    if forged:
        return Found(
            None,
            f"There are {forged} rows for it in {TABLE}, and none was sealed with the key at hand: "
            "they were written or changed by hand, or before the key was rotated.",
        )
    return Found(None)


def _expiry(declarations: Declarations, now: datetime) -> datetime:
    period = declarations.settings.get("approval_period", _DEFAULT_PERIOD)
    return parse_period(period).added_to(now)


def _seal(approval: Approval, pads: Pads) -> str:
    return keyed_digest(
        "\t".join(
            (
                "approval",
                approval.digest,
                approval.approver,
                approval.reason,
                format_moment(approval.approved_at),
                format_moment(approval.expires_at),
            )
        ),
        pads,
    )
