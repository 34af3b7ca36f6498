"""The invariants of DESIGN section 3: what holds of every line of the house, whoever adds one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import T
from tests.faults import RAW
from tests.house import PROJECT, RAW_TABLES, REPOSITORY, House

STAGES = ["staging", "tags", "consent", "retention", "audiences", "purge", "proofs"]
Node = dict[str, Any]


@pytest.fixture(scope="module")
def manifest(template: House) -> Node:
    """What dbt knows of the project."""
    read: Node = json.loads((template.home / "target" / "manifest.json").read_bytes())
    return read


@pytest.fixture(scope="module")
def models(manifest: Node) -> dict[str, Node]:
    return {
        name: node for name, node in manifest["nodes"].items() if node["resource_type"] == "model"
    }


def stage(model: Node) -> int:
    """The number of the stage a model stands in."""
    return int(model["fqn"][1].partition("_")[0])


def is_masked(model: Node) -> bool:
    """Whether a model shows a raw table to analysts."""
    return "masked" in model["fqn"]


def statements() -> Iterator[tuple[Path, str]]:
    """Every SQL file of the project with its text, Jinja comments and SQL comments left out."""
    for path in sorted([*PROJECT.rglob("models/**/*.sql"), *PROJECT.rglob("macros/**/*.sql")]):
        text = re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.DOTALL)
        yield path.relative_to(PROJECT), re.sub(r"--[^\n]*", "", text)


# Stages.


def test_every_model_stands_in_a_stage_and_in_its_schema(models: dict[str, Node]) -> None:
    for model in models.values():
        assert model["fqn"][1] == f"{stage(model)}_{STAGES[stage(model) - 1]}"
        schema = "masked" if is_masked(model) else STAGES[stage(model) - 1]
        assert model["schema"] == schema, model["name"]


def test_no_stage_refs_a_later_one_and_nothing_reads_a_proof(models: dict[str, Node]) -> None:
    arrows = [
        (model["name"], models[parent]["name"], stage(model), stage(models[parent]))
        for model in models.values()
        for parent in model["depends_on"]["nodes"]
        if parent in models
    ]
    assert len(arrows) > 100
    assert [arrow for arrow in arrows if arrow[2] < arrow[3]] == []
    proofs = STAGES.index("proofs") + 1
    assert [arrow for arrow in arrows if arrow[3] == proofs] == []


def test_only_staging_reads_raw_tables(template: House, models: dict[str, Node]) -> None:
    """By dbt's graph, and by the names in the compiled text, which a macro could have put there."""
    readers = {
        model["name"]: stage(model)
        for model in models.values()
        if not is_masked(model)
        for parent in model["depends_on"]["nodes"]
        if parent.startswith("source.")
        and parent.split(".")[2] not in ("memory", "shop_memory", "tags", "delivery")
    }
    assert set(readers.values()) == {1}
    assert len(readers) == len(RAW_TABLES)
    for path in (template.home / "target" / "compiled").rglob("*.sql"):
        if re.search(r"/(1_staging|7_proofs)/", str(path)):
            continue
        named = re.findall(r'"(\w+)"\."(\w+)"\."(\w+)"', path.read_text())
        assert [name for name in named if name[1] in RAW] == [], path.name


def test_raw_table_is_read_by_one_view(models: dict[str, Node]) -> None:
    """And, for their keys alone, by the models that look for keys; and masked, for analysts."""
    readers: dict[str, set[str]] = {}
    for model in models.values():
        if is_masked(model):
            continue
        for parent in model["depends_on"]["nodes"]:
            if parent.startswith("source.") and parent.split(".")[2] in RAW:
                readers.setdefault(parent, set()).add(model["name"])
    assert {len(each) for each in readers.values()} == {1}


# Deletes, and what outlives them.

_TAKES_AWAY = re.compile(
    r"\b(delete\s+from|truncate\s+\w+|drop\s+(?:table|schema|view)|update\s+\S+\s+set|insert\s+into)\b",
    re.I,
)


def test_only_the_purge_changes_rows_that_are_not_derived() -> None:
    found: dict[str, list[str]] = {}
    for path, text in statements():
        for match in _TAKES_AWAY.finditer(text):
            line = text[match.start() : match.start() + 60]
            # An incremental model forgets what has gone from the tables it was made from.
            if not line.startswith("delete from {{ this }}"):
                found.setdefault(str(path), []).append(match.group(1).lower())
    assert set(found) == {"macros/materializations/purge.sql"}
    assert set(found["macros/materializations/purge.sql"]) == {"delete from", "insert into"}


def test_only_one_model_purges(models: dict[str, Node]) -> None:
    purging = [m["name"] for m in models.values() if m["config"]["materialized"] == "purge"]
    assert purging == ["purge_ledger"]


def test_python_changes_nothing_but_what_kigen_itself_keeps() -> None:
    """Verdicts, approvals, the baseline and canaries; findings, lineage, leases; after a restore and a new key, the
    memory. And one raw table: a notice that was handed over, in the log of what was sent where the source says so.
    """
    found = {
        (path.name, match.group(1).lower(), re.split(r"[\s\"]", text[match.end() :].lstrip())[0])
        for path in (REPOSITORY / "orchestration").rglob("*.py")
        for text in [path.read_text()]
        for match in _TAKES_AWAY.finditer(text)
        # Loads the sample; makes the key; works in temporary tables beside a file it opened read-only.
        if path.name not in ("sample.py", "keys.py", "simulation.py")
    }
    assert found == {
        ("guard.py", "delete from", "purge.guard_verdicts"),
        ("guard.py", "insert into", "purge.guard_verdicts"),
        ("approvals.py", "insert into", "{TABLE}"),
        ("baseline.py", "delete from", "purge.{table}"),
        ("baseline.py", "insert into", "purge.last_run"),
        ("baseline.py", "insert into", "purge.last_run_tables"),
        ("baseline.py", "insert into", "purge.last_run_clocks"),
        ("baseline.py", "insert into", "purge.accepted_policies"),
        ("erase.py", "delete from", "purge.canaries"),
        ("erase.py", "insert into", "purge.canaries"),
        ("journal.py", "insert into", "{relation}"),
        ("notices.py", "insert into", "{log.relation}"),
        ("warehouse.py", "delete from", "{relation}"),
        ("warehouse.py", "insert into", "{relation}"),
        # A request that was disclosed is closed: two columns of its own row (docs/decisions.md).
        (
            "disclosures.py",
            "update {request.table.relation_name} set",
            "{quoted(columns.closed_at)}",
        ),
        ("rotation.py", "update {memory_schema}.{table} set", "{moved},"),
    }


def test_a_build_writes_nothing_into_the_memory(template: House) -> None:
    tables = template.rows(
        "select table_name from information_schema.tables where table_schema = 'memory'"
    )
    assert len(tables) >= 8
    for (table,) in tables:
        assert template.rows(f"select count(*) from memory.{table}") == [(0,)], table


def test_memory_holds_keys_and_keyed_digests_only(manifest: Node) -> None:
    for source in manifest["sources"].values():
        if source["schema"] != "memory":
            continue
        for column in source["columns"].values():
            category = column["config"]["meta"].get("pii", "none")
            assert category in ("none", "user.unique_id", "user.unique_id.pseudonymous")
            assert column["data_type"], (source["name"], column["name"])


# Audiences.


def test_audience_has_an_enforced_contract_and_a_tag_on_every_column(
    template: House, models: dict[str, Node]
) -> None:
    audiences = [
        m for m in models.values() if m["config"]["meta"].get("kigen", {}).get("message_class")
    ]
    assert {model["name"] for model in audiences} == {
        "audience_newsletter_email", "audience_deletion_notice", "audience_legal_notice",
    }  # fmt: skip
    for model in audiences:
        assert model["config"]["contract"]["enforced"], model["name"]
        in_warehouse = template.rows(
            f"select column_name from information_schema.columns where table_schema = 'audiences' "
            f"and table_name = '{model['name']}'"
        )
        assert {name for (name,) in in_warehouse} == set(model["columns"])
        for column in model["columns"].values():
            assert column["config"]["meta"].get("pii"), (model["name"], column["name"])


# Tags.


def test_every_model_column_that_holds_a_personal_value_is_tagged(template: House) -> None:
    """By the values: what stands in a tagged column of a raw table stands in no untagged one."""
    tags = set(template.rows("select schema_name, table_name, column_name from tags.pii_columns"))
    raw = [(s, t, c) for s, t, c in tags if s in RAW]
    assert len(raw) > 20
    lower = "lower(trim(cast({0} as varchar), ' ' || chr(160)))"
    values = " union ".join(
        f"select {lower.format(c)} as value from {s}.{t} where {c} is not null and length({c}::varchar) > 5"
        for s, t, c in raw
    )
    untagged = []
    for schema, table, column in template.rows(
        "select table_schema, table_name, column_name from information_schema.columns "
        f"where table_schema in {tuple(STAGES)} and data_type = 'VARCHAR'"
    ):
        if (schema, table, column) in tags or table == "record_digests":
            continue
        # Some views need the key; those that a purge leaves red must not stop the others.
        if (schema == "consent" and table == "suppressions") or table.startswith("remembered_"):
            continue
        if template.rows(
            f'select 1 from "{schema}"."{table}" where {lower.format(column)} in ({values}) limit 1'
        ):
            untagged.append(f"{schema}.{table}.{column}")
    assert untagged == []


# Declarations: dbt does not warn of a misspelt key here, so the YAML is linted.

ALLOWED = {
    "": {"version", "models", "sources", "seeds", "exposures"},
    "exposure": {"name", "label", "type", "description", "owner", "config"},
    "model": {"name", "description", "config", "columns", "data_tests"},
    "source": {"name", "description", "schema", "config", "tables"},
    "table": {"name", "description", "config", "columns"},
    "column": {"name", "description", "config", "data_type", "data_tests"},
    "config": {"meta", "contract", "enabled", "tags", "alias"},
    "meta": {"owner", "pii", "reason", "optional", "kigen"},
}


def yaml_files() -> list[Path]:
    return sorted([*PROJECT.glob("models/**/*.yml"), *(REPOSITORY / "seeds").glob("**/*.yml")])


@pytest.mark.parametrize("path", yaml_files(), ids=lambda path: path.stem)
def test_yaml_has_no_key_that_dbt_would_overlook(path: Path) -> None:
    found: list[str] = []

    def look(kind: str, holder: Node, place: str) -> None:
        found.extend(f"{place}: {key}" for key in set(holder) - ALLOWED[kind])
        config = holder.get("config", {})
        found.extend(f"{place}.config: {key}" for key in set(config) - ALLOWED["config"])
        meta = config.get("meta", {})
        found.extend(f"{place}.config.meta: {key}" for key in set(meta) - ALLOWED["meta"])
        if meta.get("pii", "none") != "none" and not meta["pii"].startswith("system."):
            is_marked = config.get("tags") == ["pii"] or meta["pii"] == "user.privacy_preferences"
            found.extend([] if is_marked else [f"{place}: has no dbt tag `pii`"])
        for column in holder.get("columns", []):
            look("column", column, f"{place}.{column['name']}")

    content = yaml.safe_load(path.read_text())
    look("", content, path.name)
    for model in content.get("models", []) + content.get("seeds", []):
        look("model", model, model["name"])
    for exposure in content.get("exposures", []):
        look("exposure", exposure, exposure["name"])
    for source in content.get("sources", []):
        look("source", source, source["name"])
        for table in source["tables"]:
            look("table", table, f"{source['name']}.{table['name']}")
    assert found == []


def test_every_model_and_source_is_described_and_its_columns_are_there(
    template: House, manifest: Node, models: dict[str, Node]
) -> None:
    seeds = [n for n in manifest["nodes"].values() if n["resource_type"] == "seed"]
    nodes = [*models.values(), *manifest["sources"].values(), *seeds]
    for node in nodes:
        assert node["description"], node["name"]
        assert node["config"]["meta"].get("owner"), node["name"]
    columns = set(
        template.rows(
            "select table_schema, table_name, column_name from information_schema.columns"
        )
    )
    after = {
        m["name"]
        for m in models.values()
        if m["config"]["meta"].get("kigen", {}).get("gate") == "after"
    }
    for node in nodes:
        for column in node["columns"]:
            if node["name"] not in after:
                place = (node["schema"], node.get("identifier") or node["alias"], column)
                assert place in columns, place


def test_every_macro_is_documented_and_has_its_own_file(manifest: Node) -> None:
    for path in sorted(PROJECT.rglob("macros/**/*.sql")):
        text = path.read_text()
        names = re.findall(r"{%-? (?:macro|test|materialization) (\w+)", text)
        public = [n for n in names if not n.startswith(("_", "default__"))]
        assert path.stem in public or path.stem in ("contributions", "moments", "zones"), path
        for name in public:
            head = re.split(rf"{{%-? (?:macro|test|materialization) {name}\b", text)[0]
            assert head.rstrip().endswith(("-#}", "#}")), (path.name, name)


def test_t_of_the_template_is_what_the_house_was_told(template: House) -> None:
    assert template.rows("select as_of from staging.as_of") == [(T,)]
