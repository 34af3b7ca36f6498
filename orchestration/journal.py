"""The journal: what a restored backup must not make forget.

A backup of the warehouse file takes the ledger and the memory of purges back with it, and with
them the people who were purged since. So after each purge the chain's head, the ledger rows
and what the memory keeps as keyed digests are written again outside the file, under
``KIGEN_HOME/journal/``, a folder per purge; and each start compares the two (`reconcile`):

- equal: nothing to do;
- the file is ahead: a crash came before the mirror; what is missing is written now;
- the file is behind: it was restored; the ledger and the memory are replayed into it, and who
  came back is known again, kept out of every audience, and planned for purge at once;
- neither continues the other: the two have different histories, and nothing runs until somebody
  has said which is true.

A journal belongs to one warehouse, by its path. Folders of runs are only ever added; of the
memory, which is kept whole, the newest copy is.

Architecture invariant: no key of a record, no address and no name is written here: keyed
digests, classes, counts and times only.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import duckdb

from orchestration.declarations import MEMORY_SCHEMA
from orchestration.durable import sha256_of, sync, write_whole
from orchestration.ledger import chain_of
from orchestration.project import Project
from orchestration.settings import Settings
from orchestration.translator import kigen_of
from orchestration.warehouse import connect, literal

_HEAD: Final = "head.json"
_LEDGER: Final = "ledger.parquet"
_COUNTS: Final = "purge_counts"
_VERSION: Final = 1


class JournalError(RuntimeError):
    """The journal and the warehouse cannot both be right, or the journal cannot be read."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """How the file and the journal stood to each other, and which runs were carried over."""

    state: Literal["equal", "file_ahead", "file_behind"]
    runs: tuple[int, ...] = ()

    @property
    def said(self) -> str:
        """What happened, in a sentence."""
        runs = ", ".join(str(run) for run in self.runs)
        match self.state:
            case "equal":
                return "The journal and the ledger agree."
            case "file_ahead":
                return f"The journal lacked purge {runs}: written now, after a crash."
            case "file_behind":
                return (
                    f"The warehouse is older than its journal and lacks purge {runs}: it was "
                    "restored. The ledger and the memory of purges were put back; who came back "
                    "with it is planned for purge again, and is in no audience."
                )


def heads(settings: Settings) -> dict[int, str]:
    """Return the chain digest the journal keeps for each run, by its number."""
    return {run_no: str(head["chain_digest"]) for run_no, head in _read_heads(settings).items()}


def reconcile(project: Project) -> Reconciled:
    """Compare the file with its journal, and carry over what one of them lacks.

    Raises JournalError where neither continues the other, and WarehouseError.
    """
    settings = project.settings
    _tidy(_folder(settings))
    kept = heads(settings)
    if not settings.warehouse.exists():
        return Reconciled("equal")
    with connect(settings, read_only=True) as connection:
        chain = chain_of(connection, project)
    for run_no in sorted(kept.keys() & chain.keys()):
        if kept[run_no] != chain[run_no]:
            raise _forked(settings, run_no)
    only_file = tuple(sorted(chain.keys() - kept.keys()))
    only_journal = tuple(sorted(kept.keys() - chain.keys()))
    if only_file and only_journal:
        raise _forked(settings, min(*only_file, *only_journal))
    if only_file:
        if kept and min(only_file) < max(kept):
            raise _forked(settings, min(only_file))
        with connect(settings, read_only=True) as connection:
            mirror(connection, project)
        return Reconciled("file_ahead", only_file)
    if only_journal:
        if chain and min(only_journal) < max(chain):
            raise _forked(settings, min(only_journal))
        with connect(settings, read_only=False) as connection:
            _replay(connection, project, only_journal)
        return Reconciled("file_behind", only_journal)
    return Reconciled("equal")


def mirror(connection: duckdb.DuckDBPyConnection, project: Project) -> tuple[int, ...]:
    """Write what the file has and the journal lacks, run by run. Returns the runs written.

    Each folder appears whole or not at all; a run that is there is left as it is.
    """
    settings = project.settings
    folder = _folder(settings)
    kept = heads(settings)
    chain = chain_of(connection, project)
    missing = tuple(sorted(chain.keys() - kept.keys()))
    for run_no in missing:
        _write(connection, project, folder, run_no, chain, is_newest=run_no == missing[-1])
    return missing


def renew_memory(connection: duckdb.DuckDBPyConnection, project: Project) -> None:
    """Write the memory of the newest run anew: its digests were made with another key."""
    folder = _folder(project.settings)
    newest = max(_read_heads(project.settings), default=None)
    if newest is None:
        return
    chain = chain_of(connection, project)
    _write(connection, project, folder, newest, chain, is_newest=True)


def _write(
    connection: duckdb.DuckDBPyConnection,
    project: Project,
    folder: Path,
    run_no: int,
    chain: dict[int, str],
    *,
    is_newest: bool,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    unfinished = folder / f".{run_no:06d}.{os.getpid()}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    ledger = project.relation("purge_ledger")
    queries = {
        _LEDGER: f"select * from {ledger} where run_no = {run_no}",
        f"{_COUNTS}.parquet": f"select * from {MEMORY_SCHEMA}.{_COUNTS} where run_no = {run_no}",
    }
    if is_newest:
        queries |= {
            f"{MEMORY_SCHEMA}.{table}.parquet": f"select * from {MEMORY_SCHEMA}.{table}"
            for table in _remembered(project)
        }
    for name, query in queries.items():
        path = unfinished / name
        connection.execute(f"copy ({query}) to {literal(str(path))} (format parquet)")
        path.chmod(0o600)
        sync(path)
    before = max((run for run in chain if run < run_no), default=None)
    head = {
        "version": _VERSION,
        "run_no": run_no,
        "chain_digest": chain[run_no],
        "chain_digest_before": chain[before] if before is not None else "",
        "files": {name: sha256_of(unfinished / name) for name in sorted(queries)},
    }
    write_whole(unfinished / _HEAD, json.dumps(head, indent=2) + "\n")
    sync(unfinished)
    final = folder / f"{run_no:06d}"
    if final.exists():
        # Only a renewed memory comes here: the old one goes after the new one is whole.
        old = folder / f".{run_no:06d}.old"
        final.rename(old)
        unfinished.rename(final)
        shutil.rmtree(old)
    else:
        unfinished.rename(final)
    sync(folder)
    if is_newest:
        _drop_older_memories(folder, final)


def _replay(connection: duckdb.DuckDBPyConnection, project: Project, runs: tuple[int, ...]) -> None:
    settings = project.settings
    folder = _folder(settings)
    read_heads = _read_heads(settings)
    for run_no in runs:
        _check_files(folder / f"{run_no:06d}", read_heads[run_no])
    newest = folder / f"{max(read_heads):06d}"
    _check_files(newest, read_heads[max(read_heads)])
    ledger = project.relation("purge_ledger")
    schema = ledger.split(".")[1]
    connection.execute("begin")
    connection.execute(f"create schema if not exists {schema}")
    connection.execute(f"create schema if not exists {MEMORY_SCHEMA}")
    for run_no in runs:
        for relation, file in (
            (ledger, _LEDGER),
            (f"{MEMORY_SCHEMA}.{_COUNTS}", f"{_COUNTS}.parquet"),
        ):
            _put_back(connection, relation, folder / f"{run_no:06d}" / file)
    for table in _remembered(project):
        path = newest / f"{MEMORY_SCHEMA}.{table}.parquet"
        if path.exists():
            _put_back(connection, f"{MEMORY_SCHEMA}.{table}", path)
    connection.execute("commit")


def _put_back(connection: duckdb.DuckDBPyConnection, relation: str, path: Path) -> None:
    """Add the rows of a file that a table lacks; make the table where it is not there."""
    rows = f"read_parquet({literal(str(path))})"
    connection.execute(f"create table if not exists {relation} as select * from {rows} limit 0")
    there = {name for (name, *_) in connection.execute(f"describe {relation}").fetchall()}
    columns = [
        name
        for (name, *_) in connection.execute(f"describe select * from {rows}").fetchall()
        if name in there
    ]
    listed = ", ".join(f'"{column}"' for column in columns)
    connection.execute(
        f"insert into {relation} ({listed}) "
        f"select {listed} from {rows} except select {listed} from {relation}"
    )


def _remembered(project: Project) -> tuple[str, ...]:
    """Return the tables of the memory that purges add keyed digests to, by the manifest.

    What a purge replaces whole speaks of rows that are there, and is made anew by the next.
    """
    tables = set()
    for node in project.manifest["nodes"].values():
        declared = kigen_of(node) if node["resource_type"] == "model" else {}
        if declared.get("mode") == "append":
            tables.add(str(declared["remembers"]).removeprefix(f"{MEMORY_SCHEMA}."))
    return tuple(sorted(tables))


def _folder(settings: Settings) -> Path:
    name = hashlib.sha256(str(settings.warehouse).encode()).hexdigest()[:12]
    return settings.home / "journal" / name


def _read_heads(settings: Settings) -> dict[int, dict[str, Any]]:
    read: dict[int, dict[str, Any]] = {}
    for path in sorted(_folder(settings).glob(f"[0-9]*/{_HEAD}")):
        try:
            head = json.loads(path.read_text(encoding="utf-8"))
            read[int(head["run_no"])] = head
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise JournalError(
                f"{path} cannot be read ({type(error).__name__}); put it back from your backup of "
                "KIGEN_HOME."
            ) from None
    return read


def _check_files(folder: Path, head: dict[str, Any]) -> None:
    for name, digest in head["files"].items():
        path = folder / name
        # The memory of an older run goes when a newer one has its own.
        if not path.exists() and name.startswith(f"{MEMORY_SCHEMA}."):
            continue
        if not path.exists() or sha256_of(path) != digest:
            raise JournalError(
                f"{path} is not what the journal wrote; put it back from your backup of KIGEN_HOME."
            )


def _drop_older_memories(folder: Path, newest: Path) -> None:
    for path in folder.glob(f"[0-9]*/{MEMORY_SCHEMA}.*.parquet"):
        if path.parent != newest:
            path.unlink()


def _tidy(folder: Path) -> None:
    """Finish or drop what a killed process left."""
    for path in _hidden(folder):
        final = folder / path.name.split(".")[1]
        if path.name.endswith(".old") and not final.exists():
            path.rename(final)
        else:
            shutil.rmtree(path)


def _hidden(folder: Path) -> Iterable[Path]:
    return [path for path in folder.glob(".[0-9]*") if path.is_dir()]


def _forked(settings: Settings, run_no: int) -> JournalError:
    return JournalError(
        f"The ledger of {settings.warehouse} and the journal {_folder(settings)} have different "
        f"histories from purge {run_no} on; nothing was built. If the file is the true one (it was "
        "governed from another KIGEN_HOME), move the journal's folder away; if the journal is, put "
        "the newest backup of the file back."
    )
