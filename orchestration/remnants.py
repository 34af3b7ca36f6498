"""What may be left of deleted rows: bytes that a search finds in files, and blocks of a DuckDB file.

A search for text finds what stands in a file as it is; most columns are compressed, so there
the blocks of the old file that hold deleted rows are looked for, each as a whole.

Architecture invariant: what comes out of here is counts by place; no value, and no name of a
file below a place.
"""

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

_CHUNK: Final = 8 * 1024 * 1024
"""Bytes read at a time. Not mapped into memory: a log that is cut short meanwhile would kill us."""

_HEADERS: Final = 3 * 4096
"""Bytes before the first block of a DuckDB file."""

_CHECKSUM: Final = 8
"""Bytes at the start of a block that are its checksum."""


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search of one place came upon."""

    place: str
    files: int
    bytes: int
    found: tuple[int, ...]
    """How many files hold the first of the values looked for, the second, and so on."""
    unreadable: int
    """Files that are there and could not be read: they may hold anything."""


def search(places: Mapping[str, Iterable[Path]], values: Sequence[bytes]) -> tuple[Searched, ...]:
    """Look for values in every regular file of these places; a file that goes meanwhile is none."""
    return tuple(_search(place, files, values) for place, files in places.items())


def files_below(folder: Path, *, but: Collection[Path] = ()) -> Iterator[Path]:
    """Yield every file below a folder, except these files and what is below these folders."""
    for at, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if Path(at, name) not in but)
        yield from (Path(at, name) for name in sorted(files) if Path(at, name) not in but)


def _search(place: str, files: Iterable[Path], values: Sequence[bytes]) -> Searched:
    found = [0] * len(values)
    count = size = unreadable = 0
    for path in files:
        try:
            if not path.is_file():
                continue
            held, read = _values_in(path, values)
        except FileNotFoundError:
            continue
        except OSError:
            unreadable += 1
            continue
        count += 1
        size += read
        for number in held:
            found[number] += 1
    return Searched(place, count, size, tuple(found), unreadable)


def _values_in(path: Path, values: Sequence[bytes]) -> tuple[set[int], int]:
    """Return the numbers of the values that a file holds, and its size in bytes."""
    held: set[int] = set()
    overlap = max(map(len, values), default=1) - 1
    size = 0
    tail = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            size += len(chunk)
            text = tail + chunk
            held |= {number for number, value in enumerate(values) if value in text}
            tail = text[-overlap:] if overlap else b""
    return held, size


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks of a DuckDB file that was just checkpointed, by number."""

    size: int
    live: frozenset[int]
    """Blocks that a segment of a table, or the catalog, uses."""
    stale: frozenset[int]
    """Live blocks with a segment of text that lacks rows: a DELETE leaves their values there.

    Of text only, for a number that all rows have in common is packed the same with fewer rows;
    and without the blocks long texts continue in, which may hold those of survivors alone.
    """
    of_indexes: int
    """How many blocks DuckDB uses beside the live ones; it does not say which."""


def blocks_of(connection: duckdb.DuckDBPyConnection, catalog: str) -> Blocks:
    """Return which blocks of an attached file are in use; it must have been checkpointed."""
    size, used = connection.execute(
        "select block_size, used_blocks from pragma_database_size() where database_name = ?",
        [catalog],
    ).fetchall()[0]
    live = {
        int(block)
        for (block,) in connection.execute(
            "select block_id from pragma_metadata_info(?)", [catalog]
        ).fetchall()
    }
    stale: set[int] = set()
    for schema, table in connection.execute(
        "select schema_name, table_name from duckdb_tables() "
        "where not internal and database_name = ?",
        [catalog],
    ).fetchall():
        name = ".".join('"' + part.replace('"', '""') + '"' for part in (catalog, schema, table))
        segments = connection.execute(
            "select row_group_id, column_path, segment_type in ('VARCHAR', 'BLOB'), start, count, "
            "block_id, additional_block_ids from pragma_storage_info(?)",
            [name],
        ).fetchall()
        for *_, block, more in segments:
            live |= {block, *(more or ())} - {-1}
        stale |= _stale(connection, name, segments)
    return Blocks(int(size), frozenset(live), frozenset(stale), max(0, int(used) - len(live)))


def _stale(
    connection: duckdb.DuckDBPyConnection, table: str, segments: Sequence[tuple[Any, ...]]
) -> set[int]:
    """Return the blocks of a table with a segment of text that lacks a row."""
    # A path of one number is a column's own values, counted in rows; below are parts of them.
    columns = [segment for segment in segments if "," not in segment[1]]
    rows_of: dict[int, int] = {}
    for group, _, _, start, count, *_ in columns:
        rows_of[group] = max(rows_of.get(group, 0), start + count)
    rows, last = connection.execute(f"select count(*), max(rowid) from {table}").fetchall()[0]
    total = sum(rows_of.values())
    if rows == total or (last is not None and last >= total):
        return set()
    begins: dict[int, int] = {}
    begin = 0
    for group in sorted(rows_of):
        begins[group] = begin
        begin += rows_of[group]
    ranges = [
        (begins[group] + start, begins[group] + start + count, block)
        for group, _, is_text, start, count, block, _ in columns
        if is_text and block != -1
    ]
    bounds = sorted({bound for first, end, _ in ranges for bound in (first, end)})
    survivors = dict(
        connection.execute(
            "with bounds as (select unnest(?) as bound) "
            f"select bounds.bound, count(*) from {table} as rows_left "
            "asof join bounds on rows_left.rowid >= bounds.bound group by all",
            [bounds],
        ).fetchall()
    )
    upto = 0
    before: dict[int, int] = {}
    for bound in bounds:
        before[bound] = upto
        upto += survivors.get(bound, 0)
    return {block for first, end, block in ranges if before[end] - before[first] < end - first}


@dataclass(frozen=True, slots=True)
class DeadBlocks:
    """Digests of the blocks of an old file that hold deleted rows."""

    freed: frozenset[bytes]
    """Of blocks nothing uses any more, empty ones left out."""
    stale: frozenset[bytes]
    """Of blocks in use with deleted text in them."""


def dead_blocks(descriptor: int, blocks: Blocks) -> DeadBlocks:
    """Return digests of the blocks of an open file that hold, or may hold, deleted rows.

    The descriptor is the caller's: closing one would give back DuckDB's lock on the file.
    """
    freed: set[bytes] = set()
    stale: set[bytes] = set()
    for number, content in _blocks(descriptor, blocks.size):
        if number in blocks.stale:
            stale.add(_digest(content))
        elif number not in blocks.live and any(content[_CHECKSUM:]):
            freed.add(_digest(content))
    return DeadBlocks(frozenset(freed), frozenset(stale))


def dead_blocks_in(path: Path, blocks: Blocks, dead: DeadBlocks) -> int:
    """Return how many blocks of a new file are a dead block of the old one, whole.

    Whole blocks only: survivors share dictionaries and symbols with the rows that went, so a
    part of a block says nothing. A block with deleted text may be nowhere. One that was freed
    may be a live block of the new file: byte by byte the same, it holds survivors and nothing
    else, as where a table was written twice with the same rows. Anywhere else it may not be,
    less as many blocks as indexes have, which DuckDB does not number.
    """
    stale = freed = 0
    with path.open("rb") as file:
        for number, content in _blocks(file.fileno(), blocks.size):
            digest = _digest(content)
            if digest in dead.stale:
                stale += 1
            elif number not in blocks.live and digest in dead.freed:
                freed += 1
    return stale + max(0, freed - blocks.of_indexes)


def _blocks(descriptor: int, size: int) -> Iterator[tuple[int, bytes]]:
    at = _HEADERS
    number = 0
    while content := os.pread(descriptor, size, at):
        yield number, content
        at += size
        number += 1


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
