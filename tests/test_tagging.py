"""Lineage of the built project is kept, what inherits unsaid is named, and `kigen tag` writes it down."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster_dbt.core.dbt_cli_event import EventHistoryMetadata, _build_column_lineage_metadata

from orchestration.column_lineage import COMPILE_STEP, trace, with_named_parents
from orchestration.column_lineage import _columns as columns_of
from orchestration.lineage import LineageError, Undeclared
from orchestration.project import Project, ProjectError
from orchestration.tagging import declare
from orchestration.translator import KigenTranslator
from orchestration.warehouse import connect
from tests.conftest import T, copy_of, seen_from
from tests.house import PROJECT, RAW_TABLES, House, failures
from tests.kigen import call


@pytest.fixture(scope="module")
def compiled(template: House, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What dbt makes of every model for the sample shop."""
    house = copy_of(template, tmp_path_factory.mktemp("compiled") / "data")
    result = house.dbt("compile", as_of=T)
    assert result.success, failures(result)
    return house.home / "target" / "compiled"


@pytest.fixture
def built(parsed: Project, compiled: Path, sample: House) -> Project:
    """The sample shop with what dbt compiled for it."""
    folder = sample.home / "target" / "compiled"
    shutil.copytree(compiled, folder)
    (folder / "kigen_compiled_for").write_text(parsed.fingerprint)
    return seen_from(parsed, sample)


def test_every_model_is_traced_and_every_personal_column_is_declared(
    built: Project, sample: House
) -> None:
    models = [n for n in built.manifest["nodes"].values() if n["resource_type"] == "model"]
    found = trace(built)
    assert found.models == len(models) > 90
    assert [each.message for each in found.undeclared] == []
    assert sample.rows("select count(*) from tags.column_lineage") == [(found.edges,)]
    assert sample.rows(
        "select parent_schema, parent_table, parent_column, data_category, path from tags.column_lineage "
        "where table_name = 'stg_members' and column_name = 'email'"
    ) == [
        ("shop", "members", "email", "user.contact.email",
         "shop.members.email -> staging.stg_members.email"),
    ]  # fmt: skip
    ((path,),) = sample.rows(
        "select distinct path from tags.column_lineage "
        "where table_name = 'audience_newsletter_email' and column_name = 'email'"
    )
    assert path.startswith("shop.")
    assert path.endswith(" -> audiences.audience_newsletter_email.email")
    # Again, and nothing is twice.
    assert trace(built).edges == found.edges
    assert sample.rows("select count(*) from tags.column_lineage") == [(found.edges,)]


ONLY_CONDITIONS = {
    "stg_members": {
        "has_unreadable_withdrawal", "is_newsletter_flag_mapped", "is_readable", "is_status_mapped",
        "wants_newsletter",
    },
    "stg_orders": {"is_readable", "is_still_personal"},
    "stg_messages": {"is_readable"},
    "contact_words": {"decided_at", "decided_by_key", "decided_by_table", "is_granted"},
    "subject_grants": {"granted_by_machine_at", "granted_in_person_at"},
    "audience_newsletter_email": {"granted_at"},
    "member_subjects": {"former_table", "reachable_email"},
    "contact_refusals": set(),
    "masked_members": set(),
    "audience_deletion_notice": set(),
    "purge_plan": {"is_due"},
}  # fmt: skip
"""By model, the columns into which dagster-dbt has flows that are none of values: what is tested for
null, compared, filtered or ordered by."""


@pytest.mark.parametrize("name", ONLY_CONDITIONS)
def test_edges_are_those_of_dagster_dbt_without_what_is_only_asked(
    built: Project, sample: House, name: str
) -> None:
    trace(built)
    nodes = {**built.manifest["sources"], **built.manifest["nodes"]}
    node = nodes[f"model.kigen.{name}"]

    def place(node: Any) -> tuple[str, str]:
        return node["schema"], node.get("identifier") or node["alias"]

    def columns(node: Any) -> dict[str, Any]:
        rows = sample.rows(
            "select column_name, data_type from duckdb_columns() where database_name = current_database() "
            f"and (schema_name, table_name) = {place(node)} order by column_index"
        )
        return {column: {"data_type": kind} for column, kind in rows}

    parents = [nodes[parent] for parent in node["depends_on"]["nodes"]]
    translator = KigenTranslator()
    metadata = _build_column_lineage_metadata(
        EventHistoryMetadata(columns(node), {each["relation_name"]: columns(each) for each in parents}),
        node, built.manifest, translator, built.settings.target, None,
    )  # fmt: skip
    places = {translator.get_asset_key(each): place(each) for each in parents}
    theirs = {
        (column, *places[flow.asset_key], flow.column_name)
        for column, flows in metadata["dagster/column_lineage"].deps_by_column.items()
        for flow in flows
    }
    ours = set(
        sample.rows(
            "select column_name, parent_schema, parent_table, parent_column from tags.column_lineage "
            f"where (schema_name, table_name) = {place(node)}"
        )
    )
    assert ours
    assert ours <= theirs
    assert {column for column, *_ in theirs - ours} == ONLY_CONDITIONS[name]


def test_undeclared_columns_are_named_with_their_way(built: Project, sample: House) -> None:
    manifest: Any = copy.deepcopy(dict(built.manifest))
    node = manifest["nodes"]["model.kigen.stg_members"]
    node["columns"]["email"] = {"name": "email", "meta": {}, "config": {"meta": {}}}
    found = trace(replace(built, manifest=manifest)).undeclared
    (message,) = [each.message for each in found if each.model.endswith(".stg_members")]
    assert "shop.members.email" in message
    assert "stg_members.email" in message
    # A proof says the same, and `kigen run` tells it.
    assert sample.rows(
        "select problem, message from proofs.proof_inherited_column_undeclared "
        "where table_name = 'stg_members'"
    ) == [("undeclared", message)]


OTHER_PROJECT = {
    "dbt_project.yml": """
name: other
version: 1.0.0
config-version: 2
profile: other
models: {other: {+materialized: table}}
""",
    "profiles.yml": """
other:
  target: dev
  outputs: {dev: {type: duckdb, path: "{{ env_var('KIGEN_WAREHOUSE') }}"}}
""",
    "models/people.yml": """
sources:
  - name: raw
    tables:
      - name: people
        columns:
          - {name: mail, config: {meta: {pii: user.contact.email}}}
models:
  - name: contacts
    columns:
      - {name: address, config: {meta: {pii: user.contact.email}}}
""",
    "models/contacts.sql": "select mail as address, joined from {{ source('raw', 'people') }}",
    "models/keys.sql": "select sha256(lower(address)) as key, count(*) as n from {{ ref('contacts') }} group by 1",
}
"""A project that knows nothing of Kigen but the tags."""


def test_any_other_project_can_be_looked_at_by_its_target_folder(tmp_path: Path) -> None:
    """It needs no policy and changes nothing; what dbt left of a build is enough."""
    for name, text in OTHER_PROJECT.items():
        (tmp_path / "other" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "other" / name).write_text(text)
    house = House(tmp_path / "data", tmp_path / "other")
    house.home.mkdir()
    house.execute(
        "create schema raw",
        "create table raw.people as select 'a@example.com' as mail, 1 as joined",
    )
    house.dbt("build")
    target, told = house.home / "target", {"KIGEN_WAREHOUSE": str(house.warehouse)}
    before, home = house.warehouse.read_bytes(), tmp_path / "none"

    said = call("lineage", "--target", str(target), home=home, **told)
    assert said.returncode == 1, said.stdout + said.stderr
    assert said.stdout.splitlines() == [
        "raw.people.mail -> main.contacts.address: user.contact.email (declared)",
        "raw.people.mail -> main.contacts.address -> main.keys.key: user.unique_id.pseudonymous (inherited)",
        "2 models; 2 of their columns are personal, and 1 of these do not say so.",
        "raw.people.mail -> contacts.address -> keys.key inherits user.unique_id.pseudonymous and is not "
        "declared; give the column pii, or pii: none with a reason",
    ]
    said = call("lineage", "--target", str(house.home), home=home, **told)
    assert said.returncode == 1
    assert "has no manifest.json that can be read" in said.stderr
    assert house.warehouse.read_bytes() == before
    assert not home.exists()


def test_parent_that_is_named_and_not_referred_to_is_a_parent(built: Project) -> None:
    """A macro that looks at every table writes their names; what flows from them inherits."""
    file = next((built.settings.target / "compiled").rglob("purposes.sql"))
    file.write_text(
        file.read_text().replace(
            "select * from purposes",
            'select purposes.*, m.email as mail from purposes cross join "warehouse"."staging"."stg_members" as m',
        )
    )
    (found,) = trace(built).undeclared
    assert found.path == (
        "shop.members.email",
        "staging.stg_members.email",
        "consent.purposes.mail",
    )


def test_name_that_would_make_a_circle_is_no_parent() -> None:
    def model(name: str, *parents: str) -> dict[str, Any]:
        return {
            "resource_type": "model", "schema": "s", "alias": name, "depends_on": {"nodes": list(parents)},
        }  # fmt: skip

    manifest = {"sources": {}, "nodes": {"a": model("a"), "b": model("b", "a"), "c": model("c")}}
    told = with_named_parents(
        manifest,
        {"a": 'select 1 from "w"."s"."b"', "b": "from w.s.a", "c": "from s.a, s.b, s.nobody"},
    )
    parents = {name: node["depends_on"]["nodes"] for name, node in told["nodes"].items()}
    assert parents == {"a": [], "b": ["a"], "c": ["a", "b"]}


def declared_as(built: Project, meta: dict[str, str]) -> Project:
    """The project with another `meta` of `stg_members.email`."""
    manifest: Any = copy.deepcopy(dict(built.manifest))
    node = manifest["nodes"]["model.kigen.stg_members"]
    node["columns"]["email"] = {"name": "email", "config": {"meta": meta}}
    return replace(built, manifest=manifest)


def test_tag_of_another_kind_than_what_flows_in_is_named(built: Project, sample: House) -> None:
    problems = (
        "select table_name, column_name, problem from tags.inherited_columns "
        "where problem is not null and table_name = 'stg_members'"
    )
    found = trace(declared_as(built, {"pii": "user.demographic.gender"}))
    assert sample.rows(problems) == [("stg_members", "email", "contradicted")]
    (message,) = [each for each in found.messages if "stg_members.email is declared" in each]
    assert "inherits user.contact.email (shop.members.email -> " in message
    # What is wider or narrower agrees, and who has a reason is believed.
    for meta in (
        {"pii": "user.contact"},
        {"pii": "user.demographic.gender", "reason": "The mailbox says which."},
    ):
        trace(declared_as(built, meta))
        assert sample.rows(problems) == [], meta


def test_column_that_no_sql_makes_any_more_is_named(built: Project, sample: House) -> None:
    sample.execute("alter table staging.as_of add column mail varchar")
    (message,) = trace(built).messages
    assert message.startswith("staging.as_of.mail stands in the table")
    assert sample.rows(
        "select data_category, problem from tags.inherited_columns where column_name = 'mail'"
    ) == [("user", "left_over")]


def test_columns_are_read_in_their_order(built: Project) -> None:
    """A union, a star and `t(a, b)` go by position."""
    with connect(built.settings, read_only=True) as connection:
        schemas, _ = columns_of(connection, built.manifest)
    for table, columns in RAW_TABLES.items():
        assert list(schemas[f"source.kigen.{table}"]) == list(columns)


def test_snapshot_is_traced_by_what_dbt_said_of_it(built: Project, sample: House) -> None:
    """dbt leaves no compiled file of a snapshot."""
    manifest: Any = copy.deepcopy(dict(built.manifest))
    snapshot = copy.deepcopy(manifest["nodes"]["model.kigen.stg_members"])
    snapshot |= {
        "unique_id": "snapshot.kigen.members_then", "resource_type": "snapshot", "name": "members_then",
        "alias": "members_then", "columns": {}, "config": {"materialized": "snapshot", "meta": {}},
        "depends_on": {"nodes": ["model.kigen.stg_members"], "macros": []},
    }  # fmt: skip
    manifest["nodes"][snapshot["unique_id"]] = snapshot
    with pytest.raises(ProjectError, match="1 models are not compiled, such as members_then"):
        trace(replace(built, manifest=manifest))
    (built.settings.target / f"run_results_{COMPILE_STEP}.json").write_text(
        json.dumps(
            {
                "results": [
                    {
                        "unique_id": snapshot["unique_id"],
                        "compiled_code": 'select email from "warehouse"."staging"."stg_members"',
                    }
                ]
            }
        )
    )
    found = trace(replace(built, manifest=manifest))
    assert [each.column for each in found.undeclared] == ["email"]


def test_model_that_cannot_be_read_is_never_skipped(built: Project) -> None:
    file = next((built.settings.target / "compiled").rglob("member_standings.sql"))
    file.write_text("select no_such_column from nowhere where x = 'somebody@example.com'")
    with pytest.raises(LineageError, match="member_standings") as raised:
        trace(built)
    assert "somebody@example.com" not in str(raised.value)
    file.unlink()
    with pytest.raises(ProjectError, match="1 models are not compiled, such as member_standings"):
        trace(built)


def test_what_was_compiled_for_another_state_of_the_project_is_compiled_anew(
    built: Project, sample: House
) -> None:
    changed = replace(built, fingerprint="another")
    with pytest.raises(ProjectError, match="has changed since its models were compiled"):
        trace(changed)
    calls: list[str] = []
    trace(changed, lambda: calls.append("compile"))
    trace(changed, lambda: calls.append("compile"))
    assert calls == ["compile"]
    sample.warehouse.unlink()
    with pytest.raises(ProjectError, match="`kigen plan` builds them"):
        trace(built)


# Writing it down.


@pytest.fixture
def written(built: Project, tmp_path: Path) -> Project:
    """The project in a copy that may be written to."""
    folder = tmp_path / "dbt_project"
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("target", "logs"))
    return replace(built, settings=replace(built.settings, project=folder))


def missing(model: str, column: str, *categories: str) -> Undeclared:
    return Undeclared(f"model.kigen.{model}", column, categories, (), "")


def test_declarations_are_written_and_all_else_stays(written: Project) -> None:
    file = written.settings.project / "models/6_purge/_purge__models.yml"
    text = file.read_text().replace("models:\n", "models:  # Kept as it is.\n", 1)
    file.write_text(text)
    done = declare(
        written,
        [
            missing("purge_plan", "action", "user.contact.email", "user.contact.phone_number"),
            missing("purge_plan", "new_column", "user.name"),
        ],
    )
    assert done == {file: 2}
    after = file.read_text()
    assert "# Kept as it is." in after
    before_lines, after_lines = text.splitlines(), after.splitlines()
    assert [line for line in before_lines if line not in after_lines] == [
        '      - {name: action, description: "`delete` or `anonymise`."}'
    ]
    assert len(after_lines) == len(before_lines) + 1
    (plan,) = [m for m in yaml.safe_load(after)["models"] if m["name"] == "purge_plan"]
    columns = {column["name"]: column for column in plan["columns"]}
    # Of two categories, what they have in common.
    assert columns["action"]["config"] == {"meta": {"pii": "user.contact"}, "tags": ["pii"]}
    assert columns["new_column"]["config"] == {"meta": {"pii": "user.name"}, "tags": ["pii"]}
    assert declare(written, []) == {}


def test_model_of_another_package_is_refused_before_anything_is_written(
    written: Project,
) -> None:
    manifest: Any = copy.deepcopy(dict(written.manifest))
    manifest["nodes"]["model.kigen.stg_members"] |= {"patch_path": None, "package_name": "other"}
    file = written.settings.project / "models/6_purge/_purge__models.yml"
    before = file.read_text()
    with pytest.raises(ProjectError, match="Models of another package: stg_members"):
        declare(
            replace(written, manifest=manifest),
            [missing("purge_plan", "action", "user"), missing("stg_members", "email", "user")],
        )
    assert file.read_text() == before


def test_model_that_nothing_describes_gets_a_file_beside_it(written: Project) -> None:
    manifest: Any = copy.deepcopy(dict(written.manifest))
    for model in ("stg_members", "stg_orders"):
        manifest["nodes"][f"model.kigen.{model}"]["patch_path"] = None
    project = replace(written, manifest=manifest)
    file = written.settings.project / "models/1_staging/shop/_shop__models.yml"
    assert declare(project, [missing("stg_members", "email", "user.contact.email")]) == {file: 1}
    assert declare(
        project,
        [missing("stg_orders", "email", "user.contact.email"), missing("stg_members", "phone", "user.name")],
    ) == {file: 2}  # fmt: skip
    assert file.read_text() == (
        "version: 2\nmodels:\n"
        "  - name: stg_members\n    columns:\n"
        "      - {name: email, config: {meta: {pii: user.contact.email}, tags: [pii]}}\n"
        "      - {name: phone, config: {meta: {pii: user.name}, tags: [pii]}}\n"
        "  - name: stg_orders\n    columns:\n"
        "      - {name: email, config: {meta: {pii: user.contact.email}, tags: [pii]}}\n"
    )


def test_commands_say_what_to_do_first_and_write_the_documents(tmp_path: Path) -> None:
    home = tmp_path / "data"
    told = call("lineage", home=home)
    assert told.returncode == 1
    assert "No model is built in " in told.stdout
    assert "`kigen plan` builds them" in told.stdout
    assert not (home / "warehouse.duckdb").exists()
    documents = call("document", home=home)
    assert documents.returncode == 0, documents.stdout + documents.stderr
    assert sorted(path.name for path in (home / "documents").iterdir()) == [
        "processing_record.csv",
        "processing_record.html",
        "processing_record.json",
        "retention_statement.en.md",
        "retention_statement.ja.md",
    ]
    assert "To be worded" not in documents.stdout
