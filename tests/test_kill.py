"""`kigen run` is killed at any point of any step; run again, it ends as if nothing had been.

By SIGKILL, and the calling process alone: its children end with it. The moments are drawn, as a
share of the time that each step took undisturbed, so a kill falls between two statements, into
one, or into a rename. `KIGEN_EXAMPLES` sets how many are drawn, over all steps in turn.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestration.journal import heads
from orchestration.keys import ensure_key
from orchestration.settings import Settings
from tests.faults import RAW, Snapshot, snapshot
from tests.house import REPOSITORY, House
from tests.kigen import call, environment, kill_when

AT = {"KIGEN_AS_OF": "2026-11-02T03:00:00Z"}
STEP = re.compile(r"^  (?:done|failed|refused) +(.+?) +([\d.]+) s$", flags=re.MULTILINE)

# The moments are in the step after the named line, counted from the first: those where most is at stake.
FIRST = ["guard", "ledger chain", "last run"]


@dataclass(frozen=True)
class Left:
    """What a run leaves."""

    raw: Snapshot
    memory: Snapshot
    ledger: list[tuple[Any, ...]]
    journal: dict[int, str]
    certificates: list[str]
    erased: tuple[Any, ...]
    files: list[str]


def left_in(home: Path) -> Left:
    house = House(home)
    record = json.loads((home / "erasure.json").read_text())
    return Left(
        raw=snapshot(house, *RAW),
        memory=snapshot(house, "memory"),
        ledger=house.rows("from purge.purge_ledger order by all"),
        journal=heads(Settings.from_env({"KIGEN_HOME": str(home), **AT})),
        certificates=sorted(path.name for path in (home / "certificates").iterdir()),
        erased=(
            *(record[name] for name in ("erased_purge", "deleted_not_erased_since", "rewrite_of")),
            # All but the time.
            record["said"].split(" at ")[0],
        ),
        files=sorted(
            # A journal is named after the path of its warehouse.
            re.sub(r"^journal/\w+", "journal/this", str(path.relative_to(home)))
            for path in home.rglob("*")
            if path.relative_to(home).parts[0] not in ("dagster", "target", "logs")
        ),
    )  # fmt: skip


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One key for all homes: what the ledger says is made with it."""
    path = tmp_path_factory.mktemp("key") / "kigen_key.duckdb"
    ensure_key(path)
    return path


def new_home(home: Path, key: Path) -> Path:
    (home / "keys").mkdir(parents=True, mode=0o700)
    shutil.copy(key, home / "keys")
    return home


@pytest.fixture(scope="module")
def undisturbed(
    key: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Left, list[tuple[str, float]]]:
    """What an undisturbed run leaves, and its steps with the seconds each took."""
    home = new_home(tmp_path_factory.mktemp("undisturbed") / "data", key)
    began = time.monotonic()
    said = call("run", home=home, **AT)
    assert said.returncode == 0, said.stdout + said.stderr
    steps = [(name, float(took)) for name, took in STEP.findall(said.stdout)]
    rest = time.monotonic() - began - sum(took for _, took in steps)
    # What comes before the first step is said to be done.
    return left_in(home), [("the start", rest / 2), *steps]


def kill_after(seconds: float, home: Path) -> None:
    """Kill a run before it has said that anything is done."""
    with subprocess.Popen(
        [sys.executable, "-m", "orchestration", "run"],
        cwd=REPOSITORY,
        env=environment(home, **AT),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        time.sleep(seconds)
        process.kill()
    assert process.returncode == -signal.SIGKILL


def moments() -> list[tuple[int | str, float]]:
    """The lines after which to kill, by name or by number, and the share of the next step."""
    chance = random.Random(11)
    examples = int(os.environ.get("KIGEN_EXAMPLES", "3"))
    named: list[tuple[int | str, float]] = [
        (name, round(chance.uniform(0.05, 0.95), 3)) for name in FIRST
    ]
    return (named + [(number, round(chance.random(), 3)) for number in range(examples)])[:examples]


@pytest.mark.parametrize(("after", "share"), moments())
def test_run_killed_at_any_moment_ends_the_same_when_run_again(
    undisturbed: tuple[Left, list[tuple[str, float]]],
    key: Path,
    tmp_path: Path,
    after: int | str,
    share: float,
) -> None:
    expected, steps = undisturbed
    names = [name for name, _ in steps]
    place = names.index(after) if isinstance(after, str) else after % (len(steps) - 1)
    home = new_home(tmp_path / "data", key)
    delay = share * steps[place + 1][1]
    if place == 0:
        kill_after(share * steps[0][1], home)
    else:
        done = [0]

        def is_time(line: str) -> bool:
            done[0] += line.startswith("  done ")
            if done[0] == place:
                time.sleep(delay)
            return done[0] == place

        kill_when(is_time, "run", home=home, **AT)
    again = call("run", home=home, **AT)
    assert again.returncode == 0, again.stdout + again.stderr
    found = left_in(home)
    assert found.raw == expected.raw
    assert found.ledger == expected.ledger != []
    assert found.journal == expected.journal == {1: found.ledger[0][-1]}
    assert found.memory == expected.memory
    assert found.certificates == expected.certificates
    assert found.erased == expected.erased
    assert found.files == expected.files
