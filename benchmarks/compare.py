"""Hold a built warehouse against SQL written by hand: the same answers, and what they cost.

    python benchmarks/compare.py /tmp/shop.duckdb                  # by_hand.sql: CPU, and answers
    python benchmarks/compare.py /tmp/shop.duckdb --models TARGET  # run_results.json, by model

CPU seconds are user and system time of a fresh process with two threads and 8 GB.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import duckdb

BY_HAND = Path(__file__).with_name("by_hand.sql")

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


def show_models(target: Path) -> None:
    """Print the execution time of each node of the last dbt run, the slowest first."""
    results = json.loads((target / "run_results.json").read_text(encoding="utf-8"))["results"]
    times = sorted(((r["execution_time"], r["unique_id"]) for r in results), reverse=True)
    for seconds, unique_id in times:
        print(f"{seconds:8.2f} s  {unique_id}")
    print(f"{sum(seconds for seconds, _ in times):8.2f} s  in all")


def main() -> None:
    """Read the command line; run the hand-written SQL in a process of its own."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("path", type=Path, help="the DuckDB file")
    parser.add_argument("--as-of", type=datetime.fromisoformat, default=datetime(2026, 11, 1))
    parser.add_argument("--models", type=Path, metavar="TARGET_DIR", help="dbt's target folder")
    parser.add_argument("--in-this-process", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.models is not None:
        show_models(arguments.models)
    elif arguments.in_this_process:
        run_by_hand(arguments.path, arguments.as_of)
    else:
        command = [sys.executable, __file__, *sys.argv[1:], "--in-this-process"]
        sys.exit(subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    main()
