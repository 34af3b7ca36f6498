"""The command line: ``kigen run``, ``kigen plan``, ``kigen ui``.

Each verb that changes something is a Dagster run, seen in the UI; `tag` writes YAML after one. What
is printed holds keys and counts only; a refusal is one sentence, without a traceback.
"""

import getpass
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, cast

import dagster as dg
import typer
from dagster import DagsterEvent, DagsterEventType
from rich.console import Console
from rich.table import Table

from orchestration import retention_statement
from orchestration.approvals import check_words
from orchestration.breach import find, folder_of, told
from orchestration.column_lineage import read_target, trace
from orchestration.declarations import LEGAL_NOTICE
from orchestration.disclosures import expect_there, request_named
from orchestration.instance import clear_the_way, open_instance, prepare_home, turn
from orchestration.journal import heads
from orchestration.keys import read_pads
from orchestration.leases import PERIOD, terms_of
from orchestration.ledger import broken_link, chain_of, entries_of
from orchestration.plan import last_purge
from orchestration.project import Project, current
from orchestration.refusals import REFUSALS
from orchestration.report import report
from orchestration.runs import run_job
from orchestration.scan.findings import TABLE as FINDINGS
from orchestration.settings import (
    PAGES_PORT,
    REPOSITORY,
    Settings,
    SettingsError,
    format_moment,
    parse_moment,
)
from orchestration.simulation import Simulation, forecast_path, show_simulation
from orchestration.tagging import declare
from orchestration.tags import PLAN_DIGEST_TAG, PURGE_RUN_TAG
from orchestration.translator import DISCLOSURE
from orchestration.warehouse import DELIVERY_SOURCE, EDGES, INHERITED, connect

app = typer.Typer(
    help="Governs personal data in a warehouse: tag, decide, expire, purge, prove.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_STEPS: Final = {
    "raw__raw_tables": "raw tables",
    "tags__scan_findings": "scan",
    "landing": "policy",
    "governed": "governed stages",
    "trace_columns": "lineage",
    "tags": "tags",
    "delivery__expired_leases": "ended leases",
    "delivery__expired_disclosures": "disclosures",
    "delivery__leases": "leases",
    "delivery__file_copies": "copies in files",
    "tags__lineage_page": "lineage page",
    "purge__purge_plan_guard": "guard",
    "purge": "purge",
    "purge__purge_ledger_ledger_chain": "ledger chain",
    "purge__last_run": "last run",
    "purge__erased_file": "erase",
    "proofs_after": "proofs after",
    "purge__certificate": "certificate",
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
def approve(
    digest: Annotated[
        str, typer.Argument(help="The digest of the plan, or of a list of `breach`; 12 digits do.")
    ],
    reason: Annotated[str, typer.Option(help="Why it is right, in words; no personal data.")],
    by: Annotated[str, typer.Option(help="Who approves; the user of this process.")] = "",
    verbose: Verbose = False,
) -> None:
    """Let one plan through that exceeds a limit, or a list of those to be told of a leak."""
    approver = by or getpass.getuser()
    check_words(reason=reason, approver=approver)
    config = {"write_approval": {"digest": digest, "reason": reason, "approver": approver}}
    found: dict[str, Any] = {}

    def take(event: DagsterEvent) -> None:
        if event.event_type == DagsterEventType.ASSET_OBSERVATION:
            found.update(event.asset_observation_data.asset_observation.metadata)

    _change("approve", config, is_verbose=verbose, on_event=take)
    next_step = "`kigen run` purges it."
    if "breach_id" in found:
        next_step = (
            f"`kigen deliver CAMPAIGN --audience {LEGAL_NOTICE} --breach {found['breach_id'].value}` "
            f"hands it over, until {found['approval_expires_at'].value} UTC."
        )
    Console().print(
        f"Approved by {approver}. Next: {next_step}", markup=False, highlight=False, soft_wrap=True
    )


@app.command()
def verify(
    record: Annotated[
        str, typer.Option(help="Ask of one record, as shop.members:1016, whether it was purged.")
    ] = "",
) -> None:
    """Make the chain of the ledger anew, and hold it against the journal."""
    project = current()
    console = Console()
    pads = read_pads(project.settings.key) if record else None
    with connect(project.settings, read_only=True) as connection:
        chain = chain_of(connection, project)
        broken = broken_link(connection, project, heads(project.settings))
        entries = entries_of(connection, project, record, pads) if pads else ()
    for entry in entries:
        console.print(entry, markup=False, highlight=False, soft_wrap=True)
    if broken:
        console.print(f"Broken: {broken}", style="bold red", markup=False, soft_wrap=True)
        raise typer.Exit(1)
    head = chain[max(chain)] if chain else "none"
    console.print(
        f"The chain is whole: {len(chain)} purges, head {head}.", highlight=False, soft_wrap=True
    )


@app.command("rotate-key")
def rotate_key(verbose: Verbose = False) -> None:
    """Put a new key on top of the key of the keyed digests."""
    _change("rotate_key", {}, is_verbose=verbose)
    key = current().settings.key
    Console().print(
        f"The key was rotated. Back up {key}: without it nobody who was purged is recognised.",
        markup=False,
        soft_wrap=True,
    )


@app.command()
def encrypt(
    key: Annotated[
        str, typer.Argument(help="The file of the new key; one that is not there is made.")
    ] = "",
    verbose: Verbose = False,
) -> None:
    """Write the warehouse anew, encrypted with a key of its own."""
    settings = current().settings
    named = Path(key).expanduser().absolute() if key else settings.warehouse_key
    if named is None:
        raise SettingsError(
            "Name the file of the key, or set KIGEN_WAREHOUSE_KEY to it; it is made if it is not "
            "there."
        )
    _change("recrypt", {"write_anew": {"key_file": str(named)}}, is_verbose=verbose)
    Console().print(
        f"Encrypted. Set KIGEN_WAREHOUSE_KEY to {named}, and back the key up apart from the file: "
        "without it nobody can open the warehouse. Copies made before are not encrypted.",
        markup=False,
        soft_wrap=True,
    )


@app.command()
def decrypt(verbose: Verbose = False) -> None:
    """Write the warehouse anew, not encrypted."""
    _change("recrypt", {"write_anew": {"key_file": ""}}, is_verbose=verbose)
    Console().print("Not encrypted any more. Leave KIGEN_WAREHOUSE_KEY out from now on.")


@app.command()
def simulate(
    as_of: Annotated[
        str, typer.Option(help="T in ISO 8601, past or future; default KIGEN_AS_OF, or now.")
    ] = "",
    policy: Annotated[
        str, typer.Option(help="A file like policy_deletion_classes.csv, in place of the policy.")
    ] = "",
    verbose: Verbose = False,
) -> None:
    """Say what another T or policy would take, and in the 24 months from then; change nothing."""
    settings = current().settings
    moment = parse_moment(as_of, "--as-of") if as_of else settings.as_of
    file = str(Path(policy).expanduser().absolute()) if policy else ""
    found: list[Simulation] = []

    def take(event: DagsterEvent) -> None:
        if event.event_type == DagsterEventType.ASSET_MATERIALIZATION:
            written = event.step_materialization_data.materialization.metadata["simulation"].value
            found.append(Simulation.from_json(cast(Mapping[str, Any], written)))

    config = {"purge__forecast": {"as_of": format_moment(moment), "policy_file": file}}
    _change("simulate", config, is_verbose=verbose, as_of=moment, on_event=take)
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console.width = 120
    for simulation in found:
        show_simulation(console, simulation, forecast_path(settings, simulation))


@app.command()
def scan(
    schema: Annotated[str, typer.Option(help="A schema of the warehouse, declared or not.")],
    verbose: Verbose = False,
) -> None:
    """Look for personal columns by their names and values; keep tags.scan_findings."""
    _change("scan", {"tags__scan_findings": {"schema_name": schema}}, is_verbose=verbose)
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console.width = 120
    with connect(current().settings, read_only=True) as connection:
        rows = connection.execute(
            f"select table_name, column_name, data_category, confidence, evidence from {FINDINGS} "
            "where schema_name = ? and is_personal order by table_name, confidence desc, column_name",
            [schema],
        ).fetchall()
    table = Table("table", "column", "data category", "sure", "because", box=None, pad_edge=False)
    for table_name, column, category, confidence, evidence in rows:
        table.add_row(table_name, column, category, f"{confidence:.2f}", evidence)
    console.print(table)
    console.print(f"\n{len(rows)} columns look personal.", highlight=False)


@app.command()
def lineage(
    target: Annotated[
        str,
        typer.Option(
            help="The target folder of any other dbt project on KIGEN_WAREHOUSE: only look at it."
        ),
    ] = "",
    verbose: Verbose = False,
) -> None:
    """Trace every column of every model; keep tags.column_lineage, name what inherits unsaid."""
    if target:
        _look_at(Path(target).expanduser().absolute())
        return
    _change("lineage", {}, is_verbose=verbose)
    console = Console(file=sys.stdout)
    with connect(current().settings, read_only=True) as connection:
        edges, models = connection.execute(
            f"select count(*), count(distinct (schema_name, table_name)) from tags.{EDGES}"
        ).fetchall()[0]
        inherited = connection.execute(
            f"select message from tags.{INHERITED} order by problem, message"
        ).fetchall()
    wrong = [message for (message,) in inherited if message]
    for message in wrong:
        console.print(message, style="bold red", markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"{edges} edges into {models} models; {len(inherited)} of their columns inherit personal "
        f"data, and {len(wrong)} of these do not say so, or say something else.",
        highlight=False,
        soft_wrap=True,
    )
    if wrong:
        console.print("`kigen tag` declares what is not declared.")
        raise typer.Exit(1)


def _look_at(target: Path) -> None:
    """Print what the lineage of another project says; exit 1 where something is not declared."""
    found = read_target(target, Settings.from_env().warehouse)
    console = Console(file=sys.stdout)
    personal = 0
    for columns in found.tags.values():
        for column in columns.values():
            if not column.categories:
                continue
            personal += 1
            paths = sorted({" -> ".join(origin.path) for origin in column.origins}, key=len)
            what = f"{', '.join(column.categories)} ({column.tagged_by})"
            console.print(f"{paths[0]}: {what}", markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"{len(found.tags)} models; {personal} of their columns are personal, and "
        f"{len(found.undeclared)} of these do not say so.",
        highlight=False,
    )
    for each in found.undeclared:
        console.print(each.message, style="bold red", markup=False, highlight=False, soft_wrap=True)
    if found.undeclared:
        raise typer.Exit(1)


@app.command()
def tag(verbose: Verbose = False) -> None:
    """Write the declarations that `kigen lineage` misses into the YAML of the models."""
    _change("lineage", {}, is_verbose=verbose)
    project = current()
    with turn(project.settings, lambda message: None):
        written = declare(project, trace(project).undeclared)
    console = Console(file=sys.stdout)
    for path, count in sorted(written.items()):
        console.print(f"{path}: {count} columns", markup=False, highlight=False, soft_wrap=True)
    if not written:
        console.print("Every column of a model that inherits personal data declares it.")


@app.command()
def deliver(
    campaign: Annotated[str, typer.Argument(help="The campaign; it has one set of recipients.")],
    audience: Annotated[str, typer.Option(help="The audience, as audience_newsletter_email.")],
    purpose: Annotated[
        str, typer.Option(help="A fideslang data use; the audience's own, and no other.")
    ] = "",
    file_format: Annotated[str, typer.Option("--format", help="csv or parquet.")] = "csv",
    expires: Annotated[
        str, typer.Option(help="How long the file may lie there, ISO 8601 period.")
    ] = PERIOD,
    breach: Annotated[
        str, typer.Option(help="Of a legal notice: the breach whose approved list it is for.")
    ] = "",
    by: Annotated[str, typer.Option(help="Who hands it over; the user of this process.")] = "",
    verbose: Verbose = False,
) -> None:
    """Hand an audience over for a campaign: judged anew now, written once, for a time."""
    project = current()
    # Refused before anything is built.
    terms = terms_of(project, campaign, audience, purpose, file_format, expires, breach)
    step = f"{DELIVERY_SOURCE}__{audience}"
    config = {
        "campaign_id": campaign, "purpose": purpose, "file_format": file_format, "period": expires,
        "issued_by": by or getpass.getuser(), "breach_id": breach,
    }  # fmt: skip
    found: dict[str, Any] = {}

    def take(event: DagsterEvent) -> None:
        if event.event_type == DagsterEventType.ASSET_MATERIALIZATION and event.step_key == step:
            found.update(event.step_materialization_data.materialization.metadata)

    _change(
        "deliver",
        {step: config},
        is_verbose=verbose,
        on_event=take,
        assets=[dg.AssetKey([DELIVERY_SOURCE, audience])],
    )
    console = Console(file=sys.stdout)
    told = {name: value.value for name, value in found.items()}
    console.print(
        f"{told['file']}: {told['recipients']} recipients of {terms.audience}, until "
        f"{told['expires_at']} UTC{'' if told['is_new'] else '; handed over before, the same'}.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    if told["noticed"]:
        console.print(
            f"{told['noticed']} notices were written into the log of what was sent: their grace runs. "
            "Send them today; the texts lie beside the file.",
            markup=False,
            soft_wrap=True,
        )
    if told["revoked"]:
        console.print(
            f"{told['revoked']} of them must not be written to any more: {told['revoke_list']}",
            style="bold red",
            markup=False,
            soft_wrap=True,
        )
    if told["problems"] != "none":
        console.print(told["problems"], style="bold red", markup=False, soft_wrap=True)
        raise typer.Exit(1)


@app.command()
def breach(
    place: Annotated[
        str,
        typer.Argument(help="What leaked: a table, as shop.orders, or the campaign of a lease."),
    ],
    by: Annotated[str, typer.Option(help="Who asks; the user of this process.")] = "",
    verbose: Verbose = False,
) -> None:
    """After a leak: how many persons, which categories, which recipients; freeze whom to tell."""
    found: dict[str, Any] = {}

    def take(event: DagsterEvent) -> None:
        if event.event_type == DagsterEventType.ASSET_MATERIALIZATION:
            found.update(event.step_materialization_data.materialization.metadata)

    config = {"place": place, "asked_by": by or getpass.getuser()}
    _change("breach", {f"{DELIVERY_SOURCE}__breach": config}, is_verbose=verbose, on_event=take)
    settings = current().settings
    answer = find(settings, str(found["breach_id"].value), read_pads(settings.key))
    lines = [*told(answer), f"  {folder_of(settings, answer)}"]
    if answer.contact_count:
        lines.append(
            f"Next: look at it, and `kigen approve {answer.list_digest[:12]} --reason ...`; then "
            f"`kigen deliver CAMPAIGN --audience {LEGAL_NOTICE} --breach {answer.breach_id}`."
        )
    console = Console(file=sys.stdout)
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


@app.command()
def disclose(
    request: Annotated[
        str,
        typer.Argument(
            help="The key of a request to disclose, as 12; shop.erasure_requests:12 where several "
            "tables hold requests."
        ),
    ],
    by: Annotated[str, typer.Option(help="Who answers; the user of this process.")] = "",
    verbose: Verbose = False,
) -> None:
    """Write everything held on one verified person, for that person; close the request."""
    project = current()
    # Refused before anything is built, and before what was typed gets into Dagster's storage.
    expect_there(project, request_named(project, request))
    step = "__".join(DISCLOSURE.path)
    config = {"request": request, "made_by": by or getpass.getuser()}
    found: dict[str, Any] = {}

    def take(event: DagsterEvent) -> None:
        if event.event_type == DagsterEventType.ASSET_MATERIALIZATION and event.step_key == step:
            found.update(event.step_materialization_data.materialization.metadata)

    _change("disclose", {step: config}, is_verbose=verbose, on_event=take)
    console = Console(file=sys.stdout)
    told = {name: value.value for name, value in found.items()}
    console.print(
        f"{told['folder']}: {told['records']} records of {told['tables']} tables, until "
        f"{told['expires_at']} UTC{'' if told['is_new'] else '; disclosed before, the same'}.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    if told["left_out"] != "none":
        console.print(
            f"Left out, for they may be another's: {told['left_out']}.",
            style="yellow",
            markup=False,
            soft_wrap=True,
        )


@app.command()
def document(verbose: Verbose = False) -> None:
    """Write the record of processing, the retention statement and the personal columns."""
    _change("document", {}, is_verbose=verbose)
    project = current()
    console = Console(file=sys.stdout)
    for path in sorted(project.settings.documents.iterdir()):
        console.print(str(path), markup=False, highlight=False, soft_wrap=True)
    for missing in retention_statement.missing_words(project):
        console.print(f"To be worded: {missing}", style="yellow", markup=False, soft_wrap=True)


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 3000,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    pages_port: Annotated[
        int, typer.Option(help="The port of the pages Dagster links to: lineage, certificates.")
    ] = PAGES_PORT,
) -> None:
    """Open Dagster's pages, and serve those they link to."""
    settings = current().settings
    home = prepare_home(settings)
    environment = {**os.environ, **settings.environment(), "DAGSTER_HOME": str(home)}
    # T is each run's own: what is set for this process would freeze it.
    if not settings.is_as_of_named:
        del environment["KIGEN_AS_OF"]
    # As the caller had it: only then is the sample loaded into a default warehouse.
    if not settings.is_warehouse_named:
        del environment["KIGEN_WAREHOUSE"]
    if pages_port != PAGES_PORT:
        environment.setdefault("KIGEN_PAGES_URL", f"http://{host}:{pages_port}")
    # It ends with this process, which becomes Dagster's.
    subprocess.Popen(
        [sys.executable, "-m", "orchestration.pages_server", host, str(pages_port)],
        env=environment,
        cwd=REPOSITORY,
    )
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


def _change(
    job: str,
    config: dict[str, Any],
    *,
    is_verbose: bool,
    as_of: datetime | None = None,
    on_event: Callable[[DagsterEvent], None] = lambda event: None,
    assets: Sequence[dg.AssetKey] | None = None,
) -> None:
    """Run a job beside the purge, by T `as_of` if given; raise what it refused."""
    project = current()
    settings = project.settings
    from orchestration.definitions import defs

    definitions = defs()
    console = Console(file=sys.stdout)

    def wait(message: str) -> None:
        console.print(message, style="yellow", markup=False)

    with turn(settings, wait), open_instance(settings) as instance:
        clear_the_way(instance, wait)
        outcome = run_job(
            definitions,
            job,
            instance,
            as_of or settings.as_of,
            on_event=on_event,
            assets=assets,
            ops=config,
            is_verbose=is_verbose,
        )
    if not outcome.is_success:
        for refusal in outcome.failures.values():
            console.print(f"Refused: {refusal}", style="bold red", markup=False, soft_wrap=True)
        raise typer.Exit(1)


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
