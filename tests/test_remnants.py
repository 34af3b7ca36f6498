"""What is left of deleted rows is found: as text in files, and as whole blocks of a DuckDB file."""

import os
import shutil
from pathlib import Path

import duckdb
import pytest

from orchestration import remnants
from orchestration.remnants import (
    Blocks,
    DeadBlocks,
    Searched,
    blocks_of,
    dead_blocks,
    dead_blocks_in,
    files_below,
    search,
)

VALUE = b"somebody@example.com"


def test_search_counts_files_by_place_and_value(tmp_path: Path) -> None:
    (tmp_path / "logs" / "deep").mkdir(parents=True)
    (tmp_path / "logs" / "a.log").write_bytes(b"x" + VALUE + VALUE)
    (tmp_path / "logs" / "deep" / "b.log").write_bytes(b"\0" * 99 + VALUE)
    (tmp_path / "logs" / "c.log").write_bytes(b"other")
    (tmp_path / "logs" / "empty").touch()
    places = {"logs": files_below(tmp_path / "logs"), "none": [tmp_path / "not there"]}
    assert search(places, [VALUE, b"other", b"nothing"]) == (
        Searched("logs", files=4, bytes=41 + 119 + 5, found=(2, 1, 0), unreadable=0),
        Searched("none", files=0, bytes=0, found=(0, 0, 0), unreadable=0),
    )


@pytest.mark.parametrize("before", range(40))
def test_value_is_found_wherever_a_read_ends(
    before: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remnants, "_CHUNK", 16)
    path = tmp_path / "file"
    path.write_bytes(b"-" * before + VALUE + b"-" * 7)
    assert search({"here": [path]}, [VALUE, b"zz"])[0].found == (1, 0)


def test_excepted_folders_and_files_are_left_out(tmp_path: Path) -> None:
    for name in ("keys/a", "logs/b", "logs/c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(VALUE)
    but = {tmp_path / "keys", tmp_path / "logs" / "c"}
    assert list(files_below(tmp_path, but=but)) == [tmp_path / "logs" / "b"]


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert search({"here": files_below(tmp_path)}, [VALUE])[0].files == 0


def test_file_that_cannot_be_read_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(VALUE)

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(remnants, "_values_in", refuse)
    assert search({"here": [tmp_path / "file"]}, [VALUE]) == (Searched("here", 0, 0, (0,), 1),)


# Blocks.


class File:
    """A DuckDB file, and what is known of its blocks."""

    def __init__(self, path: Path, *statements: str) -> None:
        self.path = path
        with duckdb.connect(str(path)) as connection:
            for statement in (*statements, "force checkpoint"):
                connection.execute(statement)
            self.blocks = blocks_of(connection, path.stem)
            self.total, self.free = connection.execute(
                "select total_blocks, free_blocks from pragma_database_size()"
            ).fetchall()[0]

    def dead(self) -> DeadBlocks:
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            return dead_blocks(descriptor, self.blocks)
        finally:
            os.close(descriptor)

    def copy(self, name: str) -> "File":
        path = self.path.with_name(name)
        with duckdb.connect(str(self.path)) as connection:
            connection.execute(f"attach '{path}' as copied")
            connection.execute(f"copy from database {self.path.stem} to copied")
        return File(path)

    def append(self, other: "File", number: int) -> None:
        size = other.blocks.size
        content = other.path.read_bytes()[3 * 4096 + number * size :][:size]
        with self.path.open("ab") as file:
            file.write(content)


TABLE = (
    "create table people as select i, md5(i::varchar) as name, 'p' || md5(i::varchar) as pet, "
    "case when i % 100 = 0 then repeat(md5(i::varchar), 300) end as life, "
    "{'a': i, 'b': [md5(i::varchar)]} as nested from range(40000) t(i)",
    "force checkpoint",
)
"""Text in several segments, long text that has blocks of its own, and nested columns."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("blocks")


@pytest.fixture(scope="module")
def dropped(folder: Path) -> File:
    """All of a table has gone: its blocks are free, but for those at the end, which are cut off."""
    last = "create table last as select md5(i::varchar) as text from range(20000) t(i)"
    return File(folder / "dropped.duckdb", *TABLE, last, "force checkpoint", "drop table people")


@pytest.fixture(scope="module")
def thinned(folder: Path) -> File:
    """Of a table a few rows have gone: DuckDB leaves its blocks as they are."""
    return File(folder / "thinned.duckdb", *TABLE, "delete from people where i between 50 and 99")


@pytest.mark.parametrize("name", ["dropped", "thinned"])
def test_every_block_is_accounted_for(name: str, request: pytest.FixtureRequest) -> None:
    file: File = request.getfixturevalue(name)
    assert len(file.blocks.live) + file.free == file.total
    assert file.blocks.of_indexes == 0
    assert file.blocks.stale <= file.blocks.live


def test_freed_block_is_found_in_a_file_that_has_it(dropped: File) -> None:
    dead = dropped.dead()
    assert len(dead.freed) > 5
    assert not dead.stale
    copy = dropped.copy("new.duckdb")
    assert dead_blocks_in(copy.path, copy.blocks, dead) == 0
    copy.append(dropped, max(set(range(dropped.total)) - dropped.blocks.live - {0}))
    assert dead_blocks_in(copy.path, copy.blocks, dead) == 1


def test_block_with_deleted_text_is_found_even_in_use(thinned: File) -> None:
    dead = thinned.dead()
    # The rows that went stood in the first of the segments, and nowhere else.
    assert 0 < len(dead.stale) < len(thinned.blocks.live) / 2
    copy = thinned.copy("thin.duckdb")
    assert dead_blocks_in(copy.path, copy.blocks, dead) == 0
    verbatim = thinned.path.with_name("verbatim.duckdb")
    shutil.copy(thinned.path, verbatim)
    assert dead_blocks_in(verbatim, thinned.blocks, dead) == len(thinned.blocks.stale)


def test_rows_written_twice_are_no_false_alarm(folder: Path) -> None:
    """As where dbt builds a table anew: what was freed has the same bytes as what is in use.

    Of numbers, for DuckDB samples texts at random before it packs them, and writes into a block
    of long text the number of the next one.
    """
    file = File(
        folder / "twice.duckdb",
        "create table people as select hash(i) as name from range(500000) t(i)",
        "force checkpoint",
        "create table again as from people",
        "force checkpoint",
        "drop table people",
    )
    dead = file.dead()
    copy = file.copy("once.duckdb")
    nothing_is_live = Blocks(copy.blocks.size, frozenset(), frozenset(), 0)
    assert dead_blocks_in(copy.path, nothing_is_live, dead) > 5
    assert dead_blocks_in(copy.path, copy.blocks, dead) == 0


def test_index_has_blocks_that_duckdb_does_not_number(folder: Path) -> None:
    index = "create index by_name on people (name)"
    file = File(folder / "index.duckdb", *TABLE, index)
    assert file.blocks.of_indexes > 0
    assert len(file.blocks.live) + file.blocks.of_indexes + file.free == file.total
    copy = file.copy("indexed.duckdb")
    assert dead_blocks_in(copy.path, copy.blocks, file.dead()) == 0
