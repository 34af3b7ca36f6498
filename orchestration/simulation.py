"""What would go at another T, or under another policy: computed beside the warehouse, not in it.

A simulation reads the states of a built warehouse through a read-only connection, and moves their
deadlines: clock plus the period of the policy asked about. For each record and class it finds the
earliest moment the record would go if nobody acted: no login, no order, no answer, no release of a
hold, and each notice sent at the first moment it may be. It answers two questions: what would be
due at T, beside what the plan has, and what would go in each of 24 months from T on.

The rule is that of DESIGN, section 5, in so far as a state keeps what it needs:

- A record of a class with a notice goes at max(deadline, S + notice), S being the notice of this
  cycle; where none was sent, as if it were sent at the later of T and deadline - notice. A mailbox
  that has left needs none, where the policy says so.
- A floor for the same action that ends later puts it off. A class that deletes ends the record:
  its later classes do not count. One that anonymises leaves what later deletes.
- A record under an open hold does not go, nor one without a clock, without an address to warn, or
  under a floor whose end is not known. These are counted apart.
- What follows a row of a register goes when that row is deleted, under its class, unless a class
  of its own takes it first, or a floor or a hold keeps it. What goes because something is gone
  already (its row of the register, or a person who was purged and is back) keeps the deadline it
  has, under any policy.
- A class that is only a floor has no state. Its end is known where a state names it
  (`floor_until`, of rows that are due already), and is taken from there as it was built.

An exact answer for another T needs a build by that T (``KIGEN_AS_OF=… kigen plan``): clocks, holds,
notices and mailboxes that have left are those of the build, so an event later than an earlier T
counts although it had not come. So does a policy that asks for a notice where none was asked for
(notices that were sent are known only for classes that had one), and one that changes a class
that is only a floor. `notes` says which of these is the case.

Architecture invariant: nothing is written to the warehouse, for the connection cannot; and a
result holds names and counts only, no key of a record.
"""

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import duckdb
from rich.console import Console
from rich.table import Table

from orchestration.declarations import MEMORY_SCHEMA, WrittenClass, load_deletion_classes
from orchestration.durable import write_whole
from orchestration.project import Project
from orchestration.settings import Settings, format_moment
from orchestration.warehouse import connect

MONTHS: Final = 24
"""How many calendar months (UTC) a forecast has, that of T included."""

RETURNED: Final = "memory.purged_records"
"""The clock of a record whose person was purged and is back."""

_MODELS: Final = (
    "as_of",
    "deletion_classes",
    "hold_reach",
    "left_mailboxes",
    "purge_plan",
    "record_states",
    "records",
)

_POLICY: Final = (
    "deletion_class varchar, table_name varchar, period varchar, notice varchar, "
    "notice_waiver varchar, action varchar, floor varchar, period_months integer, "
    "period_days integer, has_notice boolean, notice_months integer, notice_days integer, "
    "is_waived_for_left_mailbox boolean"
)
_POLICY_COLUMNS: Final = tuple(column.split(" ")[0] for column in _POLICY.split(", "))

# As the macro policy_digest writes it, so that the digest is that of the plan.
_DIGEST: Final = (
    "select sha256(coalesce(string_agg("
    + " || chr(9) || ".join(f"coalesce({column}, '')" for column in _POLICY_COLUMNS[:7])
    + ", chr(10) order by table_name, deletion_class), '')) from {table}"
)


class SimulationError(RuntimeError):
    """Nothing can be simulated; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Rows of a table due at T under a class, beside those the plan that stands has."""

    table_name: str
    deletion_class: str
    action: str
    rows: int
    planned: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """Rows of a table that go in a month under a class; `month` as ``2026-11``."""

    table_name: str
    deletion_class: str
    action: str
    month: str
    rows: int


@dataclass(frozen=True, slots=True)
class Apart:
    """Rows and classes that are in no forecast, and why; `following`: in it, because of others."""

    table_name: str
    deletion_class: str
    reason: str
    rows: int


@dataclass(frozen=True, slots=True)
class Simulation:
    """An answer: by which T (naive, UTC) and policy, from the build of which T, and what goes."""

    as_of: datetime
    built_as_of: datetime
    policy_digest: str
    built_policy_digest: str
    months: tuple[str, ...]
    what_if: tuple[WhatIf, ...]
    forecast: tuple[Forecast, ...]
    later: tuple[Forecast, ...]
    """What goes after the last of the months; `month` is ``later``."""
    apart: tuple[Apart, ...]
    notes: tuple[str, ...]
    """What keeps the answer from being that of a build, a sentence each."""

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it; `from_json` reads it back."""
        written = dataclasses.asdict(self)
        for key in ("as_of", "built_as_of"):
            written[key] = format_moment(written[key])
        return written

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> "Simulation":
        """Return the simulation that `as_json` wrote."""
        return cls(
            as_of=datetime.fromisoformat(written["as_of"]),
            built_as_of=datetime.fromisoformat(written["built_as_of"]),
            policy_digest=written["policy_digest"],
            built_policy_digest=written["built_policy_digest"],
            months=tuple(written["months"]),
            what_if=tuple(WhatIf(**row) for row in written["what_if"]),
            forecast=tuple(Forecast(**row) for row in written["forecast"]),
            later=tuple(Forecast(**row) for row in written["later"]),
            apart=tuple(Apart(**row) for row in written["apart"]),
            notes=tuple(written["notes"]),
        )


def simulate(project: Project, as_of: datetime, policy_file: Path | None = None) -> Simulation:
    """Say what would go at T `as_of` (naive, UTC; past or future), and in 24 months from it.

    `policy_file`: a file of the shape of ``policy_deletion_classes.csv``; None: the policy the
    warehouse was built with. Raises DeclarationError with every fault of that file,
    SimulationError where the warehouse is not built, WarehouseError where it cannot be read.
    """
    classes = None if policy_file is None else load_deletion_classes(project.manifest, policy_file)
    if not project.settings.warehouse.exists():
        raise SimulationError(
            f"There is no warehouse {project.settings.warehouse}, so nothing to simulate on; run "
            "`kigen plan` first."
        )
    with connect(project.settings, read_only=True) as connection:
        _check_built(connection, project)
        _load_policy(connection, project, classes)
        _load_tables(connection, project)
        _judge(connection, project, as_of)
        return _result(connection, project, as_of)


def forecast_path(settings: Settings, simulation: Simulation) -> Path:
    """Return where the forecast of a simulation is written."""
    moment = simulation.as_of
    fraction = f".{moment:%f}" if moment.microsecond else ""
    name = f"{moment:%Y-%m-%dT%H%M%S}{fraction}Z-{simulation.policy_digest[:12]}.csv"
    return settings.home / "forecasts" / name


def write_forecast(settings: Settings, simulation: Simulation) -> Path:
    """Write the forecast as CSV, for its owner only, whole or not at all. Returns the file."""
    path = forecast_path(settings, simulation)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("table", "class", "action", "month", "rows"))
    writer.writerows(dataclasses.astuple(row) for row in simulation.forecast)
    write_whole(path, text.getvalue())
    return path


def by_period(
    simulation: Simulation, months: int
) -> tuple[tuple[str, ...], dict[tuple[str, str, str], tuple[int, ...]]]:
    """Sum the forecast up over so many months at a time.

    Returns the first month of each period, and by table, class and action the rows of each,
    with those after the last of all at the end.
    """
    firsts = simulation.months[::months]
    place = {month: index // months for index, month in enumerate(simulation.months)}
    sums: dict[tuple[str, str, str], list[int]] = {}
    for row in (*simulation.forecast, *simulation.later):
        key = row.table_name, row.deletion_class, row.action
        counts = sums.setdefault(key, [0] * (len(firsts) + 1))
        counts[place.get(row.month, len(firsts))] += row.rows
    return firsts, {key: tuple(counts) for key, counts in sorted(sums.items())}


def markdown(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def show_simulation(console: Console, simulation: Simulation, path: Path) -> None:
    """Print what would go, beside the plan, and the forecast by quarter; 120 columns suffice."""
    is_same = simulation.policy_digest == simulation.built_policy_digest
    policy = "as built" if is_same else "another than was built"
    console.print(
        f"T is {format_moment(simulation.as_of)} UTC; built by "
        f"{format_moment(simulation.built_as_of)}; policy {simulation.policy_digest[:12]}, {policy}",
        highlight=False,
        soft_wrap=True,
    )
    due = Table(title="Due at T", title_justify="left", box=None, padding=(0, 1, 0, 0))
    due.add_column("table / class", no_wrap=True)
    due.add_column("action")
    for header in ("due", "in the plan", "difference"):
        due.add_column(header, justify="right")
    table = ""
    for row in simulation.what_if:
        if row.table_name != table:
            table = row.table_name
            due.add_row(table, style="bold")
        difference = row.rows - row.planned
        cells = (str(row.rows), str(row.planned), f"{difference:+}" if difference else "")
        due.add_row(f"  {row.deletion_class}", row.action, *cells)
    console.print(due)

    firsts, sums = by_period(simulation, 3)
    quarters = Table(
        title="Rows that go in the three months from",
        title_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
    )
    quarters.add_column("table / class", no_wrap=True)
    quarters.add_column("action")
    for header in (*firsts, "later"):
        quarters.add_column(header, justify="right", no_wrap=True)
    table = ""
    for (name, deletion_class, action), counts in sums.items():
        if name != table:
            table = name
            quarters.add_row(table, style="bold")
        quarters.add_row(f"  {deletion_class}", action, *(str(each or "") for each in counts))
    console.print(quarters)

    reasons: dict[str, int] = {}
    for each in simulation.apart:
        reasons[each.reason] = reasons.get(each.reason, 0) + each.rows
    following = reasons.pop("following", 0)
    stays = ", ".join(f"{reason} {rows}" for reason, rows in sorted(reasons.items()))
    said = [
        f"Not in the forecast, by record and class: {stays or 'none'}.",
        f"In it because others go or have gone: {following}.",
        *simulation.notes,
        f"By month: {path}",
    ]
    for text in said:
        console.print(text, markup=False, highlight=False, soft_wrap=True)


# What is read.


def _check_built(connection: duckdb.DuckDBPyConnection, project: Project) -> None:
    there = set(
        connection.execute(
            "select table_schema, table_name from information_schema.tables "
            "where table_catalog = current_database()"
        ).fetchall()
    )
    needed = {
        name: (node["schema"], node["alias"])
        for node in project.manifest["nodes"].values()
        if node["resource_type"] == "model" and (name := node["name"]) in _MODELS
    }
    missing = [name for name in _MODELS if needed.get(name) not in there]
    if missing:
        raise SimulationError(
            f"The warehouse {project.settings.warehouse} is not built: it lacks "
            f"{', '.join(missing)}; run `kigen plan` first."
        )


def _load_policy(
    connection: duckdb.DuckDBPyConnection,
    project: Project,
    classes: Sequence[WrittenClass] | None,
) -> None:
    """Put the policy the warehouse was built with, and the one asked about, into temp tables."""
    columns = ", ".join(_POLICY_COLUMNS)
    for table in ("built_policy", "asked_policy"):
        connection.execute(f"create temp table {table} ({_POLICY})")
    built = project.relation("deletion_classes")
    connection.execute(f"insert into built_policy select {columns} from {built}")
    if classes is None:
        connection.execute("insert into asked_policy from built_policy")
        return
    for each in classes:
        read, text = each.read, each.text
        connection.execute(
            f"insert into asked_policy values ({', '.join('?' * len(_POLICY_COLUMNS))})",
            [
                *(text[column] or None for column in _POLICY_COLUMNS[:7]),
                read.period.months if read.period else None,
                read.period.days if read.period else None,
                read.notice is not None,
                read.notice.months if read.notice else None,
                read.notice.days if read.notice else None,
                read.notice_waiver == "mailbox_left",
            ],
        )


def _load_tables(connection: duckdb.DuckDBPyConnection, project: Project) -> None:
    """Put what the manifest says of the governed tables into a temp table."""
    connection.execute(
        "create temp table governed_tables (table_name varchar, is_register boolean, "
        "is_former boolean, register_table varchar, following_action varchar, "
        "is_by_subject boolean, is_by_contact boolean)"
    )
    for name, table in project.declarations.governed.items():
        if table.schema_name == MEMORY_SCHEMA:
            continue
        follows = table.follows
        connection.execute(
            "insert into governed_tables values (?, ?, ?, ?, ?, ?, ?)",
            [
                name,
                table.is_register,
                table.is_former,
                follows.register_table if follows else None,
                follows.action if follows else "delete",
                follows is not None and "subject" in follows.by,
                follows is not None and "contact" in follows.by,
            ],
        )


# The rule.


def _judge(connection: duckdb.DuckDBPyConnection, project: Project, as_of: datetime) -> None:
    """Make the temp tables `judged` (record and class), `due_events` and `events` (record)."""
    states, records = project.relation("record_states"), project.relation("records")
    holds, left = project.relation("hold_reach"), project.relation("left_mailboxes")
    connection.execute("create temp table moment as select ?::timestamp as as_of", [as_of])
    # A record nothing is known of (its key stands twice, say) follows nobody.
    connection.execute(
        f"""
        create temp table persons as
        select
            records.table_name,
            records.record_key,
            records.subject_key,
            records.contact,
            governed_tables.is_register,
            governed_tables.is_former,
            coalesce(governed_tables.is_register and records.state = 'expired'
                and records.action = 'delete', false) as is_leaving
        from {records} as records
        inner join governed_tables on records.table_name = governed_tables.table_name
        where records.state <> 'unclassed'
        """
    )
    # is_bound: the record goes because something else has gone. is_explained: what it follows is
    # due in the build, but not gone yet; under another T or policy it may not be due.
    connection.execute(
        f"""
        create temp table states as
        with leaving_subjects as (
            select distinct table_name, subject_key from persons
            where is_leaving and subject_key is not null
        ),
        leaving_contacts as (
            select distinct table_name, contact from persons
            where is_leaving and contact is not null
        )
        select
            states.table_name,
            states.record_key,
            states.subject_key,
            persons.contact,
            states.deletion_class,
            states.clock_at,
            states.deadline_at as built_deadline_at,
            states.notice_sent_at,
            states.floor_until,
            states.state,
            states.clock_at is null and coalesce(
                states.clock_source in ('{RETURNED}', governed_tables.register_table), false
            ) as is_bound,
            states.clock_at is null and coalesce(
                states.clock_source = governed_tables.register_table, false
            ) as is_following,
            is_following
            and (leaving_subjects.subject_key is not null or leaving_contacts.contact is not null)
                as is_explained
        from {states} as states
        inner join governed_tables on states.table_name = governed_tables.table_name
        left join persons
            on states.table_name = persons.table_name
            and states.record_key = persons.record_key
        left join leaving_subjects
            on governed_tables.is_by_subject
            and governed_tables.register_table = leaving_subjects.table_name
            and states.subject_key = leaving_subjects.subject_key
        left join leaving_contacts
            on governed_tables.is_by_contact
            and governed_tables.register_table = leaving_contacts.table_name
            and persons.contact = leaving_contacts.contact
        """
    )
    # An open hold reaches a record whether or not it is due: as in the macro records_of.
    connection.execute(
        f"""
        create temp table held_records as
        with holds as materialized (
            select distinct reach_kind, former_table, reach_key, table_name from {holds}
        ),
        reached as (
            select persons.*, holds.table_name as held_table, holds.reach_kind
            from persons
            inner join holds on holds.reach_kind = 'all'
            union all
            select persons.*, holds.table_name, holds.reach_kind
            from persons
            inner join holds
                on persons.subject_key = holds.reach_key and holds.reach_kind = 'subject'
            union all
            select persons.*, holds.table_name, holds.reach_kind
            from persons
            inner join holds on persons.contact = holds.reach_key and holds.reach_kind = 'contact'
            union all
            select persons.*, holds.table_name, holds.reach_kind
            from persons
            inner join holds
                on persons.record_key = holds.reach_key
                and persons.table_name = holds.former_table
                and holds.reach_kind = 'record'
            where persons.is_former
        )
        select table_name, record_key
        from reached
        where
            held_table is null
            or held_table = table_name
            or (is_register and reach_kind in ('subject', 'contact'))
        union
        select table_name, record_key from states where state = 'held'
        """
    )
    # Of an own class the deadline is its clock plus the period asked about.
    connection.execute(
        f"""
        create temp table dated as
        select
            states.*,
            case when states.is_bound then governed_tables.following_action else asked.action end
                as action,
            case when states.is_bound then 'no' else asked.floor end as floor,
            case
                when states.is_bound then states.built_deadline_at
                else states.clock_at
                    + to_months(asked.period_months) + to_days(asked.period_days)
            end as deadline_at,
            not states.is_bound
            and asked.has_notice
            and not (asked.is_waived_for_left_mailbox and left_mailboxes.contact is not null)
                as needs_notice,
            asked.notice_months,
            asked.notice_days,
            case when states.is_bound then governed_tables.following_action else built.action end
                as built_action,
            case when states.is_bound then 'no' else built.floor end as built_floor
        from states
        inner join governed_tables on states.table_name = governed_tables.table_name
        left join asked_policy as asked
            on states.table_name = asked.table_name
            and states.deletion_class = asked.deletion_class
        left join built_policy as built
            on states.table_name = built.table_name
            and states.deletion_class = built.deletion_class
        left join (select distinct contact from {left}) as left_mailboxes
            on states.contact = left_mailboxes.contact
        where states.is_bound or asked.action in ('delete', 'anonymise')
        """
    )
    connection.execute(
        """
        create temp table floors as
        select
            table_name, record_key, action, max(deadline_at) as floor_at,
            bool_or(deadline_at is null) as is_untold
        from dated
        where floor in ('yes', 'only')
        group by all
        """
    )
    # A floor that a state names and none of the record's own classes has: of a class that is only
    # a floor. One whose end is not named cannot be told.
    connection.execute(
        """
        create temp table other_floors as
        with known as (
            select table_name, record_key, built_action, max(built_deadline_at) as floor_at
            from dated
            where built_floor = 'yes'
            group by all
        )
        select
            dated.table_name, dated.record_key, dated.built_action as action,
            max(dated.floor_until) filter (
                where dated.floor_until > coalesce(known.floor_at, '-infinity'::timestamp)
            ) as floor_at,
            bool_or(dated.state = 'floored' and dated.floor_until is null) as is_untold
        from dated
        left join known
            on dated.table_name = known.table_name
            and dated.record_key = known.record_key
            and dated.built_action = known.built_action
        where dated.state = 'floored'
        group by all
        """
    )
    connection.execute(
        """
        create temp table endings as
        with opened as (
            select
                dated.*,
                moment.as_of,
                dated.deadline_at + to_months(-dated.notice_months) + to_days(-dated.notice_days)
                    as notice_opens_at
            from dated
            cross join moment
            where not dated.is_explained and (dated.is_bound or dated.floor <> 'only')
        ),
        noticed as (
            select
                *,
                case
                    when
                        needs_notice
                        and notice_sent_at > clock_at
                        and notice_sent_at >= notice_opens_at
                        and notice_sent_at <= as_of
                        then notice_sent_at
                end as sent_at
            from opened
        ),
        ending as (
            select
                *,
                case
                    when not needs_notice then greatest(deadline_at, as_of)
                    else greatest(
                        deadline_at,
                        as_of,
                        coalesce(sent_at, greatest(as_of, notice_opens_at))
                        + to_months(notice_months) + to_days(notice_days)
                    )
                end as ends_at
            from noticed
        )
        select
            table_name, record_key, contact, deletion_class, clock_at, deadline_at, action,
            needs_notice, sent_at, is_bound, is_following, as_of, ends_at
        from ending
        """
    )
    _put_off(connection)
    _follow(connection)
    _put_off(connection)
    is_due = "goes_at <= as_of and (not needs_notice or sent_at is not null)"
    connection.execute(f"create temp table due_events as {_events(is_due)}")
    connection.execute(f"create temp table events as {_events('true')}")


def _put_off(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the temp table `judged`: when each ending comes, and why it does not."""
    connection.execute(
        """
        create or replace temp table judged as
        select
            ending.*,
            greatest(ending.ends_at, floors.floor_at, other_floors.floor_at) as goes_at,
            case
                when held_records.record_key is not null then 'held'
                when ending.deadline_at is null and not ending.is_bound then 'unclocked'
                when ending.needs_notice and ending.sent_at is null and ending.contact is null
                    then 'no contact point'
                when coalesce(floors.is_untold, false) or coalesce(other_floors.is_untold, false)
                    then 'floor unknown'
            end as stays_because
        from endings as ending
        left join held_records
            on ending.table_name = held_records.table_name
            and ending.record_key = held_records.record_key
        left join floors
            on ending.table_name = floors.table_name
            and ending.record_key = floors.record_key
            and ending.action = floors.action
        left join other_floors
            on ending.table_name = other_floors.table_name
            and ending.record_key = other_floors.record_key
            and ending.action = other_floors.action
        """
    )


def _follow(connection: duckdb.DuckDBPyConnection) -> None:
    """Add to `endings` what follows a row of a register when that is deleted.

    By the subject; or by the contact point, once no row of the register that stays has it. A
    class of its own that is the same as that row's stands in its place.
    """
    connection.execute(
        f"""
        insert into endings by name
        with ends as materialized (
            select
                events.table_name, persons.subject_key, persons.contact, events.record_key,
                events.goes_at, events.deletion_class, events.deadline_at
            from ({_events("true")}) as events
            inner join persons
                on events.table_name = persons.table_name
                and events.record_key = persons.record_key
            where persons.is_register and events.action = 'delete'
        ),
        emptied as (
            select persons.table_name, persons.contact, max(ends.goes_at) as goes_at
            from persons
            left join ends
                on persons.table_name = ends.table_name
                and persons.record_key = ends.record_key
            where persons.is_register and persons.contact is not null
            group by all
            having count(*) = count(ends.goes_at)
        ),
        following as (
            select
                persons.table_name, persons.record_key, persons.contact,
                governed_tables.following_action as action,
                ends.goes_at, ends.deletion_class, ends.deadline_at
            from persons
            inner join governed_tables on persons.table_name = governed_tables.table_name
            inner join ends
                on governed_tables.register_table = ends.table_name
                and persons.subject_key = ends.subject_key
            where governed_tables.is_by_subject
            union all
            select
                persons.table_name, persons.record_key, persons.contact,
                governed_tables.following_action,
                ends.goes_at, ends.deletion_class, ends.deadline_at
            from persons
            inner join governed_tables on persons.table_name = governed_tables.table_name
            inner join emptied
                on governed_tables.register_table = emptied.table_name
                and persons.contact = emptied.contact
            inner join ends
                on emptied.table_name = ends.table_name
                and emptied.contact = ends.contact
                and emptied.goes_at = ends.goes_at
            where governed_tables.is_by_contact
        )
        select
            following.table_name,
            following.record_key,
            following.contact,
            following.deletion_class,
            following.deadline_at,
            following.action,
            false as needs_notice,
            true as is_bound,
            true as is_following,
            moment.as_of,
            following.goes_at as ends_at
        from following
        cross join moment
        anti join endings as own
            on following.table_name = own.table_name
            and following.record_key = own.record_key
            and following.deletion_class = own.deletion_class
        qualify row_number() over (
            partition by following.table_name, following.record_key
            order by following.goes_at, following.deadline_at nulls last, following.deletion_class
        ) = 1
        """
    )


def _events(condition: str) -> str:
    """Return the query of what happens to each record: at most one anonymising, and its end.

    Of the classes that act at that moment, the one with the earliest deadline is named; what
    follows others is named only where no class of its own is.
    """
    return f"""
        with acting as (
            select * from judged where stays_because is null and {condition}
        ),
        firsts as (
            select
                table_name,
                record_key,
                min(goes_at) filter (where action = 'delete') as deleted_at,
                min(goes_at) filter (where action = 'anonymise') as anonymised_at
            from acting
            group by all
        )
        select
            acting.table_name, acting.record_key, acting.action, acting.goes_at,
            acting.deletion_class, acting.deadline_at, acting.is_bound
        from acting
        inner join firsts
            on acting.table_name = firsts.table_name and acting.record_key = firsts.record_key
        where
            case acting.action
                when 'delete' then acting.goes_at = firsts.deleted_at
                else
                    acting.goes_at = firsts.anonymised_at
                    and coalesce(firsts.anonymised_at < firsts.deleted_at, true)
            end
        qualify row_number() over (
            partition by acting.table_name, acting.record_key, acting.action
            order by acting.is_following, acting.deadline_at nulls last, acting.deletion_class
        ) = 1
    """


# What is said.


def _result(connection: duckdb.DuckDBPyConnection, project: Project, as_of: datetime) -> Simulation:
    plan = project.relation("purge_plan")
    what_if = connection.execute(
        f"""
        with planned as (
            select table_name, deletion_class, action, count(*) as row_count
            from {plan}
            group by all
        ),
        due as (
            select table_name, deletion_class, action, count(*) as row_count
            from due_events
            group by all
        )
        select
            table_name, deletion_class, action,
            coalesce(due.row_count, 0), coalesce(planned.row_count, 0)
        from due
        full outer join planned using (table_name, deletion_class, action)
        order by 1, 2, 3
        """
    ).fetchall()
    counted = connection.execute(
        f"""
        select
            events.table_name,
            events.deletion_class,
            events.action,
            case
                when datediff('month', moment.as_of, events.goes_at) >= {MONTHS} then 'later'
                else strftime(events.goes_at, '%Y-%m')
            end as month,
            count(*)
        from events
        cross join moment
        group by all
        order by all
        """
    ).fetchall()
    months = connection.execute(
        f"""
        select strftime(date_trunc('month', as_of) + to_months(places.place::integer), '%Y-%m')
        from moment
        cross join range({MONTHS}) as places (place)
        order by places.place
        """
    ).fetchall()
    apart = connection.execute(
        """
        select table_name, deletion_class, stays_because, count(*)
        from judged
        where stays_because is not null
        group by all
        union all
        select table_name, deletion_class, 'following', count(*)
        from events
        where is_bound
        group by all
        order by all
        """
    ).fetchall()
    ((built_as_of,),) = connection.execute(
        f"select as_of from {project.relation('as_of')}"
    ).fetchall()
    ((asked_digest,),) = connection.execute(_DIGEST.format(table="asked_policy")).fetchall()
    ((built_digest,),) = connection.execute(_DIGEST.format(table="built_policy")).fetchall()
    rows = [Forecast(*row) for row in counted]
    return Simulation(
        as_of=as_of,
        built_as_of=built_as_of,
        policy_digest=asked_digest,
        built_policy_digest=built_digest,
        months=tuple(month for (month,) in months),
        what_if=tuple(WhatIf(*row) for row in what_if),
        forecast=tuple(row for row in rows if row.month != "later"),
        later=tuple(row for row in rows if row.month == "later"),
        apart=tuple(Apart(*row) for row in apart),
        notes=_notes(connection, as_of, built_as_of),
    )


def _notes(
    connection: duckdb.DuckDBPyConnection, as_of: datetime, built_as_of: datetime
) -> tuple[str, ...]:
    notes = []
    if as_of != built_as_of:
        known = "events after T count too" if as_of < built_as_of else "nobody acts after that"
        notes.append(
            f"Clocks, holds and notices are those of the build by {format_moment(built_as_of)}: "
            f"{known}. For an exact answer build by this T."
        )
    ((following,),) = connection.execute(
        "select count(*) from states where is_bound and not is_explained"
    ).fetchall()
    if following:
        notes.append(
            f"{following} rows go because somebody was purged before, and keep the deadline they "
            "were built with."
        )
    only = connection.execute(
        "select distinct table_name, deletion_class from built_policy where floor = 'only' "
        "union select table_name, deletion_class from asked_policy where floor = 'only' order by all"
    ).fetchall()
    if only:
        names = ", ".join(f"{name} of {table}" for table, name in only)
        notes.append(f"Only a floor, and known only for rows due at the build: {names}.")
    changed = connection.execute(
        """
        select asked.table_name, asked.deletion_class
        from asked_policy as asked
        inner join built_policy as built using (table_name, deletion_class)
        where
            (asked.floor = 'only' or built.floor = 'only')
            and (
                asked.floor <> built.floor
                or asked.action <> built.action
                or asked.period <> built.period
            )
        order by all
        """
    ).fetchall()
    notes.extend(
        f"{name} of {table} is or was only a floor, and has changed: this needs a build."
        for table, name in changed
    )
    warned = connection.execute(
        """
        select asked.table_name, asked.deletion_class
        from asked_policy as asked
        inner join built_policy as built using (table_name, deletion_class)
        where
            asked.has_notice
            and (
                not built.has_notice
                or asked.notice <> built.notice
                or asked.period <> built.period
                or asked.is_waived_for_left_mailbox <> built.is_waived_for_left_mailbox
            )
        order by all
        """
    ).fetchall()
    notes.extend(
        f"{name} of {table} has another notice or cycle: of the notices sent only the first "
        "of the cycle as built is known."
        for table, name in warned
    )
    return tuple(notes)
