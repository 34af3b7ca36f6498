"""What a run leaves to be said: who may be written to, who not and why, what is due, what went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from orchestration.plan import PurgeCount, purge_counts
from orchestration.project import Project
from orchestration.runs import CheckOutcome
from orchestration.translator import gate_of, kigen_of


@dataclass(frozen=True, slots=True)
class ProofOutcome:
    """A proof as it was asked last: its gate, and its violations."""

    name: str
    gate: str
    violations: int
    is_warning: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts and names, nothing personal."""

    audiences: Mapping[str, int]
    exclusions: Sequence[tuple[str, str, int]]
    """Audience, reason, how many."""
    states: Mapping[str, int]
    purged: Sequence[PurgeCount]
    requests: Mapping[str, int]
    """Requests of people by standing; `overdue` counts those of any."""


def summarise(
    connection: duckdb.DuckDBPyConnection,
    project: Project,
    before: int,
    digest: str | None,
    as_of: datetime,
) -> Summary:
    """Read the summary of a run by its T.

    `before` is the number of the last purge before the run, `digest` the plan it purged, if any.
    """
    models = {
        str(node["name"]): node
        for node in project.manifest["nodes"].values()
        if node["resource_type"] == "model"
    }
    audiences = {
        name: int(_rows(connection, f"select count(*) from {node['relation_name']}")[0][0])
        for name, node in sorted(models.items())
        # Everybody there is, counted anew by whoever reads it: nobody needs that each night.
        if kigen_of(node).get("message_class") not in (None, "legal_notice")
    }
    exclusions = []
    if "audience_exclusions" in models:
        exclusions = _rows(
            connection,
            f"select audience, reason, count(*) from {project.relation('audience_exclusions')} "
            "group by all order by audience, count(*) desc, reason",
        )
    states = _rows(
        connection,
        f"select state, count(*) from {project.relation('records')} "
        "group by all order by count(*) desc, state",
    )
    requests = _rows(
        connection,
        f"select standing, count(*) from {project.relation('request_standings')} group by all "
        f"union all select 'overdue', count(*) from {project.relation('request_standings')} "
        "where is_overdue",
    )
    return Summary(
        audiences=audiences,
        exclusions=exclusions,
        states=dict(states),
        purged=purge_counts(connection, before, digest, as_of) if digest else (),
        requests=dict(requests),
    )


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[Any]:
    return connection.execute(query).fetchall()


def proofs_of(project: Project, checks: Sequence[CheckOutcome]) -> list[ProofOutcome]:
    """Return how each proof came out the last time its test ran, by gate and name."""
    proofs = {proof.name: proof for proof in project.declarations.proofs()}
    outcomes: dict[str, ProofOutcome] = {}
    for check in checks:
        proof = proofs.get(check.asset)
        if proof is None:
            continue
        node = project.manifest["nodes"][proof.unique_id]
        outcomes[proof.name] = ProofOutcome(
            name=proof.name,
            gate=gate_of(node) or "",
            violations=0 if check.is_passed else check.failed_rows or 1,
            is_warning=kigen_of(node).get("severity") == "warn",
        )
    return sorted(outcomes.values(), key=lambda outcome: (outcome.gate != "before", outcome.name))
