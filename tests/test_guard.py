"""The guard stands between the plan and the purge: a red proof of `gate: before` stops it, whichever it is.

Each is planted in turn, and the guard judges. For two of them, or with `KIGEN_EXAMPLES` for so many, `kigen run` is
called, and the fault is planted after everything was built and before the guard looks. That is a run of Dagster's job
`nightly`, and what Dagster keeps of it is looked at too.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.guard import judge
from orchestration.keys import read_pads
from orchestration.project import Project
from orchestration.warehouse import connect
from tests.conftest import T, copy_of, seen_from
from tests.faults import Fault, Snapshot, plant, remains
from tests.house import PROJECT, REPOSITORY, House
from tests.kigen import TIMEOUT, call, environment
from tests.test_purge import FIRST_OF_EACH

AS_OF = f"{T.isoformat()}Z"


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory, template: House) -> House:
    """The sample shop, and a project that plants a fault where it is told one; parsed, not yet run."""
    top = tmp_path_factory.mktemp("guard")
    project = top / "dbt_project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    shutil.copytree(REPOSITORY / "seeds", top / "seeds")
    shutil.copy(REPOSITORY / "tests" / "planted_project" / "plant.sql", project / "macros")
    described = (project / "dbt_project.yml").read_text()
    assert "on-run-end" not in described
    (project / "dbt_project.yml").write_text(f'{described}\non-run-end: "{{{{ plant() }}}}"\n')
    house = copy_of(template, top / "data")
    said = run(House(house.home, project), "select 1")
    assert said.returncode == 0, said.stdout + said.stderr
    # What was due is gone in that house; the next ones begin before it, and need not parse again.
    ready = copy_of(template, top / "ready")
    for part in ("dagster", "target"):
        shutil.copytree(house.home / part, ready.home / part, dirs_exist_ok=True)
    return House(ready.home, project)


def run(house: House, *statements: str) -> subprocess.CompletedProcess[str]:
    return call(
        "run", home=house.home, KIGEN_DBT_PROJECT=str(house.project), KIGEN_AS_OF=AS_OF,
        KIGEN_TEST_FAULT="\n".join(statements),
    )  # fmt: skip


def moved(house: House, home: Path) -> House:
    """A copy that keeps what was parsed."""
    shutil.copytree(house.home, home)
    return House(home, house.project)


def last_run(house: House) -> tuple[str, str]:
    """The job and the status of the last run, as Dagster keeps it."""
    with sqlite3.connect(house.home / "dagster" / "history" / "runs.db") as connection:
        row: tuple[str, str] = connection.execute(
            "select pipeline_name, status from runs order by id desc limit 1"
        ).fetchone()
    return row


@pytest.mark.parametrize("fault", FIRST_OF_EACH, ids=str)
def test_guard_refuses_whichever_proof_is_red(parsed: Project, sample: House, fault: Fault) -> None:
    project = seen_from(parsed, sample)
    pads = read_pads(sample.key)
    with connect(project.settings, read_only=True) as connection:
        assert judge(connection, project, T, pads).passes
    plant(sample, fault)
    if fault.proof == "proof_audience_member_suppressed":
        # A table, for it needs the key: red once it is made anew, as a build does.
        assert sample.dbt("run", "--select", fault.proof, as_of=T).success
    with connect(project.settings, read_only=True) as connection:
        verdict = judge(connection, project, T, pads)
    assert not verdict.passes
    assert any(said.startswith(f"Proof {fault.proof} is red") for said in verdict.refusals)


@pytest.mark.parametrize(
    "fault", FIRST_OF_EACH[: int(os.environ.get("KIGEN_EXAMPLES", "2"))], ids=str
)
def test_proof_planted_red_stops_the_purge(planted: House, tmp_path: Path, fault: Fault) -> None:
    house = moved(planted, tmp_path / "data")
    before = remains(house)

    said = run(house, *fault.statements)

    assert said.returncode == 1, said.stdout + said.stderr
    assert re.search(rf"^Refused: .*Proof {fault.proof} is red", said.stdout, re.MULTILINE)
    assert re.search(r"^  FAILED +guard", said.stdout, re.MULTILINE)
    assert not re.search(r"^  \w+ +purge", said.stdout, re.MULTILINE)
    assert last_run(house) == ("nightly", "FAILURE")
    after: Snapshot = remains(house)
    if fault.proof == "proof_planned_without_notice":
        # The fault itself takes the notices away.
        before.pop("mailing.messages"), after.pop("mailing.messages")
    assert after == before
    assert house.rows("from purge.guard_verdicts") == []


def test_materialize_all_purges_nothing_and_says_so(template: House, tmp_path: Path) -> None:
    """What the button of Dagster's page does: every asset, in no job of Kigen's."""
    house = copy_of(template, tmp_path / "data")
    prepare = "from orchestration.settings import Settings; from orchestration.instance import prepare_home"
    variables = {"KIGEN_WAREHOUSE": str(house.warehouse), "KIGEN_AS_OF": AS_OF}
    told = environment(house.home, DAGSTER_HOME=str(house.home / "dagster"), **variables)
    for program in (
        ["-c", f"{prepare}; prepare_home(Settings.from_env())"],
        [
            "-m",
            "dagster",
            "asset",
            "materialize",
            "--select",
            "*",
            "-m",
            "orchestration.definitions",
        ],
    ):
        before = remains(house)
        assert len(house.rows("from purge.purge_plan")) > 50
        said = subprocess.run(
            [sys.executable, *program], cwd=REPOSITORY, env=told, capture_output=True, text=True,
            timeout=TIMEOUT, check=False,
        )  # fmt: skip
    assert remains(house) == before
    assert (
        "purge_ledger: nothing was purged. There is no verdict of the guard for plan" in said.stderr
    )
