"""Dagster's own storage under KIGEN_HOME, and who may run at a time."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import dagster as dg

from orchestration.settings import Settings
from orchestration.tags import DOOR_TAG

IN_PROGRESS: Final = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)

_DAGSTER_YAML: Final = """\
# Written by Kigen once; yours to change.
telemetry:
  enabled: false
# No question for an address on the first visit.
nux:
  enabled: false
concurrency:
  # One process at a time may open the warehouse.
  pools:
    granularity: op
    default_limit: 1
  runs:
    max_concurrent_runs: 1
# What libraries print is not kept, for nobody can vouch for it; the event log has what Kigen says.
compute_logs:
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
"""


def prepare_home(settings: Settings) -> Path:
    """Make Dagster's folder with its `dagster.yaml`, where there is none. Returns the folder."""
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    config = home / "dagster.yaml"
    if not config.exists():
        unfinished = home / f".dagster.yaml.{os.getpid()}"
        unfinished.write_text(_DAGSTER_YAML)
        unfinished.replace(config)
    return home


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """Open Dagster's storage; the caller closes it, as a context."""
    return dg.DagsterInstance.from_config(str(prepare_home(settings)))


@contextmanager
def turn(settings: Settings, on_wait: Callable[[str], None]) -> Iterator[None]:
    """Hold the right to run for one `kigen` process; the system takes it back when it ends.

    `on_wait` is told once, in a sentence, if another process has it.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / "kigen.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            on_wait(f"Another kigen (process {holder}) is at work in {settings.home}; waiting.")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield


def clear_the_way(instance: dg.DagsterInstance, on_wait: Callable[[str], None]) -> None:
    """End the runs of killed `kigen` processes, and wait for runs that Dagster itself started.

    Call it within `turn`: no other `kigen` is alive then, so a run of one that is not over
    was killed. Whatever has ended gives its place in the pool back.
    """
    is_told = False
    while True:
        runs = instance.get_runs(dg.RunsFilter(statuses=list(IN_PROGRESS)))
        for run in runs:
            if DOOR_TAG in run.tags:
                instance.report_run_failed(
                    run, message="The process of this run was killed; what it had begun is undone."
                )
        free_places(instance)
        alive = [run for run in runs if DOOR_TAG not in run.tags]
        if not alive:
            return
        if not is_told:
            on_wait(
                f"Run {alive[0].run_id} of job {alive[0].job_name} is in progress; waiting. "
                "If its process is gone, end it in `kigen ui`."
            )
            is_told = True
        time.sleep(2)


def free_places(instance: dg.DagsterInstance) -> int:
    """Give back the places in the pool of runs that have ended. Returns of how many runs.

    A step gives its place back when it ends; a killed process does not, and every later run
    would wait for it for ever. A freed place goes to the next in line, which may be a step of
    another ended run: so it is looked again until there is none.
    """
    storage = instance.event_log_storage
    freed: set[str] = set()
    while True:
        holders = storage.get_concurrency_run_ids() - freed
        runs = {run_id: instance.get_run_by_id(run_id) for run_id in holders}
        ended = [run_id for run_id, run in runs.items() if run is None or run.is_finished]
        if not ended:
            return len(freed)
        for run_id in ended:
            storage.free_concurrency_slots_for_run(run_id)
        freed.update(ended)
