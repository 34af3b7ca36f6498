"""What Dagster shows and runs: the graph, the guard's place in it, T, and what starts runs."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import duckdb
import pytest

from orchestration.instance import open_instance, prepare_home
from orchestration.settings import REPOSITORY, Settings
from orchestration.tags import DOOR_TAG, PLAN_DIGEST_TAG, PURGE_RUN_TAG, PURGED_TAG

GUARD = dg.AssetCheckKey(dg.AssetKey(["purge", "purge_plan"]), "guard")
STAGES = {"staging", "tags", "consent", "retention", "audiences", "purge", "proofs"}


class Loaded:
    """The definitions of a home of their own, and the modules they come from."""

    def __init__(self) -> None:
        self.project = importlib.import_module("orchestration.project").current()
        self.definitions = importlib.import_module("orchestration.definitions").defs()

    def module(self, name: str) -> ModuleType:
        return importlib.import_module(f"orchestration.defs.{name}")

    @property
    def manifest(self) -> Any:
        return self.project.manifest

    def models(self) -> list[Any]:
        nodes = self.manifest["nodes"].values()
        return [node for node in nodes if node["resource_type"] == "model"]

    def specs(self) -> dict[str, dg.AssetSpec]:
        return {
            spec.key.to_user_string(): spec for spec in self.definitions.resolve_all_asset_specs()
        }


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    home = tmp_path_factory.mktemp("dagster") / "data"
    project = importlib.import_module("orchestration.project")
    before = {name: os.environ.get(name) for name in ("KIGEN_HOME", "KIGEN_WAREHOUSE")}
    os.environ["KIGEN_HOME"] = str(home)
    os.environ.pop("KIGEN_WAREHOUSE", None)
    project.current.cache_clear()
    for name in [name for name in sys.modules if name.startswith("orchestration.def")]:
        if name not in ("orchestration.declarations",):
            del sys.modules[name]
    try:
        yield Loaded()
    finally:
        project.current.cache_clear()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral(str(tmp_path)) as instance:
        yield instance


def test_graph_loads_and_is_acyclic(loaded: Loaded) -> None:
    graph = loaded.definitions.resolve_asset_graph()
    place = {key: index for index, key in enumerate(graph.toposorted_asset_keys)}
    assert set(place) == {spec.key for spec in loaded.specs().values()}
    for key in place:
        for parent in graph.get(key).parent_keys:
            assert place[parent] < place[key]


def test_whole_repository_loads(loaded: Loaded) -> None:
    """As `dagster dev` loads it: a job and a step of one name, say, are an error only then."""
    loaded.definitions.get_repository_def().load_all_definitions()


def test_groups_are_the_stages(loaded: Loaded) -> None:
    specs = loaded.specs()
    assert {spec.group_name for spec in specs.values()} == STAGES | {
        "raw",
        "memory",
        "policy",
        "delivery",
    }
    for node in loaded.models():
        folder = node["fqn"][1]
        spec = specs[f"{node['schema']}/{node['name']}"]
        assert folder.partition("_")[2] == spec.group_name
        assert node["schema"] == ("masked" if "masked" in node["fqn"] else spec.group_name)


def test_sources_are_external_and_show_what_is_personal(loaded: Loaded) -> None:
    specs = loaded.specs()
    graph = loaded.definitions.resolve_asset_graph()
    for source in loaded.manifest["sources"].values():
        spec = specs[f"{source['source_name']}/{source['name']}"]
        # What Kigen finds out about columns is made by steps of its own.
        is_own = source["schema"] in ("tags", "delivery")
        assert graph.get(spec.key).is_materializable == is_own
        shown = {
            column.name: column.tags.get("data_category", "none")
            for column in spec.metadata["dagster/column_schema"].columns
        }
        assert shown == {
            name: column["config"]["meta"].get("pii", "none")
            for name, column in source["columns"].items()
        }
    assert specs["shop/members"].owners == ["shop-team@example.com"]


def test_audience_columns_show_their_category(loaded: Loaded) -> None:
    columns = (
        loaded.specs()["audiences/audience_newsletter_email"]
        .metadata["dagster/column_schema"]
        .columns
    )
    assert {column.name: column.tags["data_category"] for column in columns} == {
        "email": "user.contact.email",
        "member_id": "user.unique_id",
        "granted_at": "user.privacy_preferences",
    }


def test_every_built_asset_says_what_a_row_is_and_what_made_it(loaded: Loaded) -> None:
    specs = loaded.specs()
    for node in loaded.models():
        spec = specs[f"{node['schema']}/{node['name']}"]
        assert spec.kinds == {"dbt", "duckdb", node["config"]["materialized"]}
        assert spec.description
        assert not spec.description.startswith("```")


def test_nothing_has_partitions(loaded: Loaded) -> None:
    assert all(spec.partitions_def is None for spec in loaded.specs().values())


BUILT = [
    "raw__raw_tables", "tags__scan_findings", "landing", "governed", "trace_columns", "tags",
]  # fmt: skip
"""The steps before the guard, one after the other."""


@pytest.mark.parametrize(
    ("job", "steps"),
    [
        ("plan", [*BUILT, "purge__purge_plan_guard"]),
        ("nightly", [*BUILT, "purge__purge_plan_guard", "purge"]),
        (
            "rebuild",
            [
                "governed",
                "purge__last_run",
                "purge__erased_file",
                "proofs_after",
            ],
        ),
        (
            "__ASSET_JOB",
            [
                *BUILT,
                "purge__purge_plan_guard",
                "purge",
                "purge__last_run",
                "purge__erased_file",
                "proofs_after",
            ],
        ),
    ],
)
def test_job_goes_one_step_after_the_other(loaded: Loaded, job: str, steps: list[str]) -> None:
    definition = loaded.definitions.resolve_job_def(job)
    # The certificate comes last by its priority, whatever fails before it; the others only look.
    aside = {"purge__certificate", "purge__purge_ledger_ledger_chain", "purge__forecast"}
    aside |= {
        "tags__lineage_page",
        "tags__documents",
        "delivery__leases",
        "delivery__file_copies",
        "delivery__expired_leases",
        "delivery__expired_disclosures",
        "delivery__disclosure",
    }
    aside |= {"delivery__audience_newsletter_email", "delivery__audience_deletion_notice"}
    aside |= {"delivery__audience_legal_notice", "delivery__breach"}
    if job == "rebuild":
        aside.add("purge__purge_plan_guard")
    names = [node.name for node in definition.nodes_in_topological_order]
    assert [name for name in names if name not in aside] == steps
    for node in definition.nodes_in_topological_order:
        priority = node.definition.tags.get("dagster/priority")
        assert priority == ("-1" if node.name == "purge__certificate" else None)
    assert definition.executor_def is dg.in_process_executor
    for node in definition.nodes_in_topological_order:
        assert node.definition.pools == {"warehouse"}
    # Each step waits for one before it: the order above is not one of many.
    for earlier, later in pairwise(steps):
        inputs = definition.graph.dependencies
        upstream = {
            dependency.node
            for node, ports in inputs.items()
            if (node.alias or node.name) == later
            for port in ports.values()
            for dependency in port.get_node_dependencies()
        }
        assert earlier in upstream


def test_guard_blocks_and_stands_before_the_purge(loaded: Loaded) -> None:
    graph = loaded.definitions.resolve_asset_graph()
    spec = graph.get_check_spec(GUARD)
    assert spec.blocking
    gates = loaded.project.declarations.proofs("before")
    assert {dep.asset_key.path[-1] for dep in spec.additional_deps} == {p.name for p in gates}
    assert len(gates) > 10
    for job in ("nightly", "__ASSET_JOB"):
        dependencies = loaded.definitions.resolve_job_def(job).graph.dependencies
        upstream = {
            dependency.node
            for node, ports in dependencies.items()
            if node.name == "purge"
            for port in ports.values()
            for dependency in port.get_node_dependencies()
        }
        assert "purge__purge_plan_guard" in upstream


def test_every_dbt_test_is_a_check_and_only_a_proof_does_not_block(loaded: Loaded) -> None:
    graph = loaded.definitions.resolve_asset_graph()
    checks = {key.name: graph.get_check_spec(key) for key in graph.asset_check_keys}
    tests = [n for n in loaded.manifest["nodes"].values() if n["resource_type"] == "test"]
    assert {test["name"] for test in tests} == set(checks) - {
        GUARD.name, "ledger_chain", "personal_columns_are_declared",
    }  # fmt: skip
    for test in tests:
        is_proof = ".7_proofs." in f".{'.'.join(test['fqn'])}."
        blocks = test["config"]["severity"].lower() == "error" and not is_proof
        assert checks[test["name"]].blocking == blocks, test["name"]


@pytest.mark.parametrize(
    ("name", "job", "hour"), [("plan_daily", "plan", 1), ("nightly_daily", "nightly", 2)]
)
def test_schedule_gives_the_scheduled_moment_in_utc(
    loaded: Loaded, name: str, job: str, hour: int
) -> None:
    schedule = loaded.definitions.resolve_schedule_def(name)
    assert (schedule.job_name, schedule.cron_schedule) == (job, f"0 {hour} * * *")
    assert schedule.execution_timezone == "Asia/Tokyo"
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    scheduled = datetime(2026, 2, 1, hour, tzinfo=ZoneInfo("Asia/Tokyo"))
    repository = loaded.definitions.get_repository_def()
    context = dg.build_schedule_context(
        scheduled_execution_time=scheduled, repository_def=repository
    )
    (request,) = schedule.evaluate_tick(context).run_requests
    as_of = request.run_config["resources"]["moment"]["config"]["as_of"]
    assert as_of == f"2026-01-31T{hour + 15:02}:00:00.000000"


def test_nightly_refuses_a_t_to_come_before_anything_is_made(
    loaded: Loaded, instance: dg.DagsterInstance
) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    result = loaded.definitions.resolve_job_def("nightly").execute_in_process(
        instance=instance,
        raise_on_error=False,
        run_config={"resources": {"moment": {"config": {"as_of": tomorrow}}}},
    )
    assert not result.success
    failed = [event.step_key for event in result.get_step_failure_events()]
    assert failed == ["raw__raw_tables"]
    told = result.get_step_failure_events()[0].step_failure_data.user_failure_data.description
    assert "later than now, and nothing is deleted by a date that has not come" in told
    assert not loaded.project.settings.warehouse.exists()


@pytest.fixture
def requests_file(loaded: Loaded) -> Iterator[Path]:
    """A warehouse with two erasure requests and nothing else."""
    path: Path = loaded.project.settings.warehouse
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema shop")
        connection.execute("create table shop.erasure_requests (request_id bigint)")
        connection.execute("insert into shop.erasure_requests values (9), (10)")
    yield path
    path.unlink()


def _tick(loaded: Loaded, instance: dg.DagsterInstance, cursor: str | None = None) -> Any:
    sensor = loaded.definitions.resolve_sensor_def("erasure_requests")
    context = dg.build_sensor_context(
        instance=instance,
        cursor=cursor,
        repository_def=loaded.definitions.get_repository_def(),
    )
    return sensor.evaluate_tick(context)


def test_sensor_asks_for_a_plan_once_per_new_request(
    loaded: Loaded, instance: dg.DagsterInstance, requests_file: Path
) -> None:
    first = _tick(loaded, instance)
    assert len(first.run_requests) == 1
    again = _tick(loaded, instance, first.cursor)
    assert (again.run_requests, again.skip_message) == ([], "There is no new request.")
    with duckdb.connect(str(requests_file)) as connection:
        connection.execute("insert into shop.erasure_requests values (11)")
    later = _tick(loaded, instance, again.cursor)
    assert len(later.run_requests) == 1
    assert json.loads(later.cursor) == {"shop.erasure_requests": ["11", 3]}
    # A purge that takes old requests is no new one.
    with duckdb.connect(str(requests_file)) as connection:
        connection.execute("delete from shop.erasure_requests where request_id < 11")
    fewer = _tick(loaded, instance, later.cursor)
    assert fewer.run_requests == []
    assert json.loads(fewer.cursor) == {"shop.erasure_requests": ["11", 1]}


def test_sensor_does_not_touch_the_file_while_a_run_is_in_progress(
    loaded: Loaded, instance: dg.DagsterInstance, requests_file: Path
) -> None:
    requests_file.write_bytes(b"not to be opened")
    instance.add_run(
        dg.DagsterRun(job_name="nightly", run_id="1", status=dg.DagsterRunStatus.STARTED)
    )
    assert "A run is in progress" in _tick(loaded, instance).skip_message


def test_sensor_skips_while_another_process_has_the_file(
    loaded: Loaded, instance: dg.DagsterInstance, requests_file: Path
) -> None:
    script = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(requests_file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        skipped = _tick(loaded, instance)
        holder.communicate(b"\n")
    assert skipped.skip_message == "Another process has the warehouse open."


@pytest.mark.parametrize(
    ("tags", "assets"),
    [
        ({DOOR_TAG: "cli"}, None),
        ({PLAN_DIGEST_TAG: "d" * 64, PURGED_TAG: "3"}, 0),
        ({PLAN_DIGEST_TAG: "d" * 64, PURGED_TAG: "0"}, 12),
    ],
)
def test_rebuild_follows_a_nightly_run_by_the_same_t(
    loaded: Loaded, instance: dg.DagsterInstance, tags: dict[str, str], assets: int | None
) -> None:
    moment = {"resources": {"moment": {"config": {"as_of": "2026-01-31T17:00:00.000000"}}}}
    run = dg.DagsterRun(
        job_name="nightly",
        run_id="00000000-0000-0000-0000-000000000001",
        run_config=moment,
        status=dg.DagsterRunStatus.SUCCESS,
        tags=tags,
    )
    instance.add_run(run)
    context = dg.build_run_status_sensor_context(
        sensor_name="rebuild_after_nightly",
        dagster_event=dg.DagsterEvent("PIPELINE_SUCCESS", "nightly"),
        dagster_instance=instance,
        dagster_run=run,
    )
    outcome = loaded.module("sensors").rebuild_after_nightly(context)
    if assets is None:
        assert isinstance(outcome, dg.SkipReason)
        return
    assert outcome.run_config == moment
    assert outcome.tags[PURGE_RUN_TAG] == run.run_id
    assert outcome.tags[PLAN_DIGEST_TAG] == "d" * 64
    after = loaded.project.declarations.proofs("after")
    # Beside the proofs, what one of them counts.
    assert len(outcome.asset_selection or ()) == (4 + len(after) if assets else 0)


def test_t_of_a_run_is_its_config_else_the_environment_else_its_creation(
    loaded: Loaded, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = importlib.import_module("orchestration.moment")
    monkeypatch.delenv("KIGEN_AS_OF", raising=False)
    run = dg.DagsterRun(job_name="plan", run_id="2")
    instance.add_run(run)
    created = moment.Moment().of(run, instance)
    assert abs(created - datetime.now(UTC).replace(tzinfo=None)) < timedelta(minutes=1)
    assert moment.Moment().of(run, instance) == created
    monkeypatch.setenv("KIGEN_AS_OF", "2026-01-31T17:00:00Z")
    assert moment.Moment().of(run, instance) == datetime(2026, 1, 31, 17)
    named = moment.Moment(as_of="2026-02-01T02:00:00+09:00")
    monkeypatch.setenv("KIGEN_AS_OF", "2020-01-01")
    assert named.of(run, instance) == datetime(2026, 1, 31, 17)


def test_dagster_home_has_one_place_in_the_pool_and_no_telemetry(tmp_path: Path) -> None:
    settings = Settings.from_env({"KIGEN_HOME": str(tmp_path / "data")})
    prepare_home(settings)
    with open_instance(settings) as instance:
        pools = instance.get_concurrency_config().pool_config
        assert (pools.pool_granularity.value, pools.default_pool_limit) == ("op", 1)
        assert instance.get_settings("telemetry") == {"enabled": False}


def test_definitions_only_load() -> None:
    text = (REPOSITORY / "orchestration" / "definitions.py").read_text()
    assert "load_from_defs_folder" in text
    assert len(text.splitlines()) < 20
