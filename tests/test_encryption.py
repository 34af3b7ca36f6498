"""Encryption at rest: the file says nothing without its key, and all else is as with a plain one."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration import encryption
from orchestration.encryption import (
    EncryptionError,
    check_key,
    is_encrypted,
    make_warehouse_key,
    read_warehouse_key,
)
from orchestration.erase import (
    EraseError,
    NotVerifiedError,
    note_deleted,
    plant_and_delete,
    rewrite,
)
from orchestration.recrypt import recrypt
from orchestration.settings import Settings
from orchestration.warehouse import WarehouseBusyError, connect
from tests.conftest import T
from tests.house import House, failures

PERSON = b"@example.com"
RUN = "a-run"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A warehouse key, apart from the file."""
    path = tmp_path / "secrets" / "warehouse.key"
    make_warehouse_key(path)
    return path


def settings_of(house: House, key: Path | None = None) -> Settings:
    return Settings.from_env(
        {**house.environment(T), "KIGEN_WAREHOUSE_KEY": str(key) if key else ""}
    )


@pytest.fixture
def encrypted(sample: House, key: Path) -> Settings:
    """The sample shop, built, in an encrypted file."""
    recrypt(settings_of(sample), key, RUN)
    return settings_of(sample, key)


def rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    with connect(settings, read_only=True) as connection:
        return connection.execute(query).fetchall()


def everything(settings: Settings) -> dict[str, tuple[Any, ...]]:
    """What every table holds, as a count and a digest."""
    with connect(settings, read_only=True) as connection:
        tables = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() "
            "where database_name = current_database() and table_name <> 'canaries' order by all"
        ).fetchall()
        return {
            table: connection.execute(
                f"select count(*), bit_xor(hash(t)) from {table} as t"
            ).fetchall()[0]
            for (table,) in tables
        }


def files_with(folder: Path, text: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text in path.read_bytes()]


# The key.


def test_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "key"
    make_warehouse_key(path)
    key = read_warehouse_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(bytes.fromhex(key)) == 32
    make_warehouse_key(path)
    assert read_warehouse_key(path) == key
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("short\n", 0o600, "is not one line of at least 32 characters"),
        ("", 0o600, "is not one line of at least 32 characters"),
        ("a" * 32 + "\n" + "b" * 32, 0o600, "is not one line of at least 32 characters"),
        ("a" * 64, 0o640, "run `chmod 600"),
        (None, 0o600, "put it back from your backup"),
    ],
)
def test_key_that_is_none_is_refused(
    tmp_path: Path, text: str | None, mode: int, said: str
) -> None:
    path = tmp_path / "key"
    if text is not None:
        path.write_text(text)
        path.chmod(mode)
    with pytest.raises(EncryptionError, match=said) as raised:
        read_warehouse_key(path)
    assert str(path) in str(raised.value)
    assert not text or text.strip() not in str(raised.value)


def test_file_and_key_go_together_or_are_refused(tmp_path: Path, key: Path) -> None:
    plain, none = tmp_path / "plain.duckdb", tmp_path / "none.duckdb"
    duckdb.connect(str(plain)).close()
    check_key(plain, None)
    check_key(none, key)
    with pytest.raises(
        EncryptionError, match="is not encrypted, though KIGEN_WAREHOUSE_KEY is set"
    ):
        check_key(plain, key)
    secret = tmp_path / "secret.duckdb"
    with duckdb.connect() as connection:
        encryption.enter(connection, secret, key)
    assert (is_encrypted(secret), is_encrypted(plain), is_encrypted(key)) == (True, False, False)
    check_key(secret, key)
    with pytest.raises(EncryptionError, match="is encrypted, and KIGEN_WAREHOUSE_KEY names no key"):
        check_key(secret, None)
    with pytest.raises(EncryptionError, match="cannot be read"):
        check_key(secret, tmp_path / "lost")


def test_to_look_at_a_file_gives_back_no_lock(sample: House) -> None:
    """A process that closes a file gives back every lock it has on it, DuckDB's among them."""
    with duckdb.connect(str(sample.warehouse)):
        assert not is_encrypted(sample.warehouse)
        with pytest.raises(EncryptionError, match="is not encrypted, though"):
            check_key(sample.warehouse, sample.key)
        script = "import duckdb, sys; duckdb.connect(sys.argv[1])"
        other = subprocess.run(
            [sys.executable, "-c", script, sample.warehouse],
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Could not set lock on file" in other.stderr


def test_refusals_name_the_variable(sample: House, encrypted: Settings, key: Path) -> None:
    """By every way the file is opened: Python's, and dbt's."""
    with pytest.raises(EncryptionError, match="KIGEN_WAREHOUSE_KEY names no key"):
        rows(settings_of(sample), "select 1")
    refused = sample.dbt("run", "--select", "stg_members", as_of=T)
    assert "KIGEN_WAREHOUSE_KEY names no key" in str(refused.exception)
    recrypt(encrypted, None, RUN)
    with pytest.raises(EncryptionError, match="though KIGEN_WAREHOUSE_KEY is set"):
        rows(encrypted, "select 1")
    refused = replace(sample, warehouse_key=key).dbt("run", "--select", "stg_members", as_of=T)
    assert "though KIGEN_WAREHOUSE_KEY is set" in str(refused.exception)


def test_another_key_does_not_open_the_file(encrypted: Settings, tmp_path: Path) -> None:
    make_warehouse_key(tmp_path / "other")
    other = replace(encrypted, warehouse_key=tmp_path / "other")
    with pytest.raises(EncryptionError, match="does not open"), connect(other, read_only=True):
        pass


def test_without_the_wheel_nothing_is_written(
    sample: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    settings = replace(
        settings_of(sample), warehouse=tmp_path / "new.duckdb", warehouse_key=tmp_path / "key"
    )
    with (
        pytest.raises(EncryptionError, match="pip install duckdb-extension-httpfs=="),
        connect(settings, read_only=False),
    ):
        pass
    assert not settings.warehouse.exists()


# What stands in the file, and what beside it.


def test_nothing_readable_is_written(tmp_path: Path, house: House, key: Path) -> None:
    settings = settings_of(house, key)
    settings.home.mkdir(exist_ok=True)
    with connect(settings, read_only=False) as connection:
        connection.execute("create schema memory")
        connection.execute("create table memory.mailboxes (email varchar)")
        connection.execute("checkpoint")
        connection.execute("insert into memory.mailboxes values ('somebody@example.com')")
        wal = settings.warehouse.with_name("warehouse.duckdb.wal")
        assert wal.stat().st_size > 0
        assert PERSON not in wal.read_bytes()
        # The catalogs are those of a plain file, and what spills is encrypted and beside it.
        names = connection.execute("select database_name from duckdb_databases()").fetchall()
        assert {name for (name,) in names} == {"warehouse", "kigen_key", "system", "temp"}
        assert connection.execute(
            "select current_setting('temp_file_encryption'), current_setting('temp_directory')"
        ).fetchall() == [(True, f"{settings.warehouse}.tmp")]
    assert is_encrypted(settings.warehouse)
    assert files_with(tmp_path, PERSON) == []
    assert rows(settings, "from memory.mailboxes") == [("somebody@example.com",)]


def test_what_spills_is_not_readable(tmp_path: Path, house: House, key: Path) -> None:
    """A sort that has no room in memory writes what it sorts; DuckDB has it on the disk meanwhile."""
    script = """
import sys
from pathlib import Path
from orchestration.settings import Settings
from orchestration.warehouse import connect

settings = Settings.from_env()
with connect(settings, read_only=False) as connection:
    connection.execute("set memory_limit = '60MB'; set threads = 1")
    connection.execute(
        "create table people as select i, 'somebody' || hash(i) || '@example.com' as email "
        "from range(1500000) t(i)"
    )
    result = connection.execute("select * from people order by hash(email)")
    result.fetchmany(1)
    spilled = list(Path(f"{settings.warehouse}.tmp").glob("*"))
    print(len(spilled), sum(b"@example.com" in path.read_bytes() for path in spilled))
"""
    house.home.mkdir(parents=True, exist_ok=True)
    for path, expected_readable in ((key, False), (None, True)):
        settings = settings_of(house, path)
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, **settings.environment()},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        spilled, readable = map(int, done.stdout.split())
        assert spilled > 0
        # Without the key it is: so the search can see.
        assert bool(readable) is expected_readable
        settings.warehouse.unlink()


def test_another_form_changes_no_row(sample: House, key: Path, tmp_path: Path) -> None:
    plain = settings_of(sample)
    before = everything(plain)
    assert PERSON in plain.warehouse.read_bytes()
    recrypt(plain, key, RUN)
    encrypted = replace(plain, warehouse_key=key)
    assert PERSON not in plain.warehouse.read_bytes()
    assert everything(encrypted) == before
    with pytest.raises(EncryptionError, match=r"is encrypted with the key .* already"):
        recrypt(encrypted, key, RUN)
    other = tmp_path / "others" / "key"
    recrypt(encrypted, other, RUN)
    with pytest.raises(EncryptionError, match="does not open"):
        everything(encrypted)
    renewed = replace(plain, warehouse_key=other)
    assert everything(renewed) == before
    recrypt(renewed, None, RUN)
    assert not is_encrypted(plain.warehouse)
    assert everything(plain) == before
    with pytest.raises(EncryptionError, match="is not encrypted already"):
        recrypt(plain, None, RUN)
    assert list(plain.warehouse.parent.glob(".warehouse*")) == []


def test_key_does_not_lie_beside_the_file(sample: House) -> None:
    settings = settings_of(sample)
    with pytest.raises(EncryptionError, match="would lie beside the file"):
        recrypt(settings, settings.home / "key", RUN)
    assert not (settings.home / "key").exists()
    assert not is_encrypted(settings.warehouse)


def test_killed_on_the_way_the_file_is_whole_and_says_which(sample: House, key: Path) -> None:
    """Killed before the swap it is the plain one, after it the encrypted one; again, and it is done."""
    settings = settings_of(sample)
    before = everything(settings)
    plant_and_delete(settings, RUN)
    for point, is_done in (("sync(copy)", False), ("sync(source.parent)", True)):
        script = (
            "import os, sys; from orchestration import erase\n"
            f"text = open(erase.__file__).read().replace({point!r}, 'os._exit(9)')\n"
            "exec(compile(text.replace('if __name__', 'if 0 and __name__'), 'erase', 'exec'))\n"
            f"main([{RUN!r}, '1', {str(key)!r}])"
        )
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, **settings.environment()},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 9, done.stderr[-2000:]
        assert is_encrypted(settings.warehouse) is is_done
        now = replace(settings, warehouse_key=key if is_done else None)
        assert everything(now) == before
    other = key.with_name("another")
    recrypt(now, other, "next")
    assert everything(replace(settings, warehouse_key=other)) == before
    assert list(settings.warehouse.parent.glob(".warehouse*")) == []


def test_whoever_has_the_file_is_named(encrypted: Settings) -> None:
    script = (
        "import sys; from orchestration.settings import Settings\n"
        "from orchestration.warehouse import connect\n"
        "with connect(Settings.from_env(), read_only=True): print(1, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, **encrypted.environment()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with (
            pytest.raises(WarehouseBusyError, match=f"is open in process {holder.pid}"),
            connect(encrypted, read_only=False, wait=0.2),
        ):
            pass
        holder.communicate(b"\n")


# The pipeline, and the erasure.


def test_dbt_builds_and_purges_as_in_a_plain_file(
    encrypted: Settings, sample: House, purged_template: House
) -> None:
    """Also the key stands nowhere that dbt writes, compiled SQL and manifest among it."""
    assert encrypted.warehouse_key is not None
    key = read_warehouse_key(encrypted.warehouse_key)
    house = replace(sample, warehouse_key=encrypted.warehouse_key)
    purge = house.purge(T)
    assert purge.success, failures(purge)
    house.build(T)
    plain = everything(settings_of(purged_template))
    # The others hold moments of the clock on the wall, and what was digested of them.
    told = (
        "retention.record_states",
        "retention.records",
        "audiences.audience_newsletter_email",
        "shop.members",
        "shop.orders",
    )
    found = everything(encrypted)
    assert set(found) == set(plain)
    assert {table: found.get(table) for table in told} == {
        table: plain.get(table) for table in told
    }
    assert {table: n for table, (n, _) in found.items()} == {
        table: n for table, (n, _) in plain.items()
    }
    assert files_with(house.home, key.encode()) == []
    assert PERSON not in encrypted.warehouse.read_bytes()


@pytest.fixture
def deleted(encrypted: Settings) -> Settings:
    """An encrypted warehouse in which a purge has deleted its canary."""
    plant_and_delete(encrypted, RUN)
    note_deleted(encrypted, RUN)
    return encrypted


def test_erasure_of_an_encrypted_file_is_verified_by_its_rows(deleted: Settings) -> None:
    inode = deleted.warehouse.stat().st_ino
    verification = rewrite(deleted, RUN).verification
    assert deleted.warehouse.stat().st_ino != inode
    assert is_encrypted(deleted.warehouse)
    assert verification["encrypted"] is True
    assert verification["kept_canary_found"] is True
    assert verification["deleted_canary_found"] == verification["never_canary_found"] == 0
    # What cannot be known of an encrypted file is not claimed.
    assert "freed_blocks" not in verification
    assert verification["old_file_held_deleted_canary"] is None


def rewritten_by(settings: Settings, lines: str) -> dict[str, Any]:
    """What a rewriting says in which some of the module is another."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys\nfrom orchestration import erase\n{lines}\nerase.main([{RUN!r}, '1'])",
        ],
        env={**os.environ, **settings.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr[-2000:]
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            "def plainly(connection, copy, name, key, options):\n"
            "    connection.execute(f\"attach '{copy}' as {name} ({options})\")\n"
            "erase.attach = plainly",
            "is not encrypted",
        ),
        (
            "swap = erase._swap\n"
            "def append(settings, copy, source):\n"
            "    swap(settings, copy, source)\n"
            "    canaries = erase.canaries_of(erase.read_pads(settings.key), 'a-run')\n"
            "    with source.open('ab') as file: file.write(canaries.kept.encode())\n"
            "erase._swap = append",
            "stands readable in it",
        ),
        (
            "verify = erase._verify\n"
            "def planted(settings, needles):\n"
            "    with erase.connect(settings, read_only=False) as connection:\n"
            "        connection.execute('insert into purge.canaries values (?, ?)',"
            " ['deleted', needles[0].decode()])\n"
            "    return verify(settings, needles)\n"
            "erase._verify = planted",
            "a canary that must not be there is in the warehouse file",
        ),
        (
            "verify = erase._verify\n"
            "def lost(settings, needles):\n"
            "    with erase.connect(settings, read_only=False) as connection:\n"
            "        connection.execute('delete from purge.canaries')\n"
            "    return verify(settings, needles)\n"
            "erase._verify = lost",
            "the canary that was kept is not found in the warehouse file",
        ),
    ],
)
def test_planted_faults_of_an_encrypted_rewriting_are_found(
    deleted: Settings, fault: str, said: str
) -> None:
    told = rewritten_by(deleted, fault)
    assert said in told.get("unverified", "") + told.get("refusal", "")


def test_left_over_in_the_clear_is_found(deleted: Settings) -> None:
    canaries = rewritten_by(
        deleted,
        "canaries = erase.canaries_of(erase.read_pads(erase.Settings.from_env().key), 'a-run')\n"
        "folder = erase.Settings.from_env().home / 'target'\n"
        "folder.mkdir(exist_ok=True)\n"
        "(folder / 'left').write_text(canaries.deleted)",
    )
    assert "KIGEN_HOME/target" in canaries["unverified"]
    with pytest.raises(NotVerifiedError, match="The file is the new one, whole"):
        rewrite(deleted, RUN)
    (deleted.home / "target" / "left").unlink()
    rewrite(deleted, RUN)


def test_refusal_says_which_file_it_is(sample: House, key: Path) -> None:
    settings = settings_of(sample)
    twin = settings.warehouse.with_name("twin")
    os.link(settings.warehouse, twin)
    with pytest.raises(EraseError, match=r"was not written anew: .*hard links.*is the old one"):
        recrypt(settings, key, RUN)
    assert not is_encrypted(settings.warehouse)
