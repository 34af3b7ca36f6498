"""What is known of columns: declared, inherited or scanned; said the same night, and shown where people look."""

from __future__ import annotations

import csv
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from orchestration.fideslang_keys import DATA_CATEGORIES
from orchestration.known_columns import keep, last_known
from orchestration.lineage_page import gather, write_page
from orchestration.pages_server import server
from orchestration.project import Project
from orchestration.scan.findings import scan, source_schemas
from orchestration.settings import Settings
from tests.conftest import T, seen_from
from tests.house import REPOSITORY, House, failures
from tests.kigen import call

UNDECLARED = "proof_personal_column_undeclared"
UNKNOWN = "proof_personal_table_undeclared"
KNOWN = ("--select", "source:kigen.tags.*+", "--exclude", "config.meta.kigen.gate:after")


@pytest.fixture
def scanned(parsed: Project, sample: House) -> Project:
    """The sample shop, its sources scanned."""
    project = seen_from(parsed, sample)
    for schema in source_schemas(project):
        scan(project, schema)
    return project


def test_sources_of_the_shop_have_no_finding_that_nobody_declares(
    scanned: Project, sample: House
) -> None:
    assert source_schemas(scanned) == ["legacy_shop", "legal", "mailing", "shop"]
    built = sample.dbt("build", *KNOWN, as_of=T)
    assert built.success, failures(built)
    assert sample.rows(f"from proofs.{UNDECLARED}") == []
    how = dict(sample.rows("select tagged_by, count(*) from tags.pii_columns group by all"))
    assert set(how) == {"declared"}
    assert sample.rows(
        "select 1 from tags.pii_columns group by schema_name, table_name, column_name having count(*) > 1"
    ) == []  # fmt: skip


def test_who_a_row_is_about_is_declared_by_its_source(scanned: Project, sample: House) -> None:
    sample.dbt("build", *KNOWN, as_of=T)
    assert sample.rows(
        "select data_category, tagged_by from tags.pii_columns "
        "where (schema_name, table_name, column_name) = ('shop', 'orders', 'member_id')"
    ) == [("user.unique_id", "declared")]
    # A key of things is none of a person.
    assert sample.rows("select 1 from tags.pii_columns where column_name = 'order_id'") == []


def test_what_is_declared_comes_before_what_flows_in_and_that_before_what_was_found(
    sample: House,
) -> None:
    place = "'staging', 'stg_members'"
    sample.execute(
        f"insert into tags.inherited_columns values ({place}, 'email', 'user.name', 'a -> b', null, null), "
        f"({place}, 'is_readable', 'user.name', 'shop.members.nick -> staging.stg_members.is_readable', "
        "'undeclared', 'x')",
        *(
            f"insert into tags.scan_findings values ({place}, '{column}', 'user.account', 0.9, 'why', true)"
            for column in ("email", "is_readable", "last_login_at", "went")
        ),
        f"insert into tags.scan_findings values ({place}, 'status', 'user.account', 0.4, 'why', false)",
    )
    sample.dbt("build", *KNOWN, as_of=T)
    assert sample.rows(
        "select column_name, data_category, tagged_by, path, evidence from tags.pii_columns "
        "where table_name = 'stg_members' "
        "and column_name in ('email', 'is_readable', 'last_login_at', 'status', 'went') order by 1"
    ) == [
        ("email", "user.contact.email", "declared", "a -> b", "why"),
        ("is_readable", "user.name", "inherited", "shop.members.nick -> staging.stg_members.is_readable", "why"),
        ("last_login_at", "user.account", "scanned", None, "why"),
    ]  # fmt: skip


def test_policy_says_how_sure_the_scan_must_be(sample: House) -> None:
    sample.execute(
        "insert into tags.scan_findings values ('shop', 'members', 'status', 'user.account', 0.7, 'why', true)"
    )
    sample.dbt("build", *KNOWN, as_of=T)
    assert sample.rows(f"select column_name from proofs.{UNDECLARED}") == [("status",)]
    sample.execute(
        "insert into policy.policy_settings values ('scan_min_confidence_percent', '75', 'why')"
    )
    assert sample.rows(f"from proofs.{UNDECLARED}") == []


def test_column_added_overnight_is_found_the_same_night_and_stops_the_purge(
    sample: House,
) -> None:
    """By the public door alone: an upstream adds a column, and the next run says so and deletes nothing."""
    sample.execute(
        "alter table shop.members add column line_contact varchar",
        "update shop.members set line_contact = 'person' || member_id || '@example.com'",
    )
    before = sample.rows("from shop.members order by member_id")
    places = {"KIGEN_WAREHOUSE": str(sample.warehouse), "KIGEN_AS_OF": T.isoformat()}
    said = call("run", home=sample.home, **places)
    assert said.returncode == 1
    assert (
        f"Proof {UNDECLARED} is red; its violations: 1. "
        "shop.members.line_contact looks like user.contact.email"
    ) in said.stdout
    assert "give the column pii, or pii: none with a reason" in said.stdout
    assert "person1" not in said.stdout + said.stderr
    assert sample.rows("from shop.members order by member_id") == before
    assert sample.rows(
        "select data_category, tagged_by from tags.pii_columns where column_name = 'line_contact'"
    ) == [("user.contact.email", "scanned")]
    # Where Dagster and the page of the lineage show it, and not in the masked table.
    settings = Settings.from_env({"KIGEN_HOME": str(sample.home)})
    known = last_known(settings)["shop", "members", "line_contact"]
    assert known.text.startswith("Personal (user.contact.email), scanned. The scan: ")
    assert '"name":"line_contact","category":"user.contact.email"' in (
        settings.documents / "lineage.html"
    ).read_text("utf-8")
    assert sample.rows(
        "select 1 from duckdb_columns() where schema_name = 'masked' and column_name = 'line_contact'"
    ) == []  # fmt: skip


def test_list_left_behind_in_a_raw_schema_turns_a_proof_red(parsed: Project, sample: House) -> None:
    sample.execute(
        "create table mailing.apology_2025 as select email as mail, 1 as n from shop.members"
    )
    scan(seen_from(parsed, sample), "mailing")
    built = sample.dbt("build", "--select", UNKNOWN, as_of=T)
    assert failures(built) == ["no_personal_table_is_unknown: fail"]
    ((message,),) = sample.rows(f"select message from proofs.{UNKNOWN}")
    assert message.startswith("mailing.apology_2025 looks like it holds user.contact.email")
    # It bars no purge: what it holds is not in the plan, and what is in the plan is not in it.
    assert UNKNOWN not in {proof.name for proof in parsed.declarations.proofs("before")}


def test_every_personal_category_has_its_sensitivity_and_other_names() -> None:
    with (REPOSITORY / "seeds/policy/policy_data_categories.csv").open(encoding="utf-8") as file:
        rows = {row["data_category"]: row for row in csv.DictReader(file)}
    assert set(rows) == {c for c in DATA_CATEGORIES if c == "user" or c.startswith("user.")}
    special = {name for name, row in rows.items() if row["sensitivity"] == "special"}
    assert special >= {
        "user.health_and_medical", "user.criminal_history", "user.demographic.race_ethnicity",
        "user.demographic.religious_belief", "user.demographic.political_opinion",
        "user.demographic.sexual_orientation", "user.health_and_medical.genetic", "user.biometric",
    }  # fmt: skip
    assert all(rows[name]["legal_basis"] for name in special)
    assert [n for n, row in rows.items() if row["sensitivity"] == "individual_number"] == [
        "user.government_id.national_identification_number"
    ]
    assert rows["user.contact.email"]["snowflake_semantic_category"] == "EMAIL"
    assert rows["user.contact.email"]["dpv"] == "pd:EmailAddress"


# The page.


@pytest.fixture
def traced(parsed: Project, sample: House) -> Project:
    """The sample shop with a flow, one hashed, and what is known of it."""
    sample.execute(
        "insert into tags.column_lineage values "
        "('staging', 'stg_members', 'email', 'shop', 'members', 'email', 'expression', 'user.contact.email', null), "
        "('masked', 'members', 'email_pseudonym', 'shop', 'members', 'email', 'hash', null, null)",
        "insert into tags.inherited_columns values ('staging', 'stg_members', 'email', 'user.contact.email', "
        "'shop.members.email -> staging.stg_members.email', 'undeclared', 'declare </script> it')",
    )
    sample.dbt("build", *KNOWN, as_of=T)
    return seen_from(parsed, sample)


def test_graph_has_every_table_with_what_is_known(traced: Project) -> None:
    graph = gather(traced)
    tables = {table["name"]: table for table in graph["tables"]}
    assert {"shop.members", "staging.stg_members", "audiences.audience_newsletter_email"} <= set(
        tables
    )
    assert tables["shop.members"]["stage"] == "raw"
    columns = [
        f"{table['name']}.{column['name']}"
        for table in graph["tables"]
        for column in table["columns"]
    ]
    assert [[columns[a], columns[b], kind] for a, b, kind in graph["edges"]] == [
        ["shop.members.email", "masked.members.email_pseudonym", "hash"],
        ["shop.members.email", "staging.stg_members.email", "expression"],
    ]  # fmt: skip
    (email,) = [c for c in tables["staging.stg_members"]["columns"] if c["name"] == "email"]
    assert email == {
        "name": "email", "category": "user.contact.email", "how": "declared", "sensitivity": "ordinary",
        "path": "shop.members.email -> staging.stg_members.email", "problem": "declare </script> it",
    }  # fmt: skip


def test_page_is_whole_by_itself_and_holds_the_graph(traced: Project) -> None:
    path, graph = write_page(traced)
    page = path.read_text("utf-8")
    assert not re.findall(r"(?:src|href)\s*=\s*[\"']?(?:https?:)?//|@import|url\(", page)
    ((data),) = re.findall(r'<script id="graph" type="application/json">(.*?)</script>', page)
    assert json.loads(data) == graph
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_known_is_kept_for_the_definitions(traced: Project) -> None:
    assert last_known(traced.settings) == {}
    keep(traced)
    known = last_known(traced.settings)["staging", "stg_members", "email"]
    assert known.tags == {"data_category": "user.contact.email", "tagged_by": "declared"}
    assert "From shop.members.email -> staging.stg_members.email." in known.text
    (traced.settings.target / "known_columns.json").write_text("[[1]]")
    assert last_known(traced.settings) == {}


# Serving it.


@contextmanager
def served(settings: Settings) -> Iterator[HTTPConnection]:
    with server(settings, "127.0.0.1", 0) as pages:
        threading.Thread(target=pages.serve_forever, daemon=True).start()
        connection = HTTPConnection("127.0.0.1", pages.server_address[1], timeout=30)
        yield connection
        connection.close()
        pages.shutdown()


def test_pages_are_served_and_nothing_else_of_the_home(tmp_path: Path) -> None:
    settings = Settings.from_env({"KIGEN_HOME": str(tmp_path)})
    for folder in ("documents", "certificates", "keys"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "page.html").write_text(folder)
    (tmp_path / "documents" / ".page.html.unfinished").write_text("half")
    (tmp_path / "documents" / "link.html").symlink_to(tmp_path.parent / "elsewhere.html")
    (tmp_path.parent / "elsewhere.html").write_text("elsewhere")
    asked = {
        "/documents/page.html": 200, "/certificates/page.html?x=1": 200, "/": 404, "/keys/page.html": 404,
        "/documents/../keys/page.html": 404, "/documents/%2e%2e/keys/page.html": 404,
        "/documents/.page.html.unfinished": 404, "/documents/link.html": 404, "/documents/none.html": 404,
        "/documentsx/page.html": 404,
    }  # fmt: skip
    with served(settings) as connection:
        for path, status in asked.items():
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read().decode()
            assert (path, answer.status) == (path, status)
            if status == 200:
                assert body == urlsplit(path).path.split("/")[1]
                assert "default-src 'none'" in str(answer.getheader("Content-Security-Policy"))
