"""`kigen` as its users call it: a process of its own, in a home of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.house import REPOSITORY

TIMEOUT = 900
"""Seconds after which a call has hung; a run takes less than a minute."""


def environment(home: Path, **variables: str) -> dict[str, str]:
    """The environment of a call: this process's, and nothing of Kigen's but what is given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KIGEN_")}
    return {**kept, "KIGEN_HOME": str(home), "COLUMNS": "120", **variables}


def call(
    *arguments: str, home: Path, program: Sequence[str] = (), **variables: str
) -> subprocess.CompletedProcess[str]:
    """Call `kigen` and wait for it; `program` calls something else, such as make."""
    return subprocess.run(
        [*(program or (sys.executable, "-m", "orchestration")), *arguments],
        cwd=REPOSITORY,
        env=environment(home, **variables),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def kill_when(
    says: Callable[[str], bool], *arguments: str, home: Path, **variables: str
) -> list[str]:
    """Call `kigen`, and kill it, by SIGKILL and nothing else, when it says something. Returns its lines."""
    with subprocess.Popen(
        [sys.executable, "-m", "orchestration", *arguments],
        cwd=REPOSITORY,
        env={**environment(home, **variables), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if says(line):
                process.send_signal(signal.SIGKILL)
                break
        process.wait()
        assert process.returncode == -signal.SIGKILL, lines
        return lines


def files_that_hold(values: set[str], folder: Path, *, but: set[str]) -> dict[str, int]:
    """Files below a folder that hold one of the values, in UTF-8 or escaped as JSON has it, and how many.

    `but`: names of files that may.
    """
    needles = {value.encode() for value in values}
    needles |= {value.encode("unicode_escape") for value in values}
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in but:
            content = path.read_bytes()
            held = sum(needle in content for needle in needles)
            if held:
                found[str(path.relative_to(folder))] = held
    return found
