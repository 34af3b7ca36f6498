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

from orchestration.moment import refusal_of_future
from orchestration.plan import Plan, PlanCount, read_plan
from orchestration.project import Project
from orchestration.settings import format_moment, utc_now
from orchestration.translator import kigen_of

GUARD: Final = "guard"
"""The name of the asset check."""


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

    @property
    def passes(self) -> bool:
        """Whether the plan may be purged."""
        return not self.refusals


def judge(connection: duckdb.DuckDBPyConnection, project: Project, as_of: datetime) -> Verdict:
    """Judge the frozen plan of a run by its T (naive, UTC). Raises PlanError."""
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
    refusals = [
        f"Proof {proof.name} is red; its violations: {proof.violations}."
        for proof in proofs
        if proof.is_blocking and proof.violations
    ]
    if plan.as_of != as_of:
        refusals.append(
            f"The plan was made for T {format_moment(plan.as_of)} and this run is for "
            f"{format_moment(as_of)}: another run has built in between; start this one again."
        )
    if future := refusal_of_future(as_of):
        refusals.append(future)
    return Verdict(plan, proofs, tuple(refusals))


def write_verdict(connection: duckdb.DuckDBPyConnection, verdict: Verdict, run_id: str) -> None:
    """Write that this run may purge this plan; earlier verdicts are void."""
    connection.execute("begin")
    connection.execute("delete from purge.guard_verdicts")
    connection.execute(
        "insert into purge.guard_verdicts (plan_digest, run_id, decided_at) values (?, ?, ?)",
        [verdict.plan.digest, run_id, utc_now()],
    )
    connection.execute("commit")


def metadata_of(verdict: Verdict) -> dict[str, Any]:
    """Return what Dagster shows of a verdict: counts and names."""
    metadata: dict[str, Any] = {
        "plan_digest": verdict.plan.digest,
        "planned_rows": verdict.plan.rows,
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
    if verdict.plan.counts:
        metadata["plan"] = dg.MetadataValue.table(
            [
                dg.TableRecord(
                    {
                        "table": count.table_name,
                        "class": count.deletion_class,
                        "action": count.action,
                        "rows": count.rows,
                    }
                )
                for count in verdict.plan.counts
            ]
        )
    return metadata


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
    )


def _is_blocking(manifest: Mapping[str, Any], unique_id: str) -> bool:
    return bool(kigen_of(manifest["nodes"][unique_id]).get("severity", "error") != "warn")
