"""What encryption at rest costs: the same work on a file and on its encrypted twin, in turn.

    python benchmarks/encryption.py /tmp/million.duckdb

Three kinds of work, each in a fresh process with two threads and 8 GB: every column of every
table is read; by_hand.sql judges a shop; the whole file is written anew. CPU seconds are user
and system time; only the ratio of one run says anything, of the least of each.
"""

import argparse
import resource
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

from orchestration.encryption import attach, load_cipher

BY_HAND = Path(__file__).with_name("by_hand.sql")
WORK = ("read", "judge", "write")
ROUNDS = 3


def do(work: str, file: Path, key: Path | None) -> float:
    """Do one kind of work on a file in this process, and return its CPU seconds."""
    with duckdb.connect() as connection:
        connection.execute("set threads = 2; set memory_limit = '8GB'")
        load_cipher(connection)
        _attach(connection, file, "shop_file", key, "read_only")
        connection.execute("use shop_file")
        before = resource.getrusage(resource.RUSAGE_SELF)
        if work == "read":
            for schema, table in _tables(connection):
                connection.execute(f'select bit_xor(hash(t)) from "{schema}"."{table}" as t')
        elif work == "judge":
            connection.execute("set variable as_of = timestamp '2026-11-01'")
            for statement in connection.extract_statements(BY_HAND.read_text(encoding="utf-8")):
                connection.execute(statement)
        else:
            _write_copy(connection, file.with_suffix(".copy"), key)
        after = resource.getrusage(resource.RUSAGE_SELF)
    file.with_suffix(".copy").unlink(missing_ok=True)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compare(source: Path) -> None:
    """Make an encrypted twin of a file, and print what each kind of work costs on both."""
    with tempfile.TemporaryDirectory(dir=source.parent) as folder:
        key = Path(folder, "key")
        key.touch(mode=0o600)
        key.write_text(secrets.token_hex(32))
        files = {"plain": Path(folder, "plain.duckdb"), "encrypted": Path(folder, "secret.duckdb")}
        keys = {"plain": None, "encrypted": key}
        for form, file in files.items():
            with duckdb.connect() as connection:
                load_cipher(connection)
                _attach(connection, source, "shop_file", None, "read_only")
                _write_copy(connection, file, keys[form])
        print(f"{'work':<8}{'plain':>10}{'encrypted':>12}{'ratio':>8}   CPU s, least of {ROUNDS}")
        for work in WORK:
            spent: dict[str, list[float]] = {form: [] for form in files}
            for _ in range(ROUNDS):
                for form, file in files.items():
                    done = subprocess.run(
                        [sys.executable, __file__, str(file), "--do", work]
                        + (["--key", str(key)] if keys[form] else []),
                        stdout=subprocess.PIPE,
                        text=True,
                        check=True,
                    )
                    spent[form].append(float(done.stdout))
            plain, encrypted = (min(spent[form]) for form in files)
            print(f"{work:<8}{plain:>10.2f}{encrypted:>12.2f}{encrypted / plain:>8.2f}")
        sizes = [file.stat().st_size for file in files.values()]
        print(f"{'bytes':<8}{sizes[0]:>10}{sizes[1]:>12}{sizes[1] / sizes[0]:>8.2f}")


def _attach(
    connection: duckdb.DuckDBPyConnection, file: Path, name: str, key: Path | None, options: str
) -> None:
    if key:
        attach(connection, file, name, key, options)
    else:
        connection.execute(f"attach '{file}' as {name}" + (f" ({options})" if options else ""))


def _write_copy(connection: duckdb.DuckDBPyConnection, file: Path, key: Path | None) -> None:
    _attach(connection, file, "copied", key, "")
    connection.execute("copy from database shop_file to copied")
    connection.execute("checkpoint copied")
    connection.execute("detach copied")


def _tables(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    rows = connection.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = 'shop_file'"
    ).fetchall()
    return [(schema, table) for schema, table in rows]


def main() -> None:
    """Read the arguments, and do one kind of work or compare all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("path", type=Path, help="the DuckDB file of a shop")
    parser.add_argument("--do", choices=WORK, help=argparse.SUPPRESS)
    parser.add_argument("--key", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.do:
        print(do(arguments.do, arguments.path, arguments.key))
    else:
        compare(arguments.path)


if __name__ == "__main__":
    main()
