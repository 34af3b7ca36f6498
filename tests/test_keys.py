"""The key of the digests: made once, for its owner alone, and the same in SQL as in Python."""

import hashlib
import hmac
import secrets
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from orchestration.keys import KeyFileError, digest, ensure_key, pads_of, read_pads

TEXTS = ["", "a", "taro@example.com", "山田 太郎", "x" * 500, "quote ' and \\ and \n"]


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys" / "kigen_key.duckdb"
    ensure_key(path)
    return path


def test_key_file_is_for_its_owner_alone(key_file: Path) -> None:
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(key_file.parent.stat().st_mode) == 0o700
    assert [path.name for path in key_file.parent.iterdir()] == [key_file.name]


def test_key_is_made_once(key_file: Path) -> None:
    before = read_pads(key_file)
    ensure_key(key_file)
    assert read_pads(key_file) == before


def test_two_that_come_first_get_one_key(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "kigen_key.duckdb"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ensure_key(path), range(8)))
    assert [found.name for found in path.parent.iterdir()] == [path.name]
    assert len(read_pads(path).inner) == 64


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_key_file_others_can_read_is_refused(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    with pytest.raises(KeyFileError, match=f"has mode 0{mode:o}.*chmod 600"):
        ensure_key(key_file)


def test_file_without_one_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kigen_key.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table pads (key_id varchar, inner_pad blob, outer_pad blob)")
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match="does not hold one key"):
        read_pads(path)
    path.write_bytes(b"not a database")
    with pytest.raises(KeyFileError, match=r"is not one \("):
        read_pads(path)


@pytest.mark.parametrize("text", TEXTS)
def test_digest_is_hmac_sha256(text: str) -> None:
    key = secrets.token_bytes(32)
    expected = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    assert digest(text, pads_of(key)) == expected


def test_digest_of_sql_is_the_digest_of_python(key_file: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"attach '{key_file}' as kigen_key (read_only)")
        connection.execute("create table texts (text varchar)")
        connection.executemany("insert into texts values (?)", [[text] for text in TEXTS])
        rows = connection.execute(
            "select text, sha256(pads.outer_pad || unhex(sha256(pads.inner_pad || encode(text)))) "
            "from texts cross join kigen_key.pads"
        ).fetchall()
    pads = read_pads(key_file)
    assert dict(rows) == {text: digest(text, pads) for text in TEXTS}


def test_pads_do_not_show_in_a_representation(key_file: Path) -> None:
    pads = read_pads(key_file)
    assert repr(pads) == f"Pads(key_id={pads.key_id!r})"
