"""What encryption at rest costs: the same work on a file and on its twins, in turn.

    python benchmarks/encryption.py /tmp/million.duckdb

An encrypted file has DuckDB's newer format, so there are two plain ones: in the format DuckDB
writes by default, and in that one. Three kinds of work, each in a fresh process with two
threads and 8 GB: every column of every table is read; by_hand.sql judges a shop; the whole file
is written anew. CPU seconds are user and system time; only the ratio of one run says anything,
of the least of each.
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
    """Make the twins of a file, and print what each kind of work costs on each."""
    with tempfile.TemporaryDirectory(dir=source.parent) as folder:
        key = Path(folder, "key")
        key.touch(mode=0o600)
        key.write_text(secrets.token_hex(32))
        files = {form: Path(folder, f"{form}.duckdb") for form in ("plain", "newer", "encrypted")}
        keys = {"encrypted": key}
        for form, file in files.items():
            with duckdb.connect() as connection:
                load_cipher(connection)
                _attach(connection, source, "shop_file", None, "read_only")
                _write_copy(connection, file, keys.get(form))
        print("".join(f"{word:>12}" for word in ("work", *files)) + f"   CPU s, least of {ROUNDS}")
        for work in WORK:
            spent: dict[str, list[float]] = {form: [] for form in files}
            for _ in range(ROUNDS):
                for form, file in files.items():
                    done = subprocess.run(
                        [sys.executable, __file__, str(file), "--do", work]
                        + (["--key", str(key)] if form in keys else []),
                        stdout=subprocess.PIPE,
                        text=True,
                        check=True,
                    )
                    spent[form].append(float(done.stdout))
            least = [min(times) for times in spent.values()]
            print(f"{work:>12}" + "".join(f"{seconds:>12.2f}" for seconds in least))
            print(f"{'ratio':>12}" + "".join(f"{each / least[0]:>12.2f}" for each in least))
        sizes = [file.stat().st_size for file in files.values()]
        print(f"{'bytes':>12}" + "".join(f"{size:>12}" for size in sizes))
        print(f"{'ratio':>12}" + "".join(f"{size / sizes[0]:>12.2f}" for size in sizes))


def _attach(
    connection: duckdb.DuckDBPyConnection, file: Path, name: str, key: Path | None, options: str
) -> None:
    if key:
        attach(connection, file, name, key, options)
    else:
        if file.stem == "newer" and not options:
            options = "storage_version 'latest'"
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
