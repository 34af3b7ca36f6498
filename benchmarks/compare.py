"""Hold a built warehouse against SQL written by hand: the same answers, and what they cost.

    python benchmarks/compare.py /tmp/million.duckdb                  # by_hand.sql: CPU, and answers
    python benchmarks/compare.py /tmp/million.duckdb --models TARGET  # CPU by model; TARGET is KIGEN_HOME/target
    python benchmarks/compare.py /tmp/million.duckdb --ratio TARGET   # both in turn, three times: the ratio

CPU seconds are user and system time of a fresh process with two threads and 8 GB. A machine that others use
makes all of it slower by turns, so only a ratio of one run says anything: of the least of each.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

BY_HAND = Path(__file__).with_name("by_hand.sql")

ANSWERING = ("audience_newsletter_email", "records_members")
"""The models that give the two answers."""

ANSWERS = {
    "audience": (
        "select email, member_id from audience",
        "select email, cast(member_id as bigint) from audiences.audience_newsletter_email",
    ),
    "expired": (
        "select cast(member_id as varchar), class from expired",
        "select record_key, deletion_class from retention.records"
        " where state = 'expired' and table_name = 'shop.members'",
    ),
}


def run_by_hand(path: Path, as_of: datetime) -> None:
    """Run by_hand.sql on a file, and print what it cost and how the answers compare.

    The file is attached read-only: the answers are temporary tables. Nothing but counts is
    printed. Exits with status 1 if an answer differs.
    """
    with duckdb.connect() as connection:
        connection.execute("set threads = 2; set memory_limit = '8GB'")
        # Under the name dbt gave it: the views of the warehouse call each other by it.
        connection.execute(f"attach '{path}' as \"{path.stem}\" (read_only)")
        connection.execute(f'use "{path.stem}"')
        connection.execute(f"set variable as_of = timestamp '{as_of.isoformat(' ')}'")
        before, clock = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        for statement in connection.extract_statements(BY_HAND.read_text(encoding="utf-8")):
            connection.execute(statement)
        after, elapsed = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter() - clock
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(f"by_hand.sql      {cpu:8.2f} CPU s  {elapsed:8.2f} s")

        schemas = {
            row[0]
            for row in connection.execute("select schema_name from duckdb_schemas()").fetchall()
        }
        is_built = {"audiences", "retention"} <= schemas
        print(f"{'answer':<16} {'by hand':>10} {'kigen':>10} {'hand only':>10} {'kigen only':>10}")
        has_difference = False
        for answer, queries in ANSWERS.items():
            counts = [connection.execute(f"select count(*) from ({queries[0]})").fetchall()[0][0]]
            if is_built:
                left, right = queries
                for query in (right, f"{left} except {right}", f"{right} except {left}"):
                    counts += connection.execute(f"select count(*) from ({query})").fetchall()[0]
                has_difference |= any(counts[2:])
            print(f"{answer:<16}" + "".join(f" {count:>10}" for count in counts))
        if not is_built:
            print("The warehouse has no audiences yet: build it to compare.")
    sys.exit(1 if has_difference else 0)


def run_models(path: Path, target: Path) -> None:
    """Make the tables of the last build anew, one by one, and print the CPU seconds of each.

    What the two answers need is summed up by itself. Only derived tables are touched, and they
    become what they were; incremental ones are left alone.
    """
    manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    models = {
        unique_id: node
        for unique_id, node in manifest["nodes"].items()
        if node["resource_type"] == "model"
    }
    needed: set[str] = set()
    waiting = [u for u, node in models.items() if node["name"] in ANSWERING]
    while waiting:
        unique_id = waiting.pop()
        if unique_id in models and unique_id not in needed:
            needed.add(unique_id)
            waiting += models[unique_id]["depends_on"]["nodes"]
    with duckdb.connect(str(path)) as connection:
        connection.execute("set threads = 2; set memory_limit = '8GB'; set TimeZone = 'UTC'")
        key = target.parent / "keys" / "kigen_key.duckdb"
        connection.execute(f"attach '{key}' as kigen_key (read_only)")
        total, answering = 0.0, 0.0
        for unique_id in _in_order(models):
            node = models[unique_id]
            compiled = target / "compiled" / node["package_name"] / node["original_file_path"]
            is_made = node["config"]["materialized"] == "table" and compiled.exists()
            if not is_made or node["name"] == "as_of":
                continue
            before = resource.getrusage(resource.RUSAGE_SELF)
            statement = compiled.read_text(encoding="utf-8")
            connection.execute(f"create or replace table {node['relation_name']} as {statement}")
            after = resource.getrusage(resource.RUSAGE_SELF)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            total += cpu
            answering += cpu if unique_id in needed else 0
            mark = "*" if unique_id in needed else " "
            print(f"{cpu:8.2f} CPU s {mark} {node['schema']}.{node['name']}")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{total:8.2f} CPU s   in all; peak memory {peak} MB")
        print(f"{answering:8.2f} CPU s * what {' and '.join(ANSWERING)} need")


def run_ratio(path: Path, target: Path, as_of: datetime, times: int = 3) -> None:
    """Run the hand-written SQL and the models in turn, and print the ratio of the least CPU seconds."""
    least = {"by hand": float("inf"), "kigen": float("inf")}
    for _ in range(times):
        for name, arguments in (("by hand", []), ("kigen", ["--models", str(target)])):
            command = [sys.executable, __file__, str(path), "--as-of", as_of.isoformat()]
            told = subprocess.run(
                [*command, *arguments, "--in-this-process"],
                check=False,
                text=True,
                capture_output=True,
            )
            lines = [
                line
                for line in told.stdout.splitlines()
                if line.startswith("by_hand.sql") or " CPU s * what " in line
            ]
            if told.returncode or len(lines) != 1:
                sys.exit(f"{name} failed: {told.stdout}{told.stderr}")
            cpu = float(lines[0].removeprefix("by_hand.sql").split()[0])
            least[name] = min(least[name], cpu)
            print(f"{name:<8} {cpu:8.2f} CPU s", flush=True)
    print(f"{least['kigen'] / least['by hand']:8.2f} times the hand-written SQL")


def _in_order(models: dict[str, Any]) -> list[str]:
    placed: list[str] = []

    def place(unique_id: str) -> None:
        if unique_id in models and unique_id not in placed:
            for parent in models[unique_id]["depends_on"]["nodes"]:
                place(parent)
            placed.append(unique_id)

    for unique_id in sorted(models):
        place(unique_id)
    return placed


def main() -> None:
    """Read the command line; run the hand-written SQL in a process of its own."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("path", type=Path, help="the DuckDB file")
    parser.add_argument("--as-of", type=datetime.fromisoformat, default=datetime(2026, 11, 1))
    parser.add_argument(
        "--models",
        type=Path,
        metavar="TARGET_DIR",
        help="dbt's target folder: measure its models instead",
    )
    parser.add_argument(
        "--ratio", type=Path, metavar="TARGET_DIR", help="run both in turn, and print the ratio"
    )
    parser.add_argument("--in-this-process", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ratio is not None:
        run_ratio(arguments.path, arguments.ratio, arguments.as_of)
    elif arguments.in_this_process and arguments.models is not None:
        run_models(arguments.path, arguments.models)
    elif arguments.in_this_process:
        run_by_hand(arguments.path, arguments.as_of)
    else:
        command = [sys.executable, __file__, *sys.argv[1:], "--in-this-process"]
        sys.exit(subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    main()
