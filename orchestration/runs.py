"""Runs of Dagster's jobs in this process, told step by step to whoever watches."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import datetime
from os import devnull
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import dagster as dg
from dagster import DagsterEvent, DagsterEventType

from orchestration.moment import run_config
from orchestration.tags import DOOR_TAG

DOOR: Final = "cli"


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """How an asset check came out; `failed_rows` where it counts rows."""

    asset: str
    name: str
    is_passed: bool
    is_warning: bool
    failed_rows: int | None
    description: str
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run came out; `failures` are what its steps said, without a traceback."""

    run_id: str
    is_success: bool
    failures: Mapping[str, str]
    checks: tuple[CheckOutcome, ...]
    tags: Mapping[str, str]


def run_job(
    definitions: dg.Definitions,
    job: str,
    instance: dg.DagsterInstance,
    as_of: datetime,
    *,
    on_event: Callable[[DagsterEvent], None],
    assets: Sequence[dg.AssetKey] | None = None,
    tags: Mapping[str, str] | None = None,
    ops: Mapping[str, Any] | None = None,
    is_verbose: bool = False,
) -> RunOutcome:
    """Run a job here and now, by T `as_of` (naive, UTC), and return how it came out.

    `assets`: only these of the job. `ops`: the config of its steps, by name. `on_event` is
    called with each event of Dagster as it comes. What steps print is not shown unless
    `is_verbose`.
    """
    job_definition = definitions.resolve_job_def(job)
    config: dict[str, Any] = {
        **run_config(as_of),
        **({"ops": {name: {"config": config} for name, config in ops.items()}} if ops else {}),
        "loggers": {"console": {"config": {"log_level": "INFO" if is_verbose else "CRITICAL"}}},
    }
    checks: list[CheckOutcome] = []
    failures: dict[str, str] = {}

    def take(record: Any) -> None:
        event = record.dagster_event
        if event is None:
            return
        if event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
            checks.append(_check(event))
        elif event.event_type == DagsterEventType.STEP_FAILURE:
            failures[str(event.step_key)] = _failure(event)
        on_event(event)

    run_id = str(uuid4())
    instance.add_event_listener(run_id, take)
    with _silence(not is_verbose):
        result = job_definition.execute_in_process(
            run_id=run_id,
            instance=instance,
            run_config=config,
            asset_selection=assets,
            tags={DOOR_TAG: DOOR, **(tags or {})},
            raise_on_error=False,
        )
    run = instance.get_run_by_id(run_id)
    return RunOutcome(
        run_id=run_id,
        is_success=result.success,
        failures=failures,
        checks=tuple(checks),
        tags=run.tags if run else {},
    )


@contextmanager
def _silence(is_silent: bool) -> Iterator[None]:
    if not is_silent:
        yield
        return
    with Path(devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def _check(event: DagsterEvent) -> CheckOutcome:
    evaluation = event.asset_check_evaluation_data
    rows = evaluation.metadata.get("dagster_dbt/failed_row_count")
    return CheckOutcome(
        asset=evaluation.asset_key.path[-1],
        name=evaluation.check_name,
        is_passed=evaluation.passed,
        is_warning=evaluation.severity == dg.AssetCheckSeverity.WARN,
        failed_rows=None if rows is None else int(str(rows.value)),
        description=evaluation.description or "",
        metadata=evaluation.metadata,
    )


def _failure(event: DagsterEvent) -> str:
    """Return what a failed step said: its own words if it chose them, else the kind of error.

    The text of an error nobody foresaw may hold anything.
    """
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    kind = error.cls_name if error is not None else "an error"
    return f"{kind}; the run's page in `kigen ui` has more."
