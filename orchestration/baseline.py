"""What the last purge left behind, and what has changed since in a way that somebody should see.

A purge believes the clocks. So before it does, it is asked whether they still can be believed:
whether T has jumped, clocks went back, raw tables lost or doubled their rows, or the policy
came to delete more. Any of these stops the purge until the plan is approved by its digest.

The baseline is written after the rebuild that follows a purge (`note`), in tables of the
schema `purge`, in one transaction. It holds counts and the policy, and no key.

Architecture invariant: what is doubted becomes the baseline by an approval alone, and not by
lying there for a night: while a doubt stands the old baseline does.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import duckdb

from orchestration.declarations import parse_period
from orchestration.plan import last_purge
from orchestration.project import Project
from orchestration.settings import format_moment
from orchestration.warehouse import has_table

_TABLES: Final = {
    "last_run": "run_no bigint, as_of timestamp",
    "last_run_tables": "table_name varchar, row_count bigint",
    "last_run_clocks": (
        "table_name varchar, deletion_class varchar, clock_day date, record_count bigint"
    ),
    "accepted_policies": (
        "table_name varchar, deletion_class varchar, period_months integer, period_days integer, "
        "has_notice boolean, notice_months integer, notice_days integer, "
        "is_waived_for_left_mailbox boolean, action varchar, floor varchar"
    ),
}
_POLICY_COLUMNS: Final = ", ".join(
    column.split(" ")[0] for column in _TABLES["accepted_policies"].split(", ")
)
_DEFAULT_JUMP: Final = "P3M"


@dataclass(frozen=True, slots=True)
class Baseline:
    """The last purge that was followed by a rebuild; `as_of` is naive UTC."""

    run_no: int
    as_of: datetime


def read_baseline(connection: duckdb.DuckDBPyConnection) -> Baseline | None:
    """Return the baseline, or None before the first."""
    if not has_table(connection, "purge", "last_run"):
        return None
    rows = connection.execute("select run_no, as_of from purge.last_run").fetchall()
    return Baseline(*rows[0]) if rows else None


def doubts(
    connection: duckdb.DuckDBPyConnection, project: Project, as_of: datetime
) -> tuple[str, ...]:
    """Return what has changed since the last purge and needs an approval, a sentence each."""
    baseline = read_baseline(connection)
    if baseline is None:
        return ()
    return (
        *_jumped(project, baseline, as_of),
        *_lost_or_doubled(connection, project, baseline),
        *_went_back(connection, project),
        *_deletes_more(connection, project),
    )


def note(
    connection: duckdb.DuckDBPyConnection, project: Project, as_of: datetime, *, is_approved: bool
) -> bool:
    """Make what is there now the baseline, by T `as_of`, after a purge and its rebuild.

    `is_approved`: the plan was approved, and with it what was doubted. Returns whether it was
    done: where something is doubted and nobody approved it, it is not.
    """
    if not is_approved and doubts(connection, project, as_of):
        return False
    connection.execute("begin")
    for table, columns in _TABLES.items():
        connection.execute(f"create table if not exists purge.{table} ({columns})")
        connection.execute(f"delete from purge.{table}")
    connection.execute(
        "insert into purge.last_run values (?, ?)", [last_purge(connection, project), as_of]
    )
    for name, relation in _governed(project).items():
        connection.execute(
            f"insert into purge.last_run_tables select ?, count(*) from {relation}", [name]
        )
    connection.execute(
        "insert into purge.last_run_clocks "
        "select table_name, deletion_class, clock_day, record_count "
        f"from {project.relation('clock_profile')}"
    )
    connection.execute(
        f"insert into purge.accepted_policies ({_POLICY_COLUMNS}) "
        f"select {_POLICY_COLUMNS} from {project.relation('deletion_classes')}"
    )
    connection.execute("commit")
    return True


def _jumped(project: Project, baseline: Baseline, as_of: datetime) -> tuple[str, ...]:
    longest = project.declarations.settings.get("as_of_jump", _DEFAULT_JUMP)
    if as_of < baseline.as_of:
        return (
            f"T is {format_moment(as_of)}, before that of the last purge, "
            f"{format_moment(baseline.as_of)}: what has happened since would not count.",
        )
    if as_of > parse_period(longest).added_to(baseline.as_of):
        return (
            f"T is {format_moment(as_of)}, more than {longest} (as_of_jump) after the last purge, "
            f"{format_moment(baseline.as_of)}: the schedule stood still, or a clock is wrong.",
        )
    return ()


def _lost_or_doubled(
    connection: duckdb.DuckDBPyConnection, project: Project, baseline: Baseline
) -> tuple[str, ...]:
    said = []
    expected = dict(
        connection.execute(
            "select tables.table_name, tables.row_count - coalesce(gone.row_count, 0) "
            "from purge.last_run_tables as tables left join ("
            "select table_name, sum(deleted) as row_count from memory.purge_counts "
            "where run_no > ? group by table_name"
            ") as gone on tables.table_name = gone.table_name",
            [baseline.run_no],
        ).fetchall()
    )
    limits = project.declarations.limits
    for name, relation in _governed(project).items():
        if name not in expected:
            continue
        before = int(expected[name])
        now = int(connection.execute(f"select count(*) from {relation}").fetchall()[0][0])
        limit = limits.of(name)
        if excess := limit.excess(before - now, before):
            said.append(f"{name} lost {excess}, since the last purge, and no ledger says so.")
        elif before > 0 and now >= 2 * before and now > limit.small_table_rows:
            said.append(
                f"{name} has {now} rows, and had {before} after the last purge: it has doubled."
            )
    return tuple(said)


def _went_back(connection: duckdb.DuckDBPyConnection, project: Project) -> tuple[str, ...]:
    """Find tables whose clocks went back: more records are older than some day than were.

    No purge and no passing of time makes a record older than some day before the last purge
    that it was not older than then; new rows with old clocks do, and are as doubtful. What the
    profile shows is the least number that went back.
    """
    rows = connection.execute(
        f"""
        with moves as (
            select table_name, deletion_class, clock_day, record_count as moved
            from {project.relation("clock_profile")}
            union all
            select table_name, deletion_class, clock_day, -record_count
            from purge.last_run_clocks
        ),
        days as (
            select table_name, deletion_class, clock_day, sum(moved) as moved
            from moves
            group by all
        ),
        older as (
            select
                table_name,
                deletion_class,
                sum(moved) over (
                    partition by table_name, deletion_class order by clock_day
                ) as older_by_then
            from days
            where clock_day < (select cast(as_of as date) from purge.last_run)
        ),
        befores as (
            select table_name, deletion_class, sum(record_count) as record_count
            from purge.last_run_clocks
            group by all
        ),
        nows as (
            select table_name, deletion_class, sum(record_count) as record_count
            from {project.relation("clock_profile")}
            group by all
        )
        select
            older.table_name,
            older.deletion_class,
            max(older.older_by_then)::bigint,
            max(greatest(befores.record_count, nows.record_count))::bigint
        from older
        inner join befores using (table_name, deletion_class)
        left join nows using (table_name, deletion_class)
        group by all
        having max(older.older_by_then) > 0
        order by all
        """
    ).fetchall()
    limits = project.declarations.limits
    return tuple(
        f"Clocks of {table} under {name} went back since the last purge, or rows with old clocks "
        f"came: {excess}."
        for table, name, moved, records in rows
        if (excess := limits.of(table).excess(int(moved), int(records)))
    )


def _deletes_more(connection: duckdb.DuckDBPyConnection, project: Project) -> tuple[str, ...]:
    more = _more(connection, project.relation("deletion_classes"))
    return tuple(
        f"policy_deletion_classes.csv deletes more than was accepted: {name} of {table} {how}."
        for table, name, how in more
    )


def _more(connection: duckdb.DuckDBPyConnection, classes: str) -> list[tuple[str, str, str]]:
    """Return (table, class, how) of rows of the policy that delete more than the accepted."""
    rows = connection.execute(
        f"""
        with day as (select timestamp '2023-03-01' as day),
        judged as (
            select
                coalesce(accepted.table_name, classes.table_name) as table_name,
                coalesce(accepted.deletion_class, classes.deletion_class) as deletion_class,
                coalesce(accepted.floor, '') as old_floor,
                coalesce(classes.floor, '') as new_floor,
                accepted.action as old_action,
                classes.action as new_action,
                day + to_months(accepted.period_months) + to_days(accepted.period_days) as old_end,
                day + to_months(classes.period_months) + to_days(classes.period_days) as new_end,
                accepted.has_notice as had_notice,
                classes.has_notice,
                day + to_months(accepted.notice_months) + to_days(accepted.notice_days) as old_notice,
                day + to_months(classes.notice_months) + to_days(classes.notice_days) as new_notice,
                accepted.is_waived_for_left_mailbox as was_waived,
                classes.is_waived_for_left_mailbox as is_waived
            from purge.accepted_policies as accepted
            full outer join {classes} as classes
                on accepted.table_name = classes.table_name
                and accepted.deletion_class = classes.deletion_class
            cross join day
        )
        select
            table_name,
            deletion_class,
            case
                when old_action is null and new_floor <> 'only' then 'is new'
                when new_action is null and old_floor <> 'no' then 'is gone, and was a floor'
                when new_action is null then null
                when old_floor in ('yes', 'only') and new_floor = 'no' then 'is no floor any more'
                when old_floor = 'only' and new_floor = 'yes' then 'is not only a floor any more'
                when old_action <> 'delete' and new_action = 'delete' then 'deletes, and did not'
                when new_end < old_end then 'has a shorter period'
                when had_notice and not has_notice then 'needs no notice any more'
                when had_notice and new_notice < old_notice then 'has a shorter notice'
                when is_waived and not was_waived then 'waives the notice of mailboxes that left'
            end as how
        from judged
        where
            coalesce(old_action, '') <> 'keep'
            and coalesce(new_action, '') <> 'keep'
            and table_name in (select table_name from purge.accepted_policies)
        order by table_name, deletion_class
        """
    ).fetchall()
    return [(table, name, how) for table, name, how in rows if how is not None]


def _governed(project: Project) -> dict[str, str]:
    return {
        name: table.relation_name
        for name, table in sorted(project.declarations.governed.items())
        if not table.is_memory
    }
