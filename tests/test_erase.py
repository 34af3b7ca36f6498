"""Rewriting the file: what was deleted is gone from its bytes, and all else is still there."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from orchestration import erase
from orchestration.keys import ensure_key

CANARY = "canary-" + "q7x" * 11


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    """A small warehouse with one of everything, a deleted canary in its bytes."""
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        # Without compression the canary would stand in the file as it is.
        connection.execute("pragma force_compression = 'uncompressed'")
        connection.execute("create schema shop")
        connection.execute("create schema staging")
        connection.execute("create table shop.members (member_id bigint, email varchar)")
        connection.execute(
            "insert into shop.members select i, ? || i from range(5000) t(i)", [CANARY]
        )
        connection.execute("checkpoint")
        connection.execute("create sequence shop.numbers start 7")
        connection.execute("select nextval('shop.numbers')")
        connection.execute("create macro shop.twice(x) as x * 2")
        connection.execute("create type shop.mood as enum ('well', 'unwell')")
        connection.execute("create table shop.moods (mood shop.mood, n integer unique)")
        connection.execute("create index by_id on shop.members (member_id)")
        # A view that comes first by name, on one that comes later; as dbt compiles them.
        connection.execute('create view staging.zz as select * from "warehouse"."shop"."members"')
        connection.execute('create view staging.aa as select * from "warehouse"."staging"."zz"')
        connection.execute("delete from shop.members where member_id >= 10")
        connection.execute("update shop.members set email = 'kept'")
        connection.execute("checkpoint")
    path.chmod(0o640)
    return path


def _rewrite(*paths: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "orchestration.erase", *map(str, paths)],
        env={**os.environ, "PYTHONPATH": str(Path(erase.__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_deleted_value_is_in_the_bytes_before_and_not_after(warehouse: Path) -> None:
    assert CANARY.encode() in warehouse.read_bytes()
    assert _rewrite(warehouse).returncode == 0
    assert CANARY.encode() not in warehouse.read_bytes()
    assert sorted(path.name for path in warehouse.parent.iterdir()) == ["warehouse.duckdb"]


def test_everything_else_survives(warehouse: Path) -> None:
    assert _rewrite(warehouse).returncode == 0
    with duckdb.connect(str(warehouse)) as connection:
        found = connection.execute("select count(*), min(email) from staging.aa").fetchall()
        assert found == [(10, "kept")]
        assert connection.execute("select shop.twice(21)").fetchall() == [(42,)]
        assert connection.execute("select nextval('shop.numbers')").fetchall() == [(8,)]
        connection.execute("insert into shop.moods values ('well', 1)")
        with pytest.raises(duckdb.ConstraintException):
            connection.execute("insert into shop.moods values ('unwell', 1)")
    assert stat.S_IMODE(warehouse.stat().st_mode) == 0o640


def test_view_that_reads_the_key_survives(warehouse: Path, tmp_path: Path) -> None:
    key = tmp_path / "keys" / "kigen_key.duckdb"
    ensure_key(key)
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(f"attach '{key}' as kigen_key (read_only)")
        connection.execute("create view staging.ids as select key_id from kigen_key.pads")
    assert _rewrite(warehouse, key).returncode == 0
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(f"attach '{key}' as kigen_key (read_only)")
        assert len(connection.execute("select * from staging.ids").fetchall()) == 1


def test_killed_rewrite_leaves_the_old_file_and_the_next_one_cleans_up(warehouse: Path) -> None:
    left_over = warehouse.with_name(f".{warehouse.name}.unerased")
    left_over.write_bytes(CANARY.encode())
    before = warehouse.read_bytes()
    script = (
        "import os, pathlib, sys\n"
        "from orchestration import erase\n"
        "erase._compare = lambda *a: os.kill(os.getpid(), 9)\n"
        "erase.rewrite_here(pathlib.Path(sys.argv[1]))\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script, str(warehouse)],
        env={**os.environ, "PYTHONPATH": str(Path(erase.__file__).parent.parent)},
        check=False,
    )
    assert killed.returncode == -9
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        assert connection.execute("select count(*) from staging.aa").fetchall() == [(10,)]
    assert len(warehouse.read_bytes()) >= len(before) // 2
    assert _rewrite(warehouse).returncode == 0
    assert not left_over.exists()


def test_rewrite_refuses_while_somebody_writes(warehouse: Path) -> None:
    with duckdb.connect(str(warehouse)):
        refused = _rewrite(warehouse)
    assert refused.returncode == 1
    assert "IOException" in refused.stdout
