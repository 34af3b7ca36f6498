"""The command line: ``kigen run``, ``kigen plan``, ``kigen ui``.

Each verb that changes something is a Dagster run, seen in the UI. What is printed holds keys
and counts only; a refusal is one sentence, without a traceback.
"""

import os
import sys
import time
from dataclasses import dataclass, field
from typing import Annotated, Final

import typer
from dagster import DagsterEvent, DagsterEventType
from rich.console import Console

from orchestration.instance import clear_the_way, open_instance, prepare_home, turn
from orchestration.plan import last_purge
from orchestration.project import Project, current
from orchestration.refusals import REFUSALS
from orchestration.report import report
from orchestration.runs import run_job
from orchestration.settings import format_moment
from orchestration.tags import PLAN_DIGEST_TAG, PURGE_RUN_TAG
from orchestration.warehouse import connect

app = typer.Typer(
    help="Governs personal data in a warehouse: tag, decide, expire, purge, prove.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_STEPS: Final = {
    "raw__raw_tables": "raw tables",
    "landing": "policy",
    "governed": "governed stages",
    "purge__purge_plan_guard": "guard",
    "purge": "purge",
    "purge__erased_file": "erase",
    "proofs_after": "proofs after",
}

Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show what dbt and Dagster say.")]


@app.command()
def run(verbose: Verbose = False) -> None:
    """Build, guard, purge, rebuild, erase and prove."""
    _govern(is_purging=True, is_verbose=verbose)


@app.command()
def plan(verbose: Verbose = False) -> None:
    """Do the same and stop before the purge: nothing is deleted."""
    _govern(is_purging=False, is_verbose=verbose)


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 3000,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
) -> None:
    """Open Dagster's pages."""
    settings = current().settings
    home = prepare_home(settings)
    environment = {**os.environ, **settings.environment(), "DAGSTER_HOME": str(home)}
    # T is each run's own: what is set for this process would freeze it.
    if not settings.is_as_of_named:
        del environment["KIGEN_AS_OF"]
    # As the caller had it: only then is the sample loaded into a default warehouse.
    if not settings.is_warehouse_named:
        del environment["KIGEN_WAREHOUSE"]
    arguments = ["-m", "dagster", "dev", "-m", "orchestration.definitions"]
    os.execve(  # noqa: S606
        sys.executable,
        [sys.executable, *arguments, "--port", str(port), "--host", host],
        environment,
    )


def main() -> None:
    """Run the command line; the exit status is 0 only if nothing was refused."""
    # The warehouse, Dagster's storage and every file beside them are for their owner only.
    os.umask(0o077)
    try:
        app()
    except REFUSALS as error:
        Console(stderr=True).print(
            f"Refused: {error}", style="bold red", markup=False, soft_wrap=True
        )
        sys.exit(1)


@dataclass
class _Progress:
    """Prints a line per step as it ends."""

    console: Console
    started: dict[str, float] = field(default_factory=dict)

    def take(self, event: DagsterEvent) -> None:
        step = str(event.step_key)
        name = _STEPS.get(step, step)
        if event.event_type == DagsterEventType.STEP_START:
            self.started[step] = time.monotonic()
            if self.console.is_terminal:
                self.console.print(f"  ...     {name}", style="dim", highlight=False)
        elif event.event_type == DagsterEventType.STEP_SUCCESS:
            self._say("done", name, step)
        elif event.event_type == DagsterEventType.STEP_FAILURE:
            self._say("FAILED", name, step)
        elif event.event_type == DagsterEventType.STEP_SKIPPED:
            self._say("skipped", name, step)

    def _say(self, outcome: str, name: str, step: str) -> None:
        seconds = time.monotonic() - self.started.get(step, time.monotonic())
        style = {"done": "green", "FAILED": "bold red", "skipped": "yellow"}[outcome]
        self.console.print(
            f"  [{style}]{outcome:<7}[/] {name:<16} {seconds:6.1f} s", highlight=False
        )


def _govern(*, is_purging: bool, is_verbose: bool) -> None:
    # The real standard output: what steps print is silenced, what we print is not.
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console.width = 120
    project = current()
    settings = project.settings
    console.print(
        f"T is {format_moment(settings.as_of)} UTC; warehouse {settings.warehouse}",
        highlight=False,
        soft_wrap=True,
    )
    # The modules of `defs` read the project when they are imported: not before it is known good.
    from orchestration.definitions import defs
    from orchestration.defs.jobs import NIGHTLY, PLAN, REBUILD, rebuild_selection

    definitions = defs()
    progress = _Progress(console)

    def wait(message: str) -> None:
        console.print(message, style="yellow", markup=False)

    with turn(settings, wait), open_instance(settings) as instance:
        clear_the_way(instance, wait)
        before = _last_purge(project)
        job = NIGHTLY if is_purging else PLAN
        outcomes = [
            run_job(
                definitions,
                job,
                instance,
                settings.as_of,
                on_event=progress.take,
                is_verbose=is_verbose,
            )
        ]
        if is_purging and outcomes[0].is_success:
            first = outcomes[0]
            outcomes.append(
                run_job(
                    definitions,
                    REBUILD,
                    instance,
                    settings.as_of,
                    on_event=progress.take,
                    assets=rebuild_selection(first.tags),
                    tags={
                        PURGE_RUN_TAG: first.run_id,
                        PLAN_DIGEST_TAG: first.tags.get(PLAN_DIGEST_TAG, ""),
                    },
                    is_verbose=is_verbose,
                )
            )
        is_well = report(console, project, outcomes, before)
    if not is_well:
        raise typer.Exit(1)


def _last_purge(project: Project) -> int:
    if not project.settings.warehouse.exists():
        return 0
    with connect(project.settings, read_only=True) as connection:
        return last_purge(connection, project)
