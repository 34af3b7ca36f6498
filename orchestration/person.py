"""What is held on one person: found by keys and tags, over every governed table.

A request names an account, a contact point, or both. Theirs are the rows with the key of that
account, the former row of it, and the rows without an account that carry a contact point which is
theirs (DESIGN section 5, "An erasure covers what it names"). A contact point that somebody else is
registered with is theirs only where the request names it together with the account.

Architecture invariant: no row of another person is returned. A row that may be another's, by its
key or by its mailbox, is left out and counted. Raw tables are read here by the names the manifest
has, with bound values, and for nothing else; no value stands in an SQL text or in a message.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Final

import duckdb

from orchestration.declarations import GovernedTable
from orchestration.keys import Pads, digest
from orchestration.leases import audiences_of, leases_with
from orchestration.processing_record import PURPOSE_WORDS
from orchestration.project import Project
from orchestration.retention_statement import (
    Words,
    category_words,
    nearest,
    period_words,
    rules_of,
)
from orchestration.translator import kigen_of, meta_of
from orchestration.warehouse import has_table, quoted

_UNKNOWN: Final[Mapping[str, Any]] = {
    "state": "unclassed",
    "is_in_shared_mailbox": False,
    "classes": [],
}
"""What is known of a row whose key cannot be read."""

_DIGEST: Final = "user.unique_id.pseudonymous"
"""The data category of a keyed digest."""


class PersonError(ValueError):
    """Nobody can say which rows are this person's; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a request names, as the warehouse knows them."""

    subject_key: str | None
    contacts: tuple[str, ...]
    """The contact points whose rows without an account are theirs."""
    former: Mapping[str, tuple[str, ...]]
    """The keys of their rows in older systems, by table."""
    registers: tuple[str, ...]
    """The registers that know them."""
    shared: frozenset[str]
    """The contact points of theirs that others are registered with, too."""

    @property
    def own_contacts(self) -> tuple[str, ...]:
        """The contact points of nobody else: what is known of one is known of this person."""
        return tuple(contact for contact in self.contacts if contact not in self.shared)


@dataclass(frozen=True, slots=True)
class Held:
    """What is held on a person, as a document, and what was left out of it, and why."""

    document: Mapping[str, Any]
    """As JSON has it: `tables`, `memory`, `suppressions`, `purposes`,
    `deliveries`, `not_searched`."""
    tables: Mapping[str, int]
    """How many records of each table it has."""
    left_out: Mapping[str, int]
    """Rows that may be another's: why, and how many."""


def find_person(
    connection: duckdb.DuckDBPyConnection,
    project: Project,
    subject_key: str | None,
    contact: str | None,
) -> Person:
    """Return whom an account, a contact point (normalised), or both name.

    Raises PersonError where they name nobody, or may name somebody else.
    """
    if subject_key is None and contact is None:
        raise PersonError("it names neither an account nor a contact point")
    subjects = project.relation("subjects")
    own = connection.execute(
        f"select table_name, contact, former_table, former_key from {subjects} "
        "where cast(subject_key as varchar) = ? order by all",
        [subject_key],
    ).fetchall()
    if any(count > 1 for count in Counter(row[0] for row in own).values()):
        raise PersonError(
            "the account it names stands twice in its register, so nobody can tell whose it is"
        )
    mailboxes = tuple(dict.fromkeys(row[1] for row in own if row[1] is not None))
    shared = {
        mailbox
        for (mailbox,) in connection.execute(
            f"select distinct contact from {subjects} where contact in (select unnest(?::varchar[])) "
            "and cast(subject_key as varchar) is distinct from ?",
            [[*mailboxes, *([contact] if contact else [])], subject_key],
        ).fetchall()
    }
    if contact in shared and contact not in mailboxes:
        raise PersonError(
            "the contact point it names is that of an account it does not name"
            if subject_key is None
            else "the contact point it names is that of another account than the one it names"
        )
    theirs = [mailbox for mailbox in mailboxes if mailbox not in shared]
    if contact is not None and contact not in theirs:
        theirs.append(contact)
    former: dict[str, tuple[str, ...]] = {}
    for _, _, table, key in own:
        if key is not None:
            former[table] = (*former.get(table, ()), key)
    return Person(
        subject_key=subject_key,
        contacts=tuple(theirs),
        former=former,
        registers=tuple(dict.fromkeys(row[0] for row in own)),
        shared=frozenset(shared),
    )


def held_on(
    connection: duckdb.DuckDBPyConnection, project: Project, person: Person, pads: Pads
) -> Held:
    """Return everything the governed tables hold on a person.

    The models must have been built just before. One query a raw table, and one or two for what
    becomes of its records.
    """
    governed = project.declarations.governed
    raw = sorted(
        (table for table in governed.values() if not table.is_memory),
        key=lambda table: (not table.is_register, table.name),
    )
    keys, left_out = _keys(connection, project, person)
    tables = []
    not_searched = []
    for table in raw:
        if table.subject is None and table.contact is None and not table.is_former:
            not_searched.append(_described(project, table))
            continue
        rows = _rows(connection, table, person, keys.get(table.name, ()))
        if not rows:
            continue
        states = _states(connection, project, table, person, [key for key, _, _ in rows if key])
        tables.append(
            {
                **_described(project, table),
                "columns": _columns(project, table, rows[0][2]),
                "records": [
                    {
                        "record_key": key,
                        "found_by": found_by,
                        "values": {name: _plain(value) for name, value in values.items()},
                        **states.get(key or "", _UNKNOWN),
                    }
                    for key, found_by, values in rows
                ],
            }
        )
    memory, not_asked = _memory(connection, project, person, pads)
    return Held(
        document={
            "person": {"subject_key": person.subject_key, "contacts": list(person.contacts)},
            "tables": tables,
            "memory": memory,
            "suppressions": _suppressions(connection, project, person, pads),
            "purposes": list(_purposes(connection, project, person)),
            "deliveries": [
                {
                    "campaign": lease.terms.campaign_id,
                    "purpose": lease.terms.purpose,
                    "words": _told(_nearest(lease.terms.purpose)),
                    "as_of": _plain(lease.as_of),
                    "until": _plain(lease.expires_at),
                }
                for lease in leases_with(connection, project.settings, person.own_contacts, pads)
            ],
            "not_searched": [*not_searched, *not_asked],
        },
        tables={str(table["table"]): len(table["records"]) for table in tables},
        left_out=left_out,
    )


def _keys(
    connection: duckdb.DuckDBPyConnection, project: Project, person: Person
) -> tuple[dict[str, tuple[str, ...]], dict[str, int]]:
    """Return the keys of their rows without an account, by table, and what may be another's."""
    records, subjects = project.relation("records"), project.relation("subjects")
    ways = ["(subject_key is null and contact in (select unnest(?::varchar[])))"]
    values: list[Any] = [list(person.contacts)]
    for table, former in person.former.items():
        ways.append("(table_name = ? and record_key in (select unnest(?::varchar[])))")
        values += [table, list(former)]
    found = {
        (table, key): count
        for table, key, count in connection.execute(
            f"select table_name, record_key, count(*) from {records} "
            f"where record_key is not null and ({' or '.join(ways)}) group by all order by all",
            values,
        ).fetchall()
    }
    some = [list({key for _, key in found})]
    there = {
        (table, key): count
        for table, key, count in connection.execute(
            f"select table_name, record_key, count(*) from {records} "
            "where record_key in (select unnest(?::varchar[])) group by all",
            some,
        ).fetchall()
    }
    anothers = set(
        connection.execute(
            f"select former_table, former_key from {subjects} where former_key in "
            "(select unnest(?::varchar[])) and cast(subject_key as varchar) is distinct from ?",
            [*some, person.subject_key],
        ).fetchall()
    )
    ((shared,),) = connection.execute(
        f"select count(*) from {records} where subject_key is null "
        "and contact in (select unnest(?::varchar[]))",
        [list(person.shared - set(person.contacts))],
    ).fetchall()
    keys: dict[str, tuple[str, ...]] = {}
    left_out = Counter({"a mailbox others are registered with": int(shared)})
    for (table, key), count in found.items():
        if (table, key) in anothers:
            left_out["the former row of another account"] += count
        elif there[table, key] != count:
            left_out["a key that stands twice"] += count
        else:
            keys[table] = (*keys.get(table, ()), key)
    return keys, {why: count for why, count in left_out.items() if count}


def _rows(
    connection: duckdb.DuckDBPyConnection,
    table: GovernedTable,
    person: Person,
    keys: Iterable[str],
) -> list[tuple[str | None, str, dict[str, Any]]]:
    """Return the raw rows of a person: key, how it was found, and every column."""
    key = " || '|' || ".join(f"cast({quoted(column)} as varchar)" for column in table.key)
    wanted = [f"{key} in (select unnest(?::varchar[]))"]
    values: list[Any] = [list(keys)]
    subject = f"cast({quoted(table.subject)} as varchar)" if table.subject else "null"
    if table.subject is not None:
        # Asked of the row itself, too: it may have got an owner since the models were built.
        wanted = [f"({wanted[0]} and coalesce({subject}, '') = '')", f"{subject} = ?"]
        values.append(person.subject_key)
    result = connection.execute(
        f"select {key}, {subject}, * from {table.relation_name} where {' or '.join(wanted)} "
        f"order by {', '.join(map(quoted, table.key))}",
        values,
    )
    names = [column[0] for column in (result.description or ())[2:]]
    rows = []
    for record_key, subject_key, *row in result.fetchall():
        found_by = "contact"
        if subject_key is not None and subject_key == person.subject_key:
            found_by = "account"
        elif record_key in person.former.get(table.name, ()):
            found_by = "former account"
        rows.append((record_key, found_by, dict(zip(names, row, strict=True))))
    return rows


def _states(
    connection: duckdb.DuckDBPyConnection,
    project: Project,
    table: GovernedTable,
    person: Person,
    keys: list[str],
) -> dict[str, dict[str, Any]]:
    """Return what becomes of each record of a table: its state, and its classes, by key.

    The clock of a record in a shared mailbox may be the act of another who has it: such a record
    is told without dates.
    """
    rules = rules_of(project)
    asked = [table.name, keys]
    where = "where table_name = ? and record_key in (select unnest(?::varchar[]))"
    found: dict[str, dict[str, Any]] = {
        key: {"state": state, "is_in_shared_mailbox": contact in person.shared, "classes": []}
        for key, state, contact in connection.execute(
            f"select record_key, state, contact from {project.relation('records')} {where}", asked
        ).fetchall()
    }
    for (
        key,
        name,
        clock_at,
        clock_source,
        deadline_at,
        floor_until,
        is_held,
        state,
    ) in connection.execute(
        "select record_key, deletion_class, clock_at, clock_source, deadline_at, floor_until, "
        f"hold_id is not null, state from {project.relation('record_states')} {where} "
        "order by record_key, deadline_at nulls last, deletion_class",
        asked,
    ).fetchall():
        rule = rules.get((table.name, name))
        if found[key]["is_in_shared_mailbox"]:
            clock_at = clock_source = deadline_at = floor_until = None
        found[key]["classes"].append(
            {
                "deletion_class": name,
                "label": _told(rule.label if rule else Words(name, name)),
                "clock": _told(rule.clock) if rule else None,
                "period": _told(period_words(rule.period)) if rule and rule.period else None,
                "action": rule.action if rule else None,
                "legal_basis": _told(rule.bases[0]) if rule else None,
                "clock_at": _plain(clock_at),
                "clock_source": clock_source,
                "deadline_at": _plain(deadline_at),
                "floor_until": _plain(floor_until),
                "is_held": is_held,
                "state": state,
            }
        )
    return found


def _memory(
    connection: duckdb.DuckDBPyConnection, project: Project, person: Person, pads: Pads
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what purges remember of a person, table by table, and tables nobody can ask.

    What `consent.suppressions` says in words is left to it.
    """
    texts = [*person.own_contacts]
    if person.subject_key is not None:
        texts += [f"{register}|{person.subject_key}" for register in person.registers]
    texts += [f"{table}|{key}" for table, keys in person.former.items() for key in keys]
    digests = [digest(text, pads) for text in texts]
    former = [key for keys in person.former.values() for key in keys]
    remembered, not_asked = [], []
    for table in project.declarations.governed.values():
        if not table.is_memory or table.name == "memory.suppressions":
            continue
        digested = [c.column_name for c in table.pii_columns if c.data_category == _DIGEST]
        if table.subject is not None:
            column, values = table.subject, [person.subject_key] if person.subject_key else []
        elif table.is_former:
            column, values = table.key[0], former
        elif digested:
            column, values = digested[0], digests
        else:
            not_asked.append(_described(project, table))
            continue
        if not has_table(connection, table.schema_name, table.identifier):
            continue
        said = [name for name in table.columns if name not in (column, "key_id")]
        rows = connection.execute(
            f"select {', '.join(map(quoted, said))} from {table.relation_name} "
            f"where cast({quoted(column)} as varchar) in (select unnest(?::varchar[])) order by all",
            [values],
        ).fetchall()
        if rows:
            remembered.append(
                {
                    **_described(project, table),
                    "rows": [
                        {name: _plain(value) for name, value in zip(said, row, strict=True)}
                        for row in rows
                    ],
                }
            )
    return remembered, not_asked


def _suppressions(
    connection: duckdb.DuckDBPyConnection, project: Project, person: Person, pads: Pads
) -> list[dict[str, Any]]:
    rows = connection.execute(
        f"select reason, purpose, since from {project.relation('suppressions')} "
        "where contact_digest in (select unnest(?::varchar[])) order by since, reason",
        [[digest(contact, pads) for contact in person.own_contacts]],
    ).fetchall()
    return [
        {"reason": reason, "purpose": purpose, "since": _plain(since)}
        for reason, purpose, since in rows
    ]


def _purposes(
    connection: duckdb.DuckDBPyConnection, project: Project, person: Person
) -> Iterator[dict[str, Any]]:
    """Yield each purpose of the policy, and the audiences for it the person is in now."""
    in_now: dict[str, list[str]] = {}
    for name, node in audiences_of(project).items():
        declared = kigen_of(node)
        subject = declared.get("subject")
        # A row of another account is theirs, whatever mailbox it is sent to.
        column, values = (
            (subject, [person.subject_key] if person.subject_key else [])
            if subject
            else (declared["contact"], list(person.own_contacts))
        )
        ((count,),) = connection.execute(
            f"select count(*) from {node['relation_name']} "
            f"where cast({quoted(column)} as varchar) in (select unnest(?::varchar[]))",
            [values],
        ).fetchall()
        if count:
            in_now.setdefault(declared["purpose"], []).append(name)
    for purpose in project.declarations.purposes.values():
        yield {
            "purpose": purpose.purpose,
            "words": _told(_nearest(purpose.purpose)),
            "message_class": purpose.message_class,
            "needs_consent": purpose.needs_consent,
            "in_audiences": in_now.get(purpose.purpose, []),
        }


def _nearest(purpose: str) -> Words:
    try:
        return nearest(PURPOSE_WORDS, purpose)
    except KeyError:
        return Words(purpose, purpose)


def _described(project: Project, table: GovernedTable) -> dict[str, Any]:
    source = project.manifest["sources"][table.unique_id]
    return {
        "table": table.name,
        "description": source["description"],
        "owner": meta_of(source).get("owner"),
    }


def _columns(
    project: Project, table: GovernedTable, names: Iterable[str]
) -> dict[str, dict[str, Any]]:
    """Return what is declared of each column of the raw table, also of those nobody declared."""
    declared = project.manifest["sources"][table.unique_id]["columns"]
    categories = {column.column_name: column.data_category for column in table.pii_columns}
    if table.subject is not None:
        categories.setdefault(table.subject, "user.unique_id")
    return {
        name: {
            "data_category": categories.get(name),
            "words": _told(category_words(categories[name])) if name in categories else None,
            "description": declared.get(name, {}).get("description") or None,
        }
        for name in names
    }


def _told(words: Words) -> dict[str, str]:
    return {"ja": words.ja, "en": words.en}


def _plain(value: Any) -> Any:
    """Return a value of DuckDB as JSON has it; a time is UTC, a number keeps its digits."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, datetime):
        # The connection's zone is UTC.
        return value.replace(tzinfo=None).isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
