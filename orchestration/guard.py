"""Whether the plan may be purged: the last look before rows go.

Architecture invariant: a verdict is written for one digest and one run, by the job `nightly`
alone, and only here. The purge looks for it inside its own transaction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import dagster as dg
import duckdb

from orchestration.approvals import Approval, Found, find_approval
from orchestration.baseline import doubts
from orchestration.keys import Pads, digest
from orchestration.ledger import broken_link
from orchestration.moment import refusal_of_future
from orchestration.plan import KeptFact, Plan, PlanCount, PlanFacts, read_plan
from orchestration.project import Project
from orchestration.settings import format_moment, utc_now
from orchestration.translator import kigen_of

GUARD: Final = "guard"
"""The name of the asset check."""

_TOLD_VIOLATIONS: Final = 3
"""How many violations of a proof are put into words."""


@dataclass(frozen=True, slots=True)
class ProofCount:
    """How many violations a proof has, and whether one is enough to stop the purge."""

    name: str
    violations: int
    is_blocking: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the guard found."""

    plan: Plan
    proofs: tuple[ProofCount, ...]
    refusals: tuple[str, ...]
    """Why nothing may be purged, a sentence each; empty: it may."""
    concerns: tuple[str, ...] = ()
    """What needs an approval: limits exceeded, clocks that went back, and the like."""
    approval: Approval | None = None
    """The approval that answers the concerns, or would."""

    @property
    def passes(self) -> bool:
        """Whether the plan may be purged."""
        return not self.refusals


def judge(
    connection: duckdb.DuckDBPyConnection, project: Project, as_of: datetime, pads: Pads
) -> Verdict:
    """Judge the frozen plan of a run by its T (naive, UTC). Raises PlanError.

    Red proofs, a wrong T and a broken ledger stop every purge. What may be right although it
    looks wrong, such as many rows at once, stops it until the plan is approved by its digest.
    """
    plan = read_plan(connection, project)
    proofs = tuple(
        ProofCount(
            name=proof.name,
            violations=connection.execute(f"select count(*) from {proof.relation_name}").fetchall()[
                0
            ][0],
            is_blocking=_is_blocking(project.manifest, proof.unique_id),
        )
        for proof in project.declarations.proofs("before")
    )
    refusals = []
    for proof in proofs:
        if proof.is_blocking and proof.violations:
            told = told_by(connection, project, proof.name, proof.violations)
            counted = f"Proof {proof.name} is red; its violations: {proof.violations}."
            refusals.append(f"{counted} {told}".rstrip())
    if plan.as_of != as_of:
        refusals.append(
            f"The plan was made for T {format_moment(plan.as_of)} and this run is for "
            f"{format_moment(as_of)}: another run has built in between; start this one again."
        )
    if future := refusal_of_future(as_of):
        refusals.append(future)
    if broken := broken_link(connection, project):
        refusals.append(f"{broken} `kigen verify` says more.")
    concerns: tuple[str, ...] = ()
    found = Found(None)
    if plan.rows:
        concerns = (*_excesses(connection, project, plan), *doubts(connection, project, as_of))
        found = find_approval(connection, pads, plan.digest, utc_now())
    if concerns and found.approval is None:
        refusals += [
            *concerns,
            *([found.problem] if found.problem else []),
            f"If this is right, `kigen approve {plan.digest} --reason ...`, and run again.",
        ]
    return Verdict(plan, proofs, tuple(refusals), concerns, found.approval)


def write_verdict(
    connection: duckdb.DuckDBPyConnection, verdict: Verdict, run_id: str, pads: Pads
) -> None:
    """Write that this run may purge this plan, sealed with the key; earlier verdicts are void."""
    seal = digest(f"verdict\t{verdict.plan.digest}\t{run_id}", pads)
    connection.execute("begin")
    connection.execute("delete from purge.guard_verdicts")
    connection.execute(
        "insert into purge.guard_verdicts (plan_digest, run_id, decided_at, seal) "
        "values (?, ?, ?, ?)",
        [verdict.plan.digest, run_id, utc_now(), seal],
    )
    connection.execute("commit")


def _excesses(
    connection: duckdb.DuckDBPyConnection, project: Project, plan: Plan
) -> tuple[str, ...]:
    """Return the tables of which the plan takes more than their limit, a sentence each."""
    planned: dict[str, int] = {}
    for count in plan.counts:
        planned[count.table_name] = planned.get(count.table_name, 0) + count.rows
    said = []
    for name, rows in sorted(planned.items()):
        relation = project.declarations.governed[name].relation_name
        held = int(connection.execute(f"select count(*) from {relation}").fetchall()[0][0])
        if excess := project.declarations.limits.of(name).excess(rows, held):
            said.append(f"The plan takes {excess}, of {name} (policy_purge_limits.csv).")
    return tuple(said)


def metadata_of(verdict: Verdict, facts: PlanFacts) -> dict[str, Any]:
    """Return what Dagster shows of a verdict: counts, shares, dates and names."""
    approval = verdict.approval
    metadata: dict[str, Any] = {
        "plan_digest": verdict.plan.digest,
        "last_plan_digest": facts.last_digest or "",
        "planned_rows": verdict.plan.rows,
        "needs_approval_for": "\n".join(verdict.concerns),
        "approved_by": approval.approver if approval else "",
        "approval_expires_at": format_moment(approval.expires_at) if approval else "",
        "red_proofs": ", ".join(
            f"{proof.name}: {proof.violations}"
            for proof in verdict.proofs
            if proof.is_blocking and proof.violations
        ),
        "warnings": ", ".join(
            f"{proof.name}: {proof.violations}"
            for proof in verdict.proofs
            if not proof.is_blocking and proof.violations
        ),
    }
    metadata = {name: value for name, value in metadata.items() if value != ""}
    if facts.takes:
        metadata["plan"] = dg.MetadataValue.table(
            [
                dg.TableRecord(
                    {
                        "table": fact.table_name,
                        "class": fact.deletion_class,
                        "action": fact.action,
                        "rows": fact.rows,
                        "percent_of_table": round(fact.share, 1),
                        "oldest_deadline": _day(fact.oldest_deadline_at),
                        "since_last_plan": fact.rows - fact.rows_of_last_plan,
                    }
                )
                for fact in facts.takes
            ]
        )
    if facts.keeps:
        metadata["kept"] = dg.MetadataValue.table(
            [
                dg.TableRecord(
                    {
                        "table": fact.table_name,
                        "class": fact.deletion_class,
                        "state": fact.state,
                        "rows": fact.rows,
                        "until": _until(fact),
                    }
                )
                for fact in facts.keeps
            ]
        )
    return metadata


def _day(moment: datetime | None) -> str:
    return moment.date().isoformat() if moment else ""


def _until(fact: KeptFact) -> str:
    if fact.state == "held":
        return "until the hold is released"
    if fact.first_until is None:
        return "until the floor can be told"
    first, last = _day(fact.first_until), _day(fact.last_until)
    return first if first == last else f"{first} to {last}"


def counts_in(metadata: Mapping[str, Any]) -> tuple[PlanCount, ...]:
    """Return the counts of the plan out of what Dagster shows of a verdict."""
    if "plan" not in metadata:
        return ()
    return tuple(
        PlanCount(
            str(row.data["table"]),
            str(row.data["class"]),
            str(row.data["action"]),
            int(row.data["rows"]),
        )
        for row in metadata["plan"].records
        if row.data["rows"]
    )


def told_by(
    connection: duckdb.DuckDBPyConnection, project: Project, proof: str, violations: int
) -> str:
    """Return what a proof says of its first violations, where it has words for them."""
    relation = project.relation(proof)
    columns = connection.execute(f"select * from {relation} limit 0").description or ()
    if "message" not in [column[0] for column in columns]:
        return ""
    rows = connection.execute(
        f"select message from {relation} order by message limit {_TOLD_VIOLATIONS}"
    ).fetchall()
    more = " …" if violations > len(rows) else ""
    return "; ".join(message for (message,) in rows) + more


def _is_blocking(manifest: Mapping[str, Any], unique_id: str) -> bool:
    return bool(kigen_of(manifest["nodes"][unique_id]).get("severity", "error") != "warn")
