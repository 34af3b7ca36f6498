"""dbt as a Dagster resource: a child process that has ended before anybody opens the file."""

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final

import dagster as dg
from dagster_dbt import DbtCliInvocation, DbtCliResource
from packaging.version import Version

from orchestration.facts import facts_of
from orchestration.keys import ensure_key
from orchestration.project import Project
from orchestration.refusals import refusals_as_failures
from orchestration.translator import KigenTranslator, gate_of

WITHOUT_UNIT_TESTS: Final = ("--exclude-resource-type", "unit_test")
"""Unit tests are for developers; a failing one prints rows."""


class Dbt(DbtCliResource):
    """dbt by way of `orchestration.dbt_child`, which lets no personal value out.

    Two things of dagster-dbt are left out: asking the executable for its version, which
    costs seconds a run, and an adapter in this process, which would open the warehouse.
    """

    @cached_property
    def _cli_version(self) -> Version:
        return Version(importlib.metadata.version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> Any:
        return None


def dbt_resource(project: Project) -> Dbt:
    """Return the resource for a project."""
    return Dbt(
        project_dir=str(project.settings.project),
        profiles_dir=str(project.settings.project),
        dbt_executable=sys.executable,
        global_config_flags=["-m", "orchestration.dbt_child"],
    )


@dataclass(frozen=True)
class Invocation:
    """What one dbt process did: its events in order, and what went wrong."""

    events: tuple[Any, ...]
    said: tuple[str, ...]
    """What macros said by `log(…, info=true)`."""
    failures: tuple[str, ...]
    """One line per node that failed, a proof's test left out; redacted."""
    skipped: int
    red_proofs: tuple[str, ...] = field(default=())


def invoke(
    project: Project,
    dbt: Dbt,
    context: dg.AssetExecutionContext,
    arguments: Sequence[str],
    as_of: datetime,
    *,
    selects: bool = True,
    environment: Mapping[str, str] | None = None,
) -> Invocation:
    """Run dbt in a child process, wait until it has ended, and return what it did.

    `selects`: dagster-dbt adds the selection of the step; otherwise `arguments` name it, and
    only the events of this step's own assets are kept. Raises KeyFileError.
    """
    settings = project.settings
    ensure_key(settings.key)
    told = {**settings.environment(as_of), **(environment or {})}
    translator = KigenTranslator()
    with _environment(told):
        child: DbtCliInvocation = dbt.cli(
            [*arguments],
            manifest=project.manifest,
            dagster_dbt_translator=translator,
            context=context if selects else None,
            target_path=settings.target,
            raise_on_error=False,
        )
    own = {
        spec.metadata.get("dagster_dbt/unique_id")
        for spec in context.assets_def.specs
        if spec.key in context.selected_asset_keys
    }
    events: list[Any] = []
    said: list[str] = []
    errors: list[str] = []
    for event in child.stream_raw_events():
        text, level = str(event), event.raw_event["info"]["level"]
        name = event.raw_event["info"]["name"]
        if name == "JinjaLogInfo":
            said.append(text)
        if level == "error" and name.startswith("Log") is False:
            errors.append(text)
        context.log.log(level.upper() if level != "warn" else "WARNING", text)
        node = event.raw_event["data"].get("node_info", {}).get("unique_id", "")
        if selects or node in own:
            events += event.to_default_asset_events(
                manifest=project.manifest,
                dagster_dbt_translator=translator,
                context=context,
                target_path=settings.target,
            )
    failures, red, skipped = _outcome(project, child, errors)
    _keep_run_results(project, context.op_execution_context.op.name)
    return Invocation(tuple(events), tuple(said), failures, skipped, red)


def build(
    project: Project,
    dbt: Dbt,
    context: dg.AssetExecutionContext,
    as_of: datetime,
) -> Generator[Any, None, Invocation]:
    """Run `dbt build` on the step's own selection, yield its events, and return what it did.

    Raises dagster.Failure if a node failed; the red test of a proof is not a failure here,
    but a red check, and the guard's business.
    """
    with refusals_as_failures():
        done = invoke(project, dbt, context, ["build", *WITHOUT_UNIT_TESTS], as_of)
        yield from with_facts(project, done.events)
    fail_if_any(done)
    return done


def fail_if_any(done: Invocation) -> None:
    """Raise dagster.Failure naming what failed, or return."""
    if done.failures:
        skipped = f"\n{done.skipped} nodes after them were skipped." if done.skipped else ""
        raise dg.Failure("\n".join(done.failures) + skipped, allow_retries=False)


def with_facts(project: Project, events: Sequence[Any]) -> Iterator[Any]:
    """Yield events, those of assets with their columns and rows as they are in the warehouse.

    dbt's process has ended: DuckDB lets nobody else in before.
    """
    ids = [_unique_id(event) for event in events if isinstance(event, dg.Output)]
    nodes = {unique_id: project.manifest["nodes"][unique_id] for unique_id in ids}
    facts = facts_of(project, nodes) if nodes else {}
    for event in events:
        if isinstance(event, dg.Output):
            more = facts.get(_unique_id(event), {})
            yield dg.Output(
                event.value,
                output_name=event.output_name,
                metadata={**event.metadata, **more},
            )
        else:
            yield event


def _unique_id(event: dg.Output[None]) -> str:
    return str(event.metadata["unique_id"].value)


def _outcome(
    project: Project, child: DbtCliInvocation, errors: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    """Return the failures, the red proofs and the count of skipped nodes."""
    status = child.process.wait()
    if status not in (0, 1):
        return (*(errors or (f"dbt ended with status {status}.",)),), (), 0
    failures: list[str] = []
    red: list[str] = []
    skipped = 0
    for result in child.get_artifact("run_results.json")["results"]:
        if result["status"] == "skipped":
            skipped += 1
        if result["status"] not in ("error", "fail", "runtime error"):
            continue
        node = project.manifest["nodes"].get(result["unique_id"], {})
        proof = project.manifest["nodes"].get(node.get("attached_node") or "", {})
        if result["status"] == "fail" and gate_of(proof) is not None:
            red.append(str(proof["name"]))
        else:
            name = node.get("name", result["unique_id"])
            failures.append(f"{name}: {result['message'] or result['status']}")
    if status == 1 and not failures and not red:
        failures += errors or ["dbt failed, and did not say why."]
    return tuple(failures), tuple(red), skipped


def _keep_run_results(project: Project, step: str) -> None:
    """Keep the results of the last run of each step: the next child writes its own."""
    target = project.settings.target
    with suppress(FileNotFoundError):
        shutil.copyfile(target / "run_results.json", target / f"run_results_{step}.json")


@contextmanager
def _environment(told: Mapping[str, str]) -> Iterator[None]:
    """Set variables of this process for as long as dagster-dbt copies them to its child."""
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
