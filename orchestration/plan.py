"""The frozen plan, and what a purge made of it: read for the guard, the purge and the summary."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import duckdb

from orchestration.project import Project
from orchestration.warehouse import has_table

EMPTY_DIGEST: Final = hashlib.sha256(b"").hexdigest()
"""The digest of a plan without rows."""


class PlanError(RuntimeError):
    """The plan is not there, or not one plan."""


@dataclass(frozen=True, slots=True)
class PlanCount:
    """How many rows of a table a plan takes under one class, and how."""

    table_name: str
    deletion_class: str
    action: str
    rows: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A frozen plan: its digest, its T (naive, UTC) and its counts."""

    digest: str
    as_of: datetime
    counts: tuple[PlanCount, ...]

    @property
    def rows(self) -> int:
        """How many records it takes."""
        return sum(count.rows for count in self.counts)


@dataclass(frozen=True, slots=True)
class PurgeCount:
    """What a purge did to one table."""

    table_name: str
    rows_before: int
    planned: int
    deleted: int
    anonymised: int
    skipped: int
    """Planned, but gone or no longer expired when the purge came."""
    rows_after: int


@dataclass(frozen=True, slots=True)
class PlanFact:
    """What a plan takes of a table under one class, and how that has changed."""

    table_name: str
    deletion_class: str
    action: str
    rows: int
    table_rows: int
    oldest_deadline_at: datetime | None
    rows_of_last_plan: int

    @property
    def share(self) -> float:
        """The share of the table's rows, in percent."""
        return 100 * self.rows / self.table_rows if self.table_rows else 0.0


@dataclass(frozen=True, slots=True)
class KeptFact:
    """Expired records that stay: held, or under a floor, and until when as far as it is known."""

    table_name: str
    deletion_class: str
    state: str
    rows: int
    first_until: datetime | None
    last_until: datetime | None


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """What there is to see of a plan before anything goes: counts, shares and dates only."""

    takes: tuple[PlanFact, ...]
    keeps: tuple[KeptFact, ...]
    last_digest: str | None


def plan_facts(connection: duckdb.DuckDBPyConnection, project: Project) -> PlanFacts:
    """Return what the plan that stands takes and keeps, beside the plan before it."""
    plan, states = project.relation("purge_plan"), project.relation("record_states")
    has_last = has_table(connection, "purge", "last_plan")
    last = (
        "select table_name, deletion_class, action, row_count from purge.last_plan"
        if has_last
        else "select null::varchar, null::varchar, null::varchar, 0::bigint where false"
    )
    rows = connection.execute(
        "with now as (select table_name, deletion_class, action, count(*) as row_count, "
        f"min(deadline_at) as oldest from {plan} group by all), "
        f"before (table_name, deletion_class, action, row_count) as ({last}) "
        "select table_name, deletion_class, action, coalesce(now.row_count, 0), oldest, "
        "coalesce(before.row_count, 0) from now "
        "full outer join before using (table_name, deletion_class, action) order by 1, 2, 3"
    ).fetchall()
    sizes = {
        name: int(
            connection.execute(
                f"select count(*) from {project.declarations.governed[name].relation_name}"
            ).fetchall()[0][0]
        )
        for name in {row[0] for row in rows} & set(project.declarations.governed)
    }
    kept = connection.execute(
        "select table_name, deletion_class, state, count(*), min(floor_until), max(floor_until) "
        f"from {states} where state in ('held', 'floored') group by all order by all"
    ).fetchall()
    digests = (
        connection.execute("select max(plan_digest) from purge.last_plan").fetchall()
        if has_last
        else [(None,)]
    )
    return PlanFacts(
        takes=tuple(
            PlanFact(table, name, action, count, sizes.get(table, 0), oldest, before)
            for table, name, action, count, oldest, before in rows
        ),
        keeps=tuple(KeptFact(*row) for row in kept),
        last_digest=digests[0][0],
    )


def read_plan(connection: duckdb.DuckDBPyConnection, project: Project) -> Plan:
    """Read the frozen plan. Raises PlanError where its rows name two digests."""
    plan, as_of = project.relation("purge_plan"), project.relation("as_of")
    digests = connection.execute(f"select distinct plan_digest from {plan}").fetchall()
    if len(digests) > 1:
        raise PlanError(
            f"The plan in {plan} names {len(digests)} digests, so it was altered after it was "
            "frozen; run `kigen plan` to make it anew."
        )
    counts = connection.execute(
        f"select table_name, deletion_class, action, count(*) from {plan} group by all order by all"
    ).fetchall()
    moment = connection.execute(f"select as_of from {as_of}").fetchall()[0][0]
    return Plan(
        digest=digests[0][0] if digests else EMPTY_DIGEST,
        as_of=moment,
        counts=tuple(PlanCount(*count) for count in counts),
    )


def has_ledger(connection: duckdb.DuckDBPyConnection, project: Project) -> bool:
    """Return whether the ledger is there; the first run of `purge` makes it."""
    node = next(
        node
        for node in project.manifest["nodes"].values()
        if node["resource_type"] == "model" and node["name"] == "purge_ledger"
    )
    return has_table(connection, node["schema"], node["alias"])


def last_purge(connection: duckdb.DuckDBPyConnection, project: Project) -> int:
    """Return the number of the last purge in the ledger, 0 before the first."""
    if not has_ledger(connection, project):
        return 0
    ledger = project.relation("purge_ledger")
    rows = connection.execute(f"select coalesce(max(run_no), 0) from {ledger}").fetchall()
    return int(rows[0][0])


def purge_counts(
    connection: duckdb.DuckDBPyConnection, before: int, digest: str, as_of: datetime
) -> tuple[PurgeCount, ...]:
    """Return what the purge of a plan by its T did, by table.

    `before` is the number of the last purge before it.
    """
    rows = connection.execute(
        "select table_name, rows_before, planned, deleted, anonymised, skipped, rows_after "
        "from memory.purge_counts "
        "where run_no >= ? and plan_digest = ? and purged_at = ? "
        "order by table_name, run_no",
        [before, digest, as_of],
    ).fetchall()
    # A table stands twice only where this very plan was applied twice by the same T.
    return tuple({row[0]: PurgeCount(*row) for row in rows}.values())
