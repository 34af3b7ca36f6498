"""The certificate of a run: what was due, what went, what stayed and why, and how we know.

A JSON document that holds to `certificate.schema.json`, and a page of it in Japanese and in
English. Both hold counts, keys of classes and digests: no key of a record, no personal value.
Times are those that are on record, never that of writing, so that the same run told again
has the same names and, where nothing changed, the same bytes.

Architecture invariant: nothing is claimed about bytes unless the record of the erasure says how
it was verified, and that it held.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import duckdb
import jsonschema

from orchestration.approvals import TABLE as APPROVALS
from orchestration.approvals import Approval, find_approval
from orchestration.durable import write_whole
from orchestration.erase import ErasureRecord, read_record
from orchestration.keys import Pads, read_pads
from orchestration.pages import templates
from orchestration.plan import has_ledger, read_plan
from orchestration.project import Project
from orchestration.settings import Settings, format_moment
from orchestration.warehouse import connect, has_table

VERSION: Final = 1
"""The version of the document; a change that breaks a reader counts it up."""

OUT_OF_REACH: Final = (
    {
        "key": "backups",
        "en": "Backups of the warehouse file and of its machine, until they expire or are rewritten.",
        "ja": "ウェアハウスのファイルとサーバーのバックアップ。期限が切れるか書き換えられるまで残ります。",
    },
    {
        "key": "copies_elsewhere",
        "en": "Copies that left the warehouse: exports, files handed over, and what delivery tools keep.",
        "ja": "ウェアハウスの外に出た写し。エクスポート、受け渡したファイル、配信ツールが保持するデータなど。",
    },
    {
        "key": "file_system_remnants",
        "en": "Remnants of the old file in the file system and on the medium: freed blocks, "
        "the journal, spare cells of an SSD.",
        "ja": "ファイルシステムと記憶媒体に残る旧ファイルの痕跡。解放済みブロック、ジャーナル、SSD の予備領域など。",
    },
    {
        "key": "snapshots",
        "en": "Snapshots of the volume or the virtual machine, and replicas of them.",
        "ja": "ボリュームまたは仮想マシンのスナップショットと、その複製。",
    },
    {
        "key": "upstream_systems",
        "en": "The systems upstream from which the tables are loaded.",
        "ja": "テーブルの読み込み元である上流システム。",
    },
    {
        "key": "other_databases",
        "en": "Other databases, and memory, swap and temporary files of processes that read the rows.",
        "ja": "他のデータベース、および行を読んだプロセスのメモリ、スワップ、一時ファイル。",
    },
)
"""What no run of Kigen reaches, in words; the same on every certificate."""

_KEPT_STATES: Final = {
    "held": "hold_released",
    "floored": "floor",
    "in_grace": "grace",
    "notice_due": "notice_sent",
    "unclocked": "clock_known",
    "unclassed": "class_known",
}
"""The states of what stays though something asks for it, in order, each with what it waits for."""

_FLAGS: Final = (
    "encrypted",
    "deleted_canary_found",
    "kept_canary_found",
    "never_canary_found",
    "content_digests_equal",
    "old_file_held_deleted_canary",
)
_NUMBERS: Final = (
    "freed_blocks",
    "blocks_with_deleted_text",
    "freed_blocks_found",
    "tables",
    "rows",
)
"""What the record of an erasure says of its verification."""

_NOTHING: Final = "nothing"
"""In the name of a certificate, where the number of a purge would be."""


class CertificateError(RuntimeError):
    """The certificate does not hold to its schema; nothing was written."""


@dataclass(frozen=True, slots=True)
class Purge:
    """A purge as the warehouse remembers it; `run_no` is None for a run that purged nothing."""

    run_no: int | None
    plan_digest: str
    as_of: datetime
    """T of the run: naive, UTC."""

    @property
    def name(self) -> str:
        """The name of its certificate, without the ending."""
        number = _NOTHING if self.run_no is None else f"run{self.run_no}"
        return f"{self.as_of:%Y%m%dT%H%M%SZ}-{number}-{self.plan_digest[:12]}"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate as it was written."""

    name: str
    document: Mapping[str, Any]
    json_path: Path
    page_path: Path
    digest: str
    """SHA-256 of the JSON file."""


def folder_of(settings: Settings) -> Path:
    """Return where certificates lie."""
    return settings.home / "certificates"


def page_of(settings: Settings, name: str) -> Path:
    """Return the page of a certificate, by the name that its run was tagged with."""
    return folder_of(settings) / f"{name}.html"


def issue(project: Project, as_of: datetime, *, built: Collection[str]) -> tuple[Certificate, ...]:
    """Write the certificate of the run by this T (naive, UTC); its own comes last.

    Before it, those that earlier runs still owe: of a purge whose run was stopped before it
    wrote one, and of one whose rows were not erased by then and are now. `built` are the proofs
    that this run has built: one that is kept as a table was not asked by it otherwise. Raises
    CertificateError, WarehouseError, PlanError and KeyFileError.
    """
    settings = project.settings
    record = read_record(settings)
    pads = read_pads(settings.key)
    with connect(settings, read_only=True) as connection:
        purges = _purges(connection)
        documents = _told_anew(folder_of(settings), record, _last(purges))
        for purge in _owed(connection, project, purges, folder_of(settings), as_of):
            documents[purge.name] = gather(connection, project, pads, purge, record, built)
    return tuple(write(folder_of(settings), name, each) for name, each in documents.items())


def gather(
    connection: duckdb.DuckDBPyConnection,
    project: Project,
    pads: Pads,
    purge: Purge,
    record: ErasureRecord,
    built: Collection[str],
) -> dict[str, Any]:
    """Read the certificate of a purge from the warehouse as it stands."""
    bases = _Bases.read(connection, project)
    due = _due(connection, project, purge, bases)
    purged = _purged(connection, project, purge, bases)
    taken = sum(row["records"] for row in purged)
    approval, unverified = _approval(connection, pads, purge)
    document: dict[str, Any] = {
        "schema": schema()["$id"],
        "version": VERSION,
        "software": {
            "name": "Kigen",
            "version": version("kigen"),
            "engine": f"DuckDB {duckdb.__version__}",
        },
        "medium": {"kind": "DuckDB database file", "file": project.settings.warehouse.name},
        "run": {
            "outcome": "purged" if purged else "nothing_purged",
            "run_no": purge.run_no,
            "as_of": _moment(purge.as_of),
            "judged_at": _moment(
                _one(connection, f"select as_of from {project.relation('as_of')}")
            ),
        },
        "due": due,
        "purged": purged,
        "kept": _kept(connection, project, bases),
        "remaining": _remaining(connection, project),
        "remembered": _remembered(connection, project, bases),
        "digests": _digests(connection, project, purge),
        "approval": approval and _approval_told(approval),
        "unverified_approvals": unverified,
        "proofs": _proofs(connection, project, built),
        "erasure": _erasure(record, purge, taken, _last(_purges(connection))),
        "out_of_reach": list(OUT_OF_REACH),
    }
    return document


def validate(document: Mapping[str, Any]) -> None:
    """Hold a certificate to its schema. Raises CertificateError naming place and rule."""
    validator = jsonschema.Draft202012Validator(schema())
    faults = sorted(
        f"{fault.json_path}: {fault.validator}" for fault in validator.iter_errors(document)
    )
    if faults:
        raise CertificateError(
            "The certificate does not hold to certificate.schema.json, and was not written: "
            + "; ".join(faults)
        )


@cache
def schema() -> Mapping[str, Any]:
    """Return the JSON Schema of a certificate."""
    text = files("orchestration").joinpath("certificate.schema.json").read_text("utf-8")
    loaded: Mapping[str, Any] = json.loads(text)
    return loaded


def page(document: Mapping[str, Any], name: str, digest: str) -> str:
    """Return the page of a certificate: one HTML file, in Japanese and in English.

    `digest` is the SHA-256 of the JSON file, by which the page names it.
    """
    environment = templates(autoescape=True)
    environment.filters["number"] = lambda value: f"{value:,}"
    environment.filters["time"] = _shown_time
    return environment.get_template("certificate.html.jinja").render(
        document=document,
        name=name,
        digest=digest,
        standing=standing(document),
        planned=sum(row["planned"] for row in document["due"]),
        taken=sum(row["records"] for row in document["purged"]),
        red=red_proofs(document),
    )


def standing(document: Mapping[str, Any]) -> str:
    """Return in a word what may be said of the bytes of what was purged.

    `verified`: a logical clear, and its verification held. `unverified`: the file was written
    anew, and nobody recorded how that was verified. `refuted`: the verification did not hold.
    `pending`: deleted, not yet erased. `nothing`: there was nothing to erase.
    """
    erasure = document["erasure"]
    if erasure["status"] != "erased":
        return "pending" if erasure["status"] == "deleted_not_erased" else "nothing"
    if erasure["verification"] is None:
        return "unverified"
    return "verified" if erasure["verification"]["holds"] else "refuted"


def red_proofs(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the proofs that do not hold, those that could not be asked among them."""
    return [
        proof
        for proof in document["proofs"]
        if proof["violations"] != 0 and proof["severity"] == "error"
    ]


def write(folder: Path, name: str, document: Mapping[str, Any]) -> Certificate:
    """Write a certificate and its page, whole or not at all. Raises CertificateError."""
    validate(document)
    content = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    digest = hashlib.sha256(content.encode()).hexdigest()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths = folder / f"{name}.json", folder / f"{name}.html"
    # The page first: where the document is, the page is too.
    write_whole(paths[1], page(document, name, digest))
    write_whole(paths[0], content)
    return Certificate(name, document, *paths, digest)


def _purges(connection: duckdb.DuckDBPyConnection) -> list[Purge]:
    """Return every purge the memory counts, by number."""
    rows = connection.execute(
        "select run_no, any_value(plan_digest), any_value(purged_at) "
        "from memory.purge_counts group by run_no order by run_no"
    ).fetchall()
    return [Purge(*row) for row in rows]


def _last(purges: Sequence[Purge]) -> int:
    return purges[-1].run_no or 0 if purges else 0


def _owed(
    connection: duckdb.DuckDBPyConnection,
    project: Project,
    purges: Sequence[Purge],
    folder: Path,
    as_of: datetime,
) -> list[Purge]:
    """Return the purges later than the last that has a certificate, and then this run's own."""
    certified = [purge.run_no or 0 for purge in purges if (folder / f"{purge.name}.json").exists()]
    own = [purge for purge in purges if purge.as_of == as_of][-1:] or [
        Purge(None, read_plan(connection, project).digest, as_of)
    ]
    owed = [purge for purge in purges if (purge.run_no or 0) > max(certified, default=0)]
    return [purge for purge in owed if purge not in own] + own


def _told_anew(folder: Path, record: ErasureRecord, last: int) -> dict[str, dict[str, Any]]:
    """Return, by name, the certificates that say `not yet erased` of what is erased by now.

    All else in them stays as it was written.
    """
    documents = {}
    for path in sorted(folder.glob("*.json")):
        try:
            document = json.loads(path.read_bytes())
            validate(document)
        except (ValueError, CertificateError):
            continue
        run = document["run"]
        if run["run_no"] is None or document["erasure"]["status"] != "deleted_not_erased":
            continue
        purge = Purge(
            run["run_no"],
            document["digests"]["plan"],
            datetime.fromisoformat(run["as_of"]).replace(tzinfo=None),
        )
        taken = sum(row["records"] for row in document["purged"])
        erasure = _erasure(record, purge, taken, last)
        if erasure["status"] == "erased":
            documents[path.stem] = {**document, "erasure": erasure}
    return documents


@dataclass(frozen=True, slots=True)
class _Bases:
    """The legal bases of the policy, by table and class."""

    classes: Mapping[tuple[str, str], tuple[str, str, str]]
    """Action, floor, legal basis."""
    follows: Mapping[str, tuple[str, str]]
    """By table: the one whose records its own follow, under that one's class, and the action."""

    @classmethod
    def read(cls, connection: duckdb.DuckDBPyConnection, project: Project) -> "_Bases":
        rows = connection.execute(
            "select table_name, deletion_class, action, floor, legal_basis "
            f"from {project.relation('deletion_classes')}"
        ).fetchall()
        governed = project.declarations.governed.values()
        return cls(
            {(table, name): (action, floor, basis) for table, name, action, floor, basis in rows},
            {
                table.name: (table.follows.register_table, table.follows.action)
                for table in governed
                if table.follows
            },
        )

    def of(self, table: str, deletion_class: str) -> dict[str, Any]:
        """Return the basis of a class, and the table the policy states it for."""
        followed, _ = self.follows.get(table, (table, ""))
        for stated_for in (table, followed):
            if found := self.classes.get((stated_for, deletion_class)):
                return {"legal_basis": found[2], "stated_for": stated_for}
        return {"legal_basis": None, "stated_for": None}

    def floors(self, table: str, deletion_class: str) -> list[dict[str, Any]]:
        """Return what may keep a record of a class: the floors of its table for its action."""
        _, action = self.follows.get(table, (table, ""))
        if own := self.classes.get((table, deletion_class)):
            action = own[0]
        return [
            {"deletion_class": name, "legal_basis": basis}
            for (of_table, name), (of_action, floor, basis) in sorted(self.classes.items())
            if (of_table, of_action) == (table, action) and floor in ("yes", "only")
        ]


def _due(
    connection: duckdb.DuckDBPyConnection, project: Project, purge: Purge, bases: _Bases
) -> list[dict[str, Any]]:
    """Return by table what the plan held, of which classes, and what became of it."""

    def classes(table: str, planned: Iterable[tuple[str, str, int]]) -> list[dict[str, Any]]:
        return [
            {
                "deletion_class": deletion_class,
                "action": action,
                "planned": rows,
                **bases.of(table, deletion_class),
            }
            for deletion_class, action, rows in planned
        ]

    names = ("rows_before", "planned", "deleted", "anonymised", "left_alone", "rows_after")
    if purge.run_no is None:
        plan = read_plan(connection, project)
        planned: dict[str, list[tuple[str, str, int]]] = {}
        for count in plan.counts:
            planned.setdefault(count.table_name, []).append(
                (count.deletion_class, count.action, count.rows)
            )
        told = []
        for table, of_classes in sorted(planned.items()):
            rows = sum(each for *_, each in of_classes)
            numbers = dict(zip(names, (None, rows, 0, 0, rows, None), strict=True))
            told.append({"table": table, **numbers, "classes": classes(table, sorted(of_classes))})
        return told
    found = connection.execute(
        "select table_name, planned_classes, rows_before, planned, deleted, anonymised, skipped, "
        "rows_after from memory.purge_counts where run_no = ? order by table_name",
        [purge.run_no],
    ).fetchall()
    return [
        {
            "table": table,
            **dict(zip(names, numbers, strict=True)),
            # A purge of an earlier version did not note them.
            "classes": classes(
                table,
                (
                    (each["deletion_class"], each["action"], each["planned"])
                    for each in json.loads(written or "[]")
                ),
            ),
        }
        for table, written, *numbers in found
    ]


def _purged(
    connection: duckdb.DuckDBPyConnection, project: Project, purge: Purge, bases: _Bases
) -> list[dict[str, Any]]:
    """Return what the ledger says went, by table, class and action."""
    if purge.run_no is None:
        return []
    rows = connection.execute(
        "select table_name, deletion_class, action, count(*), min(deadline_at), max(deadline_at) "
        f"from {project.relation('purge_ledger')} where run_no = ? "
        "group by table_name, deletion_class, action order by all",
        [purge.run_no],
    ).fetchall()
    return [
        {
            "table": table,
            "deletion_class": deletion_class,
            "action": action,
            "records": records,
            "earliest_deadline_at": _moment(earliest),
            "latest_deadline_at": _moment(latest),
            **bases.of(table, deletion_class),
        }
        for table, deletion_class, action, records, earliest, latest in rows
    ]


def _kept(
    connection: duckdb.DuckDBPyConnection, project: Project, bases: _Bases
) -> list[dict[str, Any]]:
    """Return what stays though a class asks for it, or none applies: why, and until when."""
    rows = connection.execute(
        "select table_name, deletion_class, state, count(*), count(distinct hold_id), "
        "min(case when state = 'floored' then floor_until else grace_until end), "
        "max(case when state = 'floored' then floor_until else grace_until end), "
        "count(*) filter (state = 'floored' and floor_until is null) "
        f"from {project.relation('record_states')} where state in "
        f"({', '.join('?' for _ in _KEPT_STATES)}) "
        "group by table_name, deletion_class, state "
        "union all "
        "select table_name, null, state, count(*), 0, null, null, 0 "
        f"from {project.relation('records')} where state = 'unclassed' "
        "group by table_name, state",
        list(_KEPT_STATES),
    ).fetchall()
    states = list(_KEPT_STATES)
    rows.sort(key=lambda row: (states.index(row[2]), row[0], row[1] or ""))
    kept = []
    for table, deletion_class, state, records, holds, earliest, latest, undated in rows:
        has_dates = state in ("floored", "in_grace")
        nothing = {"legal_basis": None, "stated_for": None}
        kept.append(
            {
                "table": table,
                "deletion_class": deletion_class,
                "state": state,
                "records": records,
                **(bases.of(table, deletion_class) if deletion_class else nothing),
                "holds": holds,
                "floors": bases.floors(table, deletion_class) if state == "floored" else [],
                "until": {
                    "kind": _KEPT_STATES[state],
                    "earliest": _moment(earliest) if has_dates else None,
                    "latest": _moment(latest) if has_dates else None,
                    "undated_records": undated,
                },
            }
        )
    return kept


def _remaining(connection: duckdb.DuckDBPyConnection, project: Project) -> list[dict[str, Any]]:
    """Return by table how many records there are in each state: each record once."""
    rows = connection.execute(
        f"select table_name, state, count(*) from {project.relation('records')} "
        "group by table_name, state order by all"
    ).fetchall()
    return [{"table": table, "state": state, "records": n} for table, state, n in rows]


def _remembered(
    connection: duckdb.DuckDBPyConnection, project: Project, bases: _Bases
) -> list[dict[str, Any]]:
    """Return what outlives purges: the rows of the memory, by table."""
    present = set(
        connection.execute(
            "select schema_name, table_name from duckdb_tables() "
            "where database_name = current_database()"
        ).fetchall()
    )
    return [
        {
            "table": table.name,
            "rows": _one(connection, f"select count(*) from {table.relation_name}"),
            "legal_basis": next(
                (
                    bases.of(table.name, each.deletion_class)["legal_basis"]
                    for each in table.deletion_classes
                ),
                None,
            ),
        }
        for name, table in sorted(project.declarations.governed.items())
        if table.is_memory and (table.schema_name, table.identifier) in present
    ]


def _digests(
    connection: duckdb.DuckDBPyConnection, project: Project, purge: Purge
) -> dict[str, Any]:
    """Return the digests a reader can hold against the ledger."""
    digests: dict[str, Any] = {
        "plan": purge.plan_digest,
        "chain": None,
        "chain_before": None,
        "key_ids": [],
    }
    if not has_ledger(connection, project):
        return digests
    ledger = project.relation("purge_ledger")
    rows = connection.execute(
        "select any_value(chain_digest) filter (run_no = $run_no), "
        "max_by(chain_digest, run_no) filter ($run_no is null or run_no < $run_no), "
        "list(distinct key_id order by key_id) filter (run_no = $run_no and key_id is not null) "
        f"from {ledger}",
        {"run_no": purge.run_no},
    ).fetchall()
    chain, before, key_ids = rows[0]
    return {**digests, "chain": chain, "chain_before": before, "key_ids": key_ids or []}


def _approval(
    connection: duckdb.DuckDBPyConnection, pads: Pads, purge: Purge
) -> tuple[Approval | None, int]:
    """Return the last genuine approval of the plan that had not expired by its T.

    And how many more say to be one, and were not sealed with the key at hand: they are forged,
    or older than a rotation of the key, and who cannot tell must not say that none was needed.
    """
    if purge.run_no is None or not has_table(connection, *APPROVALS.split(".")):
        return None, 0
    rows = connection.execute(
        f"select distinct approved_at from {APPROVALS} where digest = ? and expires_at > ? "
        "order by approved_at desc",
        [purge.plan_digest, purge.as_of],
    ).fetchall()
    # Asked as of when it was given: what is told of a purge does not change when it expires.
    found = [find_approval(connection, pads, purge.plan_digest, row[0]).approval for row in rows]
    return next((approval for approval in found if approval), None), found.count(None)


def _approval_told(approval: Approval) -> dict[str, Any]:
    return {
        "approver": approval.approver,
        "reason": approval.reason,
        "approved_at": _moment(approval.approved_at),
        "expires_at": _moment(approval.expires_at),
    }


def _proofs(
    connection: duckdb.DuckDBPyConnection, project: Project, built: Collection[str]
) -> list[dict[str, Any]]:
    """Ask every proof of gate `after` for its violations; null where it cannot be asked.

    A view answers whenever it is there; a table only says what was so when it was built.
    """
    present = set(
        connection.execute(
            "select table_schema, table_name from information_schema.tables "
            "where table_catalog = current_database()"
        ).fetchall()
    )
    told = []
    for proof in project.declarations.proofs("after"):
        node = project.manifest["nodes"][proof.unique_id]
        is_there = (node["schema"], node["alias"]) in present
        answers = is_there and (node["config"]["materialized"] == "view" or proof.name in built)
        violations = None
        if answers:
            violations = _one(connection, f"select count(*) from {proof.relation_name}")
        told.append({"name": proof.name, "severity": proof.severity, "violations": violations})
    return told


def _erasure(record: ErasureRecord, purge: Purge, taken: int, last: int) -> dict[str, Any]:
    """Return what is known of the bytes of the rows that a purge took.

    `last` is the number of the last purge there was: a record that knows of later ones is of
    the file before a backup was put back, and says nothing of this one.
    """
    since = _on_record(record.deleted_not_erased_since)
    told: dict[str, Any] = {
        "status": "deleted_not_erased",
        "erased_at": None,
        "deleted_not_erased_since": since,
        "waits_by_policy": record.waits_by_policy,
        "verification": None,
    }
    if purge.run_no is None or not taken:
        return told if since else {**told, "status": "nothing_to_erase", "waits_by_policy": False}
    if record.erased_at is None or not purge.run_no <= record.erased_purge <= last:
        return {**told, "deleted_not_erased_since": since or _moment(purge.as_of)}
    return {
        "status": "erased",
        "erased_at": _on_record(record.erased_at),
        "deleted_not_erased_since": None,
        "waits_by_policy": False,
        "verification": _verification(record.verification),
    }


def _verification(recorded: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return how an erasure was verified, and whether that holds.

    It holds where a search that finds what was kept finds nothing of what was deleted, where
    what is searched for was in the old file (the deleted canary, or freed blocks; of an encrypted
    file it is not known), and where the contents are equal. What was not looked at proves nothing: null is not yes.
    """
    if recorded is None:
        return None
    flags = {name: None if recorded.get(name) is None else bool(recorded[name]) for name in _FLAGS}
    numbers = {
        name: None if recorded.get(name) is None else int(recorded[name]) for name in _NUMBERS
    }
    holds = (
        flags["deleted_canary_found"] is False
        and flags["kept_canary_found"] is True
        and flags["never_canary_found"] is False
        and flags["content_digests_equal"] is True
        and not numbers["freed_blocks_found"]
        # The rebuild may have written over the canary; then only the blocks can tell. Of an
        # encrypted file neither can: it holds by how it was written.
        and bool(
            flags["old_file_held_deleted_canary"] or numbers["freed_blocks"] or flags["encrypted"]
        )
    )
    return {
        "holds": holds,
        "method": str(recorded.get("method") or "") or None,
        "searched": [
            {
                "place": str(place.get("place", "")),
                "files": int(place.get("files", 0)),
                "bytes": int(place.get("bytes", 0)),
            }
            for place in recorded.get("searched") or ()
        ],
        **flags,
        **numbers,
    }


def _one(connection: duckdb.DuckDBPyConnection, query: str, *parameters: object) -> Any:
    return connection.execute(query, list(parameters)).fetchall()[0][0]


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else f"{format_moment(moment)}Z"


def _on_record(text: str | None) -> str | None:
    """Return a time of the record of the erasure, which is UTC without saying so, with its zone."""
    return None if text is None else f"{text.removesuffix('Z')}Z"


def _shown_time(text: str | None) -> str:
    """Return a time as the page shows it: to the minute, UTC."""
    if text is None:
        return "-"
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"


def preview(certificates: Sequence[Certificate]) -> str:
    """Return the last of some certificates as Markdown, for Dagster's pages."""
    document = certificates[-1].document
    lines = [
        f"**{_WORDS[standing(document)]}**",
        "",
        "| table | class | action | records |",
        "|---|---|---|--:|",
        *(
            f"| {row['table']} | {row['deletion_class']} | {row['action']} | {row['records']} |"
            for row in document["purged"]
        ),
        "",
        *_listed("red or not asked", (proof["name"] for proof in red_proofs(document))),
        *_listed("also written", (each.name for each in certificates[:-1])),
    ]
    return "\n".join(lines)


_WORDS: Final = {
    "verified": "Logical clear (NIST SP 800-88); its verification held.",
    "unverified": "The file was written anew; no verification is on record.",
    "refuted": "The file was written anew, and its verification did not hold.",
    "pending": "Deleted, not yet erased.",
    "nothing": "Nothing was to be erased.",
}


def _listed(title: str, names: Iterable[str]) -> list[str]:
    told = ", ".join(names)
    return [f"{title}: {told}", ""] if told else []
