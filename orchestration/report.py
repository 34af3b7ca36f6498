"""The end of `kigen run` and `kigen plan`: a short summary, and the next thing to do."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from orchestration.certificate import page_of
from orchestration.erase import read_record
from orchestration.guard import GUARD, counts_in, told_by
from orchestration.plan import PlanCount
from orchestration.project import Project
from orchestration.runs import RunOutcome
from orchestration.summary import ProofOutcome, Summary, proofs_of, summarise
from orchestration.tags import CERTIFICATE_TAG, PLAN_DIGEST_TAG, RESTORED_TAG
from orchestration.warehouse import connect


def report(console: Console, project: Project, outcomes: Sequence[RunOutcome], before: int) -> bool:
    """Print the summary of runs that belong together.

    `before` is the number of the last purge before them. Returns whether nothing was refused
    and every proof holds; a proof that only warns is counted, and holds.
    """
    for outcome in outcomes:
        if RESTORED_TAG in outcome.tags:
            console.print(
                f"\n{outcome.tags[RESTORED_TAG]}", style="bold yellow", markup=False, soft_wrap=True
            )
    checks = [check for outcome in outcomes for check in outcome.checks]
    proofs = proofs_of(project, checks)
    verdicts = [check for check in checks if check.name == GUARD]
    due: Sequence[PlanCount] = ()
    summary: Summary | None = None
    if verdicts:
        # The guard has spoken, so everything before it was built.
        due = counts_in(verdicts[0].metadata)
        digest = outcomes[0].tags.get(PLAN_DIGEST_TAG)
        with connect(project.settings, read_only=True) as connection:
            summary = summarise(connection, project, before, digest, project.settings.as_of)
        _print_audiences(console, summary)
        _print_records(console, summary, due)
        _print_requests(console, summary)
    _print_proofs(console, project, proofs)

    refusals = [
        verdicts[0].description if verdicts and step.endswith(GUARD) else text
        for outcome in outcomes
        for step, text in outcome.failures.items()
    ]
    record = read_record(project.settings)
    if record.deleted_not_erased_since:
        since = f"Deleted, not yet erased, since {record.deleted_not_erased_since} UTC."
        if record.waits_by_policy:
            console.print(f"\n{record.said or since}", highlight=False, soft_wrap=True)
        else:
            refusals.append(record.said or since)
    for refusal in refusals:
        console.print(f"\nRefused: {refusal}", style="bold red", markup=False, soft_wrap=True)
    for outcome in outcomes:
        if not outcome.is_success:
            console.print(f"Run {outcome.run_id} failed; `kigen ui` shows where.", highlight=False)
    red = [proof for proof in proofs if proof.violations and not proof.is_warning]
    _print_certificate(console, project, outcomes)
    console.print(f"\nNext: {_next_thing(refusals, red, proofs, due, summary)}", soft_wrap=True)
    return not refusals and not red and all(outcome.is_success for outcome in outcomes)


def _print_audiences(console: Console, summary: Summary) -> None:
    table = _table("audience", "people", "excluded, and why")
    for audience, people in summary.audiences.items():
        reasons = [f"{n} {reason}" for name, reason, n in summary.exclusions if name == audience]
        table.add_row(audience, str(people), ", ".join(reasons) or "-")
    console.print(table)


def _print_records(console: Console, summary: Summary, due: Sequence[PlanCount]) -> None:
    purged = {count.table_name: count for count in summary.purged}
    console.print()
    if due:
        table = _table("due in", "class", "action", "rows")
        for count in due:
            table.add_row(count.table_name, count.deletion_class, count.action, str(count.rows))
        console.print(table)
    else:
        console.print("Due: nothing", highlight=False)
    if purged:
        table = _table("purged in", "before", "deleted", "anonymised", "left alone", "after")
        for name, done in purged.items():
            counts = (
                done.rows_before,
                done.deleted,
                done.anonymised,
                done.skipped,
                done.rows_after,
            )
            table.add_row(name, *map(str, counts))
        console.print()
        console.print(table)
    states = ", ".join(f"{rows} {state}" for state, rows in summary.states.items())
    when = "after the purge" if purged else "now"
    console.print(f"\nRecords {when}: {states or 'none'}", highlight=False)


def _print_requests(console: Console, summary: Summary) -> None:
    told = [
        f"{summary.requests[standing]} {words}"
        for standing, words in (
            ("waiting_for_identity", "wait for a verified identity"),
            ("to_be_disclosed", "to be disclosed (`kigen disclose`)"),
            ("overdue", "overdue"),
        )
        if summary.requests.get(standing)
    ]
    if told:
        console.print(f"\nRequests of people: {', '.join(told)}", highlight=False)


def _print_proofs(console: Console, project: Project, proofs: Sequence[ProofOutcome]) -> None:
    """Print how many are green, and what a red one says that nothing else would tell.

    Of a red proof of `gate: before` the guard's refusal tells it.
    """
    if not proofs:
        return
    after = [proof for proof in proofs if proof.gate == "after" and not proof.is_warning]
    red = [proof for proof in after if proof.violations]
    told = {}
    if red:
        with connect(project.settings, read_only=True) as connection:
            for proof in red:
                told[proof.name] = told_by(connection, project, proof.name, proof.violations)
    green = sum(1 for proof in proofs if not proof.violations)
    console.print(f"\nProofs: {green} of {len(proofs)} green", highlight=False)
    for proof in proofs:
        if proof.violations:
            word, style = ("warns", "yellow") if proof.is_warning else ("RED", "bold red")
            console.print(
                f"  [{style}]{word:<5}[/] {proof.name}: {proof.violations}", highlight=False
            )
            if told.get(proof.name):
                console.print(
                    f"        {told[proof.name]}", highlight=False, markup=False, soft_wrap=True
                )


def _print_certificate(console: Console, project: Project, outcomes: Sequence[RunOutcome]) -> None:
    names = [outcome.tags.get(CERTIFICATE_TAG) for outcome in outcomes]
    for name in filter(None, names):
        path = page_of(project.settings, name)
        console.print(f"\nCertificate: {path}", highlight=False, soft_wrap=True, markup=False)


def _next_thing(
    refusals: Sequence[str],
    red: Sequence[ProofOutcome],
    proofs: Iterable[ProofOutcome],
    due: Sequence[PlanCount],
    summary: Summary | None,
) -> str:
    if refusals and summary is None:
        return "do what the refusal says, and run again."
    if red:
        return f"see what `select * from proofs.{red[0].name}` names, mend it, and run again."
    if refusals:
        return "do what the refusal says, and run again."
    notices = summary.audiences.get("audience_deletion_notice", 0) if summary else 0
    if due and summary and not summary.purged:
        return f"`kigen run` purges the {sum(count.rows for count in due)} rows that are due."
    if notices:
        return (
            f"hand {notices} last notices over: `kigen deliver CAMPAIGN --audience "
            "audience_deletion_notice`."
        )
    warning = next((proof for proof in proofs if proof.violations), None)
    if warning:
        return f"look at what `select * from proofs.{warning.name}` names."
    return "nothing, until the next run."


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, title_justify="left")
    for column in columns:
        is_text = column in ("audience", "excluded, and why", "class", "action") or " in" in column
        table.add_column(column, justify="left" if is_text else "right", overflow="fold")
    return table
