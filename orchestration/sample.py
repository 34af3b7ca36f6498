"""The made-up reference shop of ``seeds/sample``: read, moved to T, and loaded once.

Times in the files are written relative to T (``T-P3Y+P2D``), so that every case of
``docs/sample-shop.md`` is true on whatever day the sample is loaded.

Architecture invariant: nothing is loaded over anything. Where one of the tables is there,
loading is refused: a second load would bring back what was purged (DESIGN, section 4).
No message holds a cell: the people are made up, the habit is not.
"""

import csv
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

import duckdb

from orchestration.declarations import Period

TABLES: Final[dict[str, dict[str, str]]] = {
    "shop.members": {
        "member_id": "bigint",
        "email": "varchar",
        "phone": "varchar",
        "full_name": "varchar",
        "full_name_kana": "varchar",
        "birth_date": "date",
        "gender": "varchar",
        "postal_code": "varchar",
        "prefecture": "varchar",
        "street_address": "varchar",
        "status": "varchar",
        "newsletter_flag": "integer",
        "registered_at": "timestamp",
        "last_login_at": "timestamp",
        "withdrawn_at": "timestamp",
        "legacy_customer_id": "bigint",
        "updated_at": "timestamp",
    },
    "shop.orders": {
        "order_id": "bigint",
        "member_id": "bigint",
        "email": "varchar",
        "recipient_name": "varchar",
        "recipient_phone": "varchar",
        "postal_code": "varchar",
        "street_address": "varchar",
        "total_amount": "decimal(12,2)",
        "ordered_at": "timestamp",
        "delivered_at": "timestamp",
        "status": "varchar",
    },
    "shop.consent_events": {
        "event_id": "bigint",
        "member_id": "bigint",
        "email": "varchar",
        "purpose": "varchar",
        "status": "varchar",
        "occurred_at": "timestamp",
        "source": "varchar",
        "evidence": "varchar",
    },
    "shop.erasure_requests": {
        "request_id": "bigint",
        "member_id": "bigint",
        "email": "varchar",
        "kind": "varchar",
        "requested_at": "timestamp",
        "identity_verified_at": "timestamp",
        "verification_method": "varchar",
        "closed_at": "timestamp",
        "outcome": "varchar",
    },
    "legacy_shop.customers": {
        "customer_id": "bigint",
        "email": "varchar",
        "name01": "varchar",
        "name02": "varchar",
        "status": "varchar",
        "del_flg": "varchar",
        "mailmaga_flg": "varchar",
        # As the old site had them: dates by name, times by type.
        "create_date": "timestamp",
        "update_date": "timestamp",
    },
    "mailing.delivery_lists": {
        "list_id": "bigint",
        "campaign_id": "varchar",
        "purpose": "varchar",
        "created_at": "timestamp",
    },
    "mailing.delivery_list_recipients": {
        "list_id": "bigint",
        "recipient_no": "bigint",
        "member_id": "bigint",
        "email": "varchar",
        "full_name": "varchar",
        "send_status": "varchar",
    },
    "mailing.messages": {
        "message_id": "bigint",
        "campaign_id": "varchar",
        "message_class": "varchar",
        "kind": "varchar",
        "email": "varchar",
        "sent_at": "timestamp",
    },
    "mailing.bounces": {
        "message_id": "bigint",
        "bounced_at": "timestamp",
    },
    "legal.holds": {
        "hold_id": "bigint",
        "member_id": "bigint",
        "email": "varchar",
        "table_name": "varchar",
        "reason": "varchar",
        "placed_at": "timestamp",
        "released_at": "timestamp",
    },
}
"""The raw tables of DESIGN section 4: their columns, in the order of the files, and types.

Not a list of what is governed (that is the manifest's): only what the sample creates.
"""

_PERIOD: Final = (
    r"P(?=[0-9T])(?:([0-9]+)Y)?(?:([0-9]+)M)?(?:([0-9]+)W)?(?:([0-9]+)D)?"
    r"(?:T(?=[0-9])(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+)S)?)?"
)
_STEP: Final = re.compile(rf"([+-]){_PERIOD}", re.ASCII)
_RELATIVE: Final = re.compile(rf"T(?:[+-]{_PERIOD})*", re.ASCII)
_ABSOLUTE: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?: [0-9]{2}:[0-9]{2}:[0-9]{2})?", re.ASCII
)
_CELL_HELP: Final = (
    "write nothing, a date or time like 2016-02-29 or 2016-02-29 10:00:00, "
    "or T with signed ISO 8601 periods like T-P3Y+P2D"
)


class SampleError(Exception):
    """The sample cannot be loaded: where, and what to do. Never what stands in the cell."""


def shift(cell: str, as_of: datetime) -> datetime:
    """Read a time of the sample: an absolute one, or T moved by signed ISO 8601 periods.

    The periods (``P[nY][nM][nW][nD][T[nH][nM][nS]]``) are applied from left to right, as DESIGN
    section 5 adds them: years and months never run past a month's end, then weeks, days and times.

    Arguments: ``cell``, not empty; ``as_of``, T: taken as UTC where it has no zone.
    Returns a time in UTC without a zone. Raises SampleError, without the cell, when it is neither
    or leaves the calendar.
    """
    if _ABSOLUTE.fullmatch(cell):
        try:
            return datetime.fromisoformat(cell)
        except ValueError:
            raise SampleError(f"is no day of the calendar; {_CELL_HELP}") from None
    if not _RELATIVE.fullmatch(cell):
        raise SampleError(f"is not a time; {_CELL_HELP}")
    moment = as_of if as_of.tzinfo is None else as_of.astimezone(UTC).replace(tzinfo=None)
    try:
        for step in _STEP.finditer(cell):
            moment = _moved(moment, step)
    except (OverflowError, ValueError):
        raise SampleError("is before the year 1 or after 9999; write shorter periods") from None
    return moment


def _moved(moment: datetime, step: re.Match[str]) -> datetime:
    sign = -1 if step[1] == "-" else 1
    years, months, weeks, days, hours, minutes, seconds = (
        sign * int(group or 0) for group in step.groups()[1:]
    )
    moved = Period(months=years * 12 + months, days=weeks * 7 + days).added_to(moment)
    return moved + timedelta(hours=hours, minutes=minutes, seconds=seconds)


def load_sample(
    connection: duckdb.DuckDBPyConnection, as_of: datetime, folder: Path
) -> dict[str, int]:
    """Create the raw schemas and tables of DESIGN section 4 and fill them from the files, once.

    Arguments: ``connection``, to the warehouse, with no transaction open; ``as_of``, the T that
    relative times stand for, UTC; ``folder``, with a file ``<schema>__<table>.csv`` for each table.
    Returns the number of rows by table. Raises SampleError when one of the tables is there
    already, or a file is missing or wrong; the warehouse is then as it was.
    """
    rows = {table: list(_rows(folder, table, as_of)) for table in TABLES}
    connection.execute("begin")
    try:
        _refuse_to_load_over(connection)
        for table, columns in TABLES.items():
            connection.execute(f"create schema if not exists {table.split('.')[0]}")
            definitions = ", ".join(f"{column} {kind}" for column, kind in columns.items())
            connection.execute(f"create table {table} ({definitions})")
            if rows[table]:
                # One statement: executemany takes a millisecond a row.
                marks = ", ".join(["(" + ", ".join("?" for _ in columns) + ")"] * len(rows[table]))
                values = [value for row in rows[table] for value in row]
                connection.execute(f"insert into {table} values {marks}", values)
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
    return {table: len(loaded) for table, loaded in rows.items()}


def _refuse_to_load_over(connection: duckdb.DuckDBPyConnection) -> None:
    present = connection.execute(
        "select table_schema || '.' || table_name from information_schema.tables "
        "where table_catalog = current_database() order by all"
    ).fetchall()
    taken = [table for (table,) in present if table in TABLES]
    if taken:
        raise SampleError(
            f"the warehouse has {', '.join(taken)} already, and a second load would bring back "
            "what was purged; use these tables as they are, or name an empty KIGEN_WAREHOUSE"
        )


def _rows(folder: Path, table: str, as_of: datetime) -> Iterator[list[Any]]:
    """Read a table's file as values; a row is named by its place below the header, from 1."""
    path = folder / f"{table.replace('.', '__')}.csv"
    columns = TABLES[table]
    try:
        file = path.open(encoding="utf-8", newline="")
    except OSError as error:
        raise SampleError(
            f"{path}: {error.strerror}; the sample has a file for each table"
        ) from None
    with file:
        lines = csv.reader(file, strict=True)
        try:
            if next(lines, None) != list(columns):
                raise SampleError(f"{path}: the header must be {','.join(columns)}")
            for number, cells in enumerate(lines, start=1):
                if len(cells) != len(columns):
                    raise SampleError(
                        f"{path}, row {number}: has {len(cells)} cells, not {len(columns)}; "
                        "write one for each column of the header"
                    )
                yield [
                    _value(cell, kind, as_of, f"{path}, row {number}, column {column}")
                    for cell, (column, kind) in zip(cells, columns.items(), strict=True)
                ]
        except (csv.Error, UnicodeDecodeError):
            raise SampleError(
                f"{path}, line {lines.line_num}: is not CSV in UTF-8; mend its quotes or encoding"
            ) from None


def _value(cell: str, kind: str, as_of: datetime, place: str) -> Any:
    if cell == "":
        return None
    try:
        return _READERS[kind](cell, as_of)
    except SampleError as error:
        raise SampleError(f"{place}: {error}") from None


def _whole(cell: str, bits: int) -> int:
    if not re.fullmatch(r"-?[0-9]{1,19}", cell, re.ASCII) or not -(2**bits) <= int(cell) < 2**bits:
        raise SampleError(f"is not a whole number of {bits + 1} bits; write digits only")
    return int(cell)


def _money(cell: str) -> Decimal:
    try:
        amount = Decimal(cell)
    except InvalidOperation:
        raise SampleError("is not an amount; write it like 1234.00") from None
    if not amount.is_finite() or abs(amount) >= 10**10 or amount != round(amount, 2):
        raise SampleError("does not fit ten digits and two decimals; write it like 1234.00")
    return amount


_READERS: Final[dict[str, Callable[[str, datetime], Any]]] = {
    "bigint": lambda cell, as_of: _whole(cell, 63),
    "integer": lambda cell, as_of: _whole(cell, 31),
    "decimal(12,2)": lambda cell, as_of: _money(cell),
    "timestamp": shift,
    "date": lambda cell, as_of: shift(cell, as_of).date(),
    "varchar": lambda cell, as_of: cell,
}
