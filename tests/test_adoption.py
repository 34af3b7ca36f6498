"""A table nobody here wrote is governed by declarations alone: tags, policy rows, clocks, one audience call.

The project stands in `foreign_project/`; docs/adoption.md explains it file by file. It installs Kigen as
a package. Its people are made up, and every customer is a case.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from dbt.cli.main import dbtRunner

from orchestration.declarations import load
from tests.house import PROJECT, REPOSITORY, House, failures

FOREIGN = REPOSITORY / "tests" / "foreign_project"
T = datetime(2024, 3, 1, 12, 0, 0)

# customer_no, email, joined_on, last_visit_on, left_on: and what becomes of it.
CUSTOMERS = {
    "K01 says yes": ("k01@example.com", "20220101", "20240101", ""),
    "K02 never asked": ("k02@example.com", "20220101", "20240101", ""),
    "K03 yes, later no": ("k03@example.com", "20220101", "20240101", ""),
    "K04 yes and no at once": ("k04@example.com", "20220101", "20240101", ""),
    "K05 yes, later an unknown word": ("k05@example.com", "20220101", "20240101", ""),
    "K06 yes tomorrow": ("k06@example.com", "20220101", "20240101", ""),
    "K07 silent after the notice": ("K07@Example.com ", "20200101", "20211231", ""),
    "K08 notice three days ago": ("k08@example.com", "20200101", "20211231", ""),
    "K09 no notice": ("k09@example.com", "20200101", "20211231", ""),
    "K10 notice before its time": ("k10@example.com", "20200101", "20220301", ""),
    "K11 came after the notice": ("k11@example.com", "20200101", "20240229", ""),
    "K12 the last second of the week": ("k12@example.com", "20200229", "", ""),
    "K13 left 40 days ago": ("k13@example.com", "20220101", "20240101", "20240121"),
    "K14 left 10 days ago": ("k14@example.com", "20220101", "20240101", "20240220"),
    "K15 joined on no day": ("k15@example.com", "20239999", "", ""),
    "K16 joins tomorrow": ("k16@example.com", "20240302", "", ""),
    "K17 shares a mailbox": ("Shared@Example.com", "20220101", "20240101", ""),
    "K18 shares it, said yes last": ("ｓｈａｒｅｄ@example.com", "20220101", "20240101", ""),
    "K19 says yes for two": ("two@example.com", "20220101", "20240101", ""),
    "K20 says no for two": ("two@example.com", "20220101", "20240101", ""),
    "K21 stands twice": ("k21@example.com", "20200101", "20200101", ""),
    "K22 silent, no mailbox": ("", "20200101", "20200101", ""),
    "K23 leaves next week": ("k23@example.com", "20220101", "20240101", "20240308"),
    "K24 left on no day": ("k24@example.com", "20220101", "20240101", "unknown"),
}

ANSWERS = [
    ("K01", "yes", "2023-01-01"),
    ("K03", "yes", "2023-01-01"),
    ("K03", "no", "2023-01-02"),
    ("K04", "yes", "2023-01-01"),
    ("K04", "no", "2023-01-01"),
    ("K05", "yes", "2023-01-01"),
    ("K05", "perhaps", "2023-01-02"),
    ("K06", "yes", "2024-03-02"),
    ("K07", "yes", "2023-01-01"),
    ("K07", "no", "2023-06-01"),
    ("K08", "yes", "2023-01-01"),
    ("K13", "no", "2024-01-21"),
    ("K14", "yes", "2023-01-01"),
    ("K17", "yes", "2023-01-01"),
    ("K18", "yes", "2023-01-02"),
    ("K19", "yes", "2023-01-01"),
    ("K20", "no", "2023-01-02"),
    ("K21", "yes", "2023-01-01"),
    ("K23", "yes", "2023-01-01"),
    ("K24", "yes", None),
]

NOTICES = [
    ("k07@example.com", "2024-02-01"),
    ("k08@example.com", "2024-02-27"),
    ("k10@example.com", "2024-02-21 23:59:59"),
    ("k11@example.com", "2024-02-01"),
    ("k12@example.com", "2024-02-23 12:00:00"),
    ("gone@example.com", "2022-12-01"),
]

STATES = {
    "K01": ("active", "customer_lapsed"),
    "K02": ("active", "customer_lapsed"),
    "K03": ("active", "customer_lapsed"),
    "K04": ("active", "customer_lapsed"),
    "K05": ("active", "customer_lapsed"),
    "K06": ("active", "customer_lapsed"),
    "K07": ("expired", "customer_lapsed"),
    "K08": ("in_grace", "customer_lapsed"),
    "K09": ("notice_due", "customer_lapsed"),
    "K10": ("notice_due", "customer_lapsed"),
    "K11": ("active", "customer_lapsed"),
    "K12": ("expired", "customer_lapsed"),
    "K13": ("expired", "customer_left"),
    "K14": ("active", "customer_left"),
    "K15": ("unclassed", None),
    "K16": ("unclocked", None),
    "K17": ("active", "customer_lapsed"),
    "K18": ("active", "customer_lapsed"),
    "K19": ("active", "customer_lapsed"),
    "K20": ("active", "customer_lapsed"),
    "K21": ("unclassed", None),
    "K22": ("notice_due", "customer_lapsed"),
    "K23": ("active", "customer_lapsed"),
    "K24": ("unclassed", None),
}

AUDIENCE = [("k01@example.com", "K01"), ("k23@example.com", "K23"), ("shared@example.com", "K18")]

# What is counted and stops nothing: K16 and two answers have no clock; K15 and K24 cannot be read; K21
# stands twice.
WARNINGS = {"proof_unclocked_record": 3, "proof_unclassed_record": 4, "proof_bad_row": 1}


@dataclass(frozen=True)
class Life:
    """What a warehouse showed before its purge, and the house as it stands after it."""

    house: House
    states: dict[str, tuple[str, str | None]]
    audience: list[tuple[str, str]]
    notice_audience: list[tuple[str]]
    tags: int
    plan: list[tuple[str, str, str, str]]
    survived_plain_build: int


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """Build the foreign project, purge, and build again."""
    top = tmp_path_factory.mktemp("foreign")
    project = top / "project"
    shutil.copytree(FOREIGN, project)
    (project / "packages.yml").write_text(f"packages:\n  - local: {PROJECT}\n")
    house = House(top / "data", project)
    house.home.mkdir()
    fill(house)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KIGEN_SEEDS", "seeds")
        # Dbt reads the profile also for `deps`.
        for name, value in house.environment(T).items():
            patch.setenv(name, value)
        deps = dbtRunner().invoke(
            ["deps", "--quiet", "--project-dir", str(project), "--profiles-dir", str(project)]
        )
        assert deps.success, deps.exception
        house.build(T)
        seen = {
            "states": {
                key: (state, deletion_class)
                for key, state, deletion_class in house.rows(
                    "select distinct record_key, state, deletion_class from retention.records "
                    "where table_name = 'crm.customers'"
                )
            },
            "audience": house.rows(
                "select email, customer_no from audiences.audience_newsletter order by all"
            ),
            "notice_audience": house.rows(
                "select email from audiences.audience_deletion_notice order by all"
            ),
            "tags": house.rows("select count(*) from tags.pii_columns where schema_name = 'crm'")[
                0
            ][0],
            "plan": house.rows(
                "select table_name, record_key, action, deletion_class from purge.purge_plan order by all"
            ),
            "survived_plain_build": house.rows("select count(*) from crm.customers")[0][0],
        }
        purge = house.purge(T)
        assert purge.success, failures(purge)
        everything = house.dbt("build", as_of=T)
        assert everything.success, failures(everything)
        yield Life(house=house, **seen)


def fill(house: House) -> None:
    """Write the raw tables as their upstream would."""
    customers = [
        (name[:3], email, f"Person {name[:3]}", *dates)
        for name, (email, *dates) in CUSTOMERS.items()
        for _ in range(2 if "twice" in name else 1)
    ]
    house.execute(
        "create schema crm",
        "create table crm.customers (customer_no varchar, email varchar, full_name varchar, "
        "joined_on varchar, last_visit_on varchar, left_on varchar)",
        "create table crm.answers (answer_no bigint, customer_no varchar, answer varchar, said_at timestamp)",
        "create table crm.notices (notice_no bigint, email varchar, sent_at timestamp)",
        *(f"insert into crm.customers values {row!r}" for row in customers),
        *(
            f"insert into crm.answers values ({number}, '{who}', '{word}', {repr(said) if said else 'null'})"
            for number, (who, word, said) in enumerate(ANSWERS, 1)
        ),
        *(
            f"insert into crm.notices values ({number}, '{email}', '{sent}')"
            for number, (email, sent) in enumerate(NOTICES, 1)
        ),
    )


def test_foreign_project_has_no_macro_and_no_python() -> None:
    files = [path for path in FOREIGN.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".csv", ".sql", ".yml"}
    assert not any(
        "{% macro" in path.read_text() or "{%- macro" in path.read_text() for path in files
    )
    assert not (FOREIGN / "macros").exists()


def test_foreign_declarations_hold_together(life: Life) -> None:
    manifest = json.loads((life.house.home / "target" / "manifest.json").read_bytes())
    declared = load(manifest)
    assert {name for name in declared.governed if not name.startswith("memory.")} == {
        "crm.customers", "crm.answers", "crm.notices",
    }  # fmt: skip
    models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    assert not [node["name"] for node in models if "shop" in node["fqn"]]
    assert life.tags == 5


def test_every_foreign_record_is_in_the_state_the_rule_gives_it(life: Life) -> None:
    assert {
        key: (state, deletion_class if STATES[key][1] else None)
        for key, (state, deletion_class) in life.states.items()
    } == STATES


def test_foreign_audiences_hold_whom_they_may(life: Life) -> None:
    assert life.audience == AUDIENCE
    assert life.notice_audience == [("k09@example.com",), ("k10@example.com",)]


def test_foreign_leak_and_exposure_are_answered_by_the_declarations(life: Life) -> None:
    """Without the purpose of a legal notice, and without a list of sensitive categories."""
    house = life.house
    rows = {
        place: (kind, records, persons, categories, sensitive)
        for place, kind, records, persons, categories, sensitive in house.rows(
            "select place, place_kind, record_count, person_count, data_categories, sensitive_categories "
            "from retention.breach_view"
        )
    }
    categories = ["user.contact.email", "user.name", "user.unique_id"]
    left = len(CUSTOMERS) - 3
    assert rows["crm.customers"] == ("table", left + 1, left, categories, None)
    assert set(rows) == {"crm.customers", "crm.answers", "crm.notices"}
    for table, column, category in (
        ("crm.customers", "full_name", "user.name"),
        ("crm.answers", "customer_no", "user.unique_id"),
        ("crm.notices", "email", "user.contact.email"),
    ):
        held = house.rows(f"select count({column}) from {table}")
        for model in ("exposure", "exposure_trend"):
            found = house.rows(
                f"select cast(sum(value_count) as bigint) from retention.{model} "
                f"where table_name = '{table}' and data_category = '{category}'"
            )
            assert found == held, (table, model)
    assert house.rows("select count(*) > 15 from audiences.audience_legal_notice") == [(True,)]


def test_foreign_plan_takes_the_expired_and_what_follows_them(life: Life) -> None:
    assert life.plan == [
        ("crm.answers", "10", "delete", "customer_lapsed"),
        ("crm.answers", "12", "delete", "customer_left"),
        ("crm.answers", "9", "delete", "customer_lapsed"),
        ("crm.customers", "K07", "delete", "customer_lapsed"),
        ("crm.customers", "K12", "delete", "customer_lapsed"),
        ("crm.customers", "K13", "delete", "customer_left"),
        ("crm.notices", "6", "delete", "notice_log"),
    ]
    assert life.survived_plain_build == len(CUSTOMERS) + 1


def test_purge_takes_the_foreign_plan_and_nothing_else(life: Life) -> None:
    house = life.house
    gone = {"K07", "K12", "K13"}
    assert {row[0] for row in house.rows("select customer_no from crm.customers")} == set(
        STATES
    ) - gone
    assert not gone & {row[0] for row in house.rows("select customer_no from crm.answers")}
    assert house.rows("select count(*) from crm.notices") == [(len(NOTICES) - 1,)]
    assert house.rows(
        "select table_name, action, deletion_class, count(*) from purge.purge_ledger group by all order by all"
    ) == [
        ("crm.answers", "delete", "customer_lapsed", 2),
        ("crm.answers", "delete", "customer_left", 1),
        ("crm.customers", "delete", "customer_lapsed", 2),
        ("crm.customers", "delete", "customer_left", 1),
        ("crm.notices", "delete", "notice_log", 1),
    ]


def test_second_foreign_plan_is_empty_and_every_proof_is_green(life: Life) -> None:
    house = life.house
    assert house.rows("select count(*) from purge.purge_plan") == [(0,)]
    assert (
        house.rows("select email, customer_no from audiences.audience_newsletter order by all")
        == AUDIENCE
    )
    proofs = [
        name
        for (name,) in house.rows(
            "select table_name from information_schema.tables where table_schema = 'proofs'"
        )
    ]
    assert len(proofs) > 20
    red = {name: house.rows(f"select count(*) from proofs.{name}")[0][0] for name in proofs}
    assert {name: rows for name, rows in red.items() if rows} == WARNINGS


def test_purged_foreign_customer_who_is_imported_again_is_purged_again(
    life: Life, tmp_path: Path
) -> None:
    home = tmp_path / "data"
    shutil.copytree(life.house.home, home, ignore=shutil.ignore_patterns("target", "logs"))
    house = House(home, life.house.project)
    house.execute(
        "insert into crm.customers values ('K07', 'k07@example.com', 'Person K07', '20200101', '20211231', '')"
    )
    house.build(T)
    assert house.rows("select table_name, record_key, deletion_class from purge.purge_plan") == [
        ("crm.customers", "K07", "customer_lapsed")
    ]
    assert house.rows(
        "select count(*) from audiences.audience_newsletter where customer_no = 'K07'"
    ) == [(0,)]


def test_adoption_page_shows_the_foreign_project_as_it_is() -> None:
    page = (REPOSITORY / "docs" / "adoption.md").read_text()
    shown = re.findall(r"^`([\w/.]+)`:\n\n```\w+\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    assert len(shown) >= 5
    for path, text in shown:
        assert text == (FOREIGN / path).read_text(), path
