"""`make run` as a newcomer calls it: what it says, what it leaves, and what it never shows."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from tests.comparison import Answers, shown
from tests.faults import RAW, Snapshot, remains, snapshot
from tests.house import PROJECT, REPOSITORY, House
from tests.kigen import call, files_that_hold
from tests.test_purge import personal_values

MAKE = ("make", "--no-print-directory")
SECRET = {"warehouse.duckdb", "kigen_key.duckdb"}


@dataclass(frozen=True)
class Night:
    """What a call of `make run` said, and what it left."""

    said: subprocess.CompletedProcess[str]
    answers: Answers
    remains: Snapshot


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run") / "data"


@pytest.fixture(scope="module")
def nights(home: Path) -> list[Night]:
    """`make run`, twice, where there is nothing yet."""
    house, nights = House(home), []
    for _ in range(2):
        said = call("run", home=home, program=MAKE)
        nights.append(Night(said, shown(house), remains(house)))
    return nights


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Every personal value of the sample shop."""
    from tests.conftest import T, sample_house

    return personal_values(sample_house(tmp_path_factory.mktemp("people") / "data", T))


def test_first_run_purges_the_sample_and_every_proof_holds(nights: list[Night]) -> None:
    first = nights[0].said
    assert first.returncode == 0, first.stdout + first.stderr
    steps = re.findall(r"^  (\w+) +(.+?) +[\d.]+ s$", first.stdout, flags=re.MULTILINE)
    assert steps == [
        ("done", "raw tables"),
        ("done", "disclosures"),
        ("done", "ended leases"),
        ("done", "scan"),
        ("done", "policy"),
        ("done", "governed stages"),
        ("done", "leases"),
        ("done", "lineage"),
        ("done", "copies in files"),
        ("done", "tags"),
        ("done", "guard"),
        ("done", "lineage page"),
        ("done", "purge"),
        ("done", "ledger chain"),
        ("done", "governed stages"),
        ("done", "leases"),
        ("done", "last run"),
        ("done", "guard"),
        ("done", "copies in files"),
        ("done", "erase"),
        ("done", "proofs after"),
        ("done", "certificate"),
    ]
    assert "RED" not in first.stdout
    assert len(nights[0].remains["purge.purge_ledger"]) > 50
    assert nights[0].answers["plan"] == {}


def test_summary_says_who_may_be_written_to_what_went_and_what_comes_next(
    nights: list[Night],
) -> None:
    told = nights[0].said.stdout
    people = len(nights[0].answers["newsletter"])
    assert re.search(
        rf"^audience_newsletter_email +{people}  19 no_grant_since_refusal", told, re.MULTILINE
    )
    ledger = nights[0].remains["purge.purge_ledger"]
    members = sum(1 for row in ledger if row[2] == "shop.members")
    assert re.search(rf"^shop.members +120 +{members} +0 +0 +{120 - members}$", told, re.MULTILINE)
    assert re.search(r"^shop.members +member_withdrawn +delete +8$", told, re.MULTILINE)
    assert re.search(r"^Proofs: \d+ of \d+ green$", told, re.MULTILINE)
    assert "\nNext: hand 10 last notices over: `kigen deliver " in told


def test_second_run_deletes_nothing_restores_nothing_and_changes_no_answer(
    nights: list[Night],
) -> None:
    first, second = nights
    assert second.said.returncode == 0, second.said.stdout + second.said.stderr
    assert "\nDue: nothing\n" in second.said.stdout
    assert second.remains == first.remains
    assert second.answers == first.answers


def test_file_was_written_anew_without_what_went(nights: list[Night], home: Path) -> None:
    assert sorted(path.name for path in home.glob("*.duckdb*")) == ["warehouse.duckdb"]
    assert list(home.glob(".*unerased*")) == []
    assert (home / "warehouse.duckdb").stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o077 == 0


def test_nothing_personal_is_written_anywhere_but_into_the_warehouse(
    nights: list[Night], home: Path, people: set[str]
) -> None:
    assert len(people) > 400
    searched = [path for path in home.rglob("*") if path.is_file()]
    assert {"manifest.json", "run_results.json", "runs.db"} <= {path.name for path in searched}
    assert any("compiled" in path.parts for path in searched)
    assert files_that_hold(people, home, but=SECRET) == {}
    for night in nights:
        assert [value for value in people if value in night.said.stdout + night.said.stderr] == []
    # The search does find what is there.
    (home / "planted.log").write_text(f"a line about {min(people)}")
    assert files_that_hold(people, home, but=SECRET) == {"planted.log": 1}
    (home / "planted.log").unlink()


# A model that a team wrote, which fails on a row, and prints it; and a test that finds rows.
FAILING = {
    "models/2_tags/careless.sql": (
        "select cast(email as integer) as n from {{ source('shop', 'members') }}"
    ),
    "models/2_tags/twice.sql": (
        "select email from {{ source('shop', 'members') }} "
        "union all select email from {{ source('shop', 'members') }}"
    ),
    "models/2_tags/_careless__models.yml": """
models:
  - {name: careless, description: Fails.}
  - name: twice
    description: Fails its test.
    columns:
      - name: email
        config: {meta: {pii: user.contact.email}, tags: [pii]}
        data_tests: [unique]
""",
}


def test_run_that_fails_on_a_row_shows_no_value_of_it(
    nights: list[Night], home: Path, tmp_path: Path, people: set[str]
) -> None:
    project = tmp_path / "dbt_project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    shutil.copytree(REPOSITORY / "seeds", tmp_path / "seeds")
    for path, text in FAILING.items():
        (project / path).write_text(text)
    failing_home = tmp_path / "data"
    shutil.copytree(home, failing_home, ignore=shutil.ignore_patterns("target"))
    with duckdb.connect(str(failing_home / "warehouse.duckdb")) as connection:
        connection.execute(
            "insert into shop.members by name select 990001 as member_id, "
            "'canary.kigen@example.com' as email, 'Canary Kigen' as full_name"
        )
    said = call(
        "run", home=failing_home, KIGEN_DBT_PROJECT=str(project), KIGEN_SEEDS="../seeds/policy"
    )
    assert said.returncode == 1
    assert "careless: Runtime Error in model careless" in said.stdout
    assert re.search(r"unique_twice_email: Got \d+ results, configured to fail", said.stdout), (
        said.stdout
    )
    assert "Conversion Error (its text is not shown: it may hold personal values)" in said.stdout
    canaries = people | {"canary.kigen@example.com", "Canary Kigen"}
    assert [value for value in canaries if value in said.stdout + said.stderr] == []
    assert files_that_hold(canaries, failing_home, but=SECRET) == {}
    # And DuckDB does say the value, to whom nobody redacts it.
    with (
        duckdb.connect(str(failing_home / "warehouse.duckdb"), read_only=True) as connection,
        pytest.raises(duckdb.ConversionException, match=r"canary\.kigen@example\.com"),
    ):
        connection.execute(
            "select cast(email as integer) from shop.members where member_id = 990001"
        ).fetchall()


# What is refused before anything is made.


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"KIGEN_WAREHOUSE": "{tmp}/mine.dukdb"}, "there is no such file; nothing was created"),
        ({"KIGEN_AS_OF": "yesterday"}, "KIGEN_AS_OF is 'yesterday', which is no ISO 8601 time"),
        ({"KIGEN_AS_OF": "2999-01-01"}, "nothing is deleted by a date that has not come"),
    ],
)
def test_wrong_environment_is_refused_and_nothing_is_made(
    tmp_path: Path, variables: dict[str, str], words: str
) -> None:
    home = tmp_path / "data"
    told = {name: value.format(tmp=tmp_path) for name, value in variables.items()}
    said = call("run", home=home, **told)
    assert said.returncode == 1
    assert words in said.stdout + said.stderr
    assert "Traceback" not in said.stdout + said.stderr
    assert list(tmp_path.rglob("*.dukdb")) + list(tmp_path.rglob("warehouse.duckdb")) == []


def test_partial_set_of_raw_tables_is_refused_by_name(tmp_path: Path) -> None:
    home = tmp_path / "data"
    home.mkdir()
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        connection.execute("create schema shop; create table shop.members (member_id bigint)")
    said = call("run", home=home)
    assert said.returncode == 1
    assert "lacks 8 of the declared raw tables: legacy_shop.customers" in said.stdout
    assert snapshot(House(home), "shop", "policy", "staging", "memory") == {"shop.members": []}


def test_lost_key_is_refused_and_no_new_one_is_made(
    nights: list[Night], home: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "data"
    shutil.copytree(home, moved, ignore=shutil.ignore_patterns("keys"))
    before = remains(House(moved))
    said = call("run", home=moved)
    assert said.returncode == 1
    assert "the warehouse remembers purges by digests made with it; put it back" in said.stdout
    assert not (moved / "keys").exists()
    assert remains(House(moved)) == before
    # Nor is another key taken for it, by whatever way it came there.
    (moved / "keys").mkdir()
    other = House(tmp_path / "other")
    other.environment()
    shutil.copy(other.home / "keys" / "kigen_key.duckdb", moved / "keys")
    result = House(moved).dbt("build")
    assert not result.success
    assert "made with another key than that of the key file" in str(result.exception)


# What the README says is there.


def test_readme_names_what_exists() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    assert len(readme.splitlines()) <= 150
    folders = re.findall(r"^\| `([\w/]+)/` \|", readme, flags=re.MULTILINE)
    assert len(folders) >= 7
    for folder in folders:
        assert (REPOSITORY / folder).is_dir(), folder
    for link in re.findall(r"\]\(([^)#]+)\)", readme):
        assert (REPOSITORY / link).is_file(), link
    for named in re.findall(r"`(tests/[\w/]+\.py)`", readme):
        assert (REPOSITORY / named).is_file(), named
    targets = re.findall(r"^(\w+): ", (REPOSITORY / "Makefile").read_text(), flags=re.MULTILINE)
    for target in re.findall(r"`make (\w+)`", readme):
        assert target in targets, target


def test_readme_lists_every_public_door(nights: list[Night], home: Path) -> None:
    readme = (REPOSITORY / "README.md").read_text()
    for door in re.findall(r"`((?:tags|consent|retention|purge)\.\w+)`", readme):
        schema, table = door.split(".")
        assert House(home).rows(
            "select 1 from information_schema.tables "
            f"where table_schema = '{schema}' and table_name = '{table}'"
        ), door
    assert set(RAW) == {"shop", "legacy_shop", "mailing", "legal"}
