"""What a project declares about personal data, read from dbt's manifest and the policy.

Tables say in source YAML what is personal, about whom, and which deletion classes apply
(``meta.kigen``, ``meta.pii``); the policy seeds say for how long. The manifest is the
contract between dbt and Python (DESIGN, section 3): no list of tables stands here.

Architecture invariant: nothing that is wrong is skipped. Every fault is collected, and
`load` either returns declarations without a fault or raises one `DeclarationError`.
No row of a governed table is read here, so no message can hold a personal value.
"""

import calendar
import csv
import dataclasses
import difflib
import re
import zoneinfo
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from orchestration.fideslang_keys import DATA_CATEGORIES, DATA_USES
from orchestration.limits import EVERY_TABLE, Limit, Limits

Action = Literal["delete", "anonymise", "keep"]
Floor = Literal["no", "yes", "only"]
Gate = Literal["before", "after"]
Severity = Literal["error", "warn"]
MessageClass = Literal["marketing", "service_notice", "legal_notice"]
Sensitivity = Literal["ordinary", "special", "individual_number"]

ACTIONS: Final = ("delete", "anonymise", "keep")
FLOORS: Final = ("no", "yes", "only")
GATES: Final = ("before", "after")
MESSAGE_CLASSES: Final = ("marketing", "service_notice", "legal_notice")
SENSITIVITIES: Final = ("ordinary", "special", "individual_number")
"""APPI art. 2(3), GDPR art. 9 and 10: special; the My Number Act: individual_number."""
NOTICE_WAIVERS: Final = ("", "mailbox_left")

MEMORY_SCHEMA: Final = "memory"
"""What outlives a purge: tagged and classed, but never purged, and judged by no model."""

NOT_PERSONAL: Final = "none"
"""What a column's tag says where the column is known to hold nothing personal."""

PROOF_FOLDER: Final = "7_proofs"

LEASES_LOCATION: Final = "leases"
"""What was handed over: a location of files that no exposure declares."""

AUDIENCES_SCHEMA: Final = "audiences"

LEGAL_NOTICE: Final = "audience_legal_notice"
"""Kigen's own audience of everybody whom the law may want to be told."""

PERIOD_SETTINGS: Final = (
    "fiscal_filing_period",
    "order_open_after_delivery",
    "order_open_undelivered",
    "erase_within",
    "approval_period",
    "as_of_jump",
    "lease_record_period",
    "request_due_erase",
    "request_due_disclose",
    "disclosure_period",
)
ACTING_PURPOSE: Final = "acting_purpose"
"""The purpose of which a grant by the person shows that the person is there."""

SCAN_MIN_CONFIDENCE: Final = "scan_min_confidence_percent"
"""How sure the scan has to be before a column that is not declared counts; at least its own 50."""

ERASE_MIN_SHARE: Final = "erase_min_share_percent"
ERASE_MIN_BYTES: Final = "erase_min_bytes"
"""How much has to be deleted before the file is written anew; 0 does not ask."""

NOTICE_ADVERTISING: Final = "notice_advertising"
"""Whether an advertisement may stand below a last notice; off where nothing is said."""

TEXT_SETTINGS: Final = (
    "notice_sender",
    "notice_keep_url",
    "notice_advertising_ja",
    "notice_advertising_en",
)

KNOWN_SETTINGS: Final = (
    NOTICE_ADVERTISING,
    *TEXT_SETTINGS,
    "business_time_zone",
    "fiscal_year_first_month",
    ACTING_PURPOSE,
    SCAN_MIN_CONFIDENCE,
    ERASE_MIN_SHARE,
    ERASE_MIN_BYTES,
    *PERIOD_SETTINGS,
)

ERASURE_CLASS: Final = "erasure_request"
"""The class whose clock is the verification of a request: no clock model gives it one."""

JUDGED_COLUMNS: Final = frozenset(
    {"subject_key", "contact", "state", "action", "deletion_class", "deadline_at", "held_by"}
    | {"record_key", "as_of", "dated_at", "is_unclear", "is_readable", "is_named_by_erasure"}
)
"""Columns a judging model has beside the key, which a key column may not be called."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_PERIOD: Final = re.compile(
    r"P(?=[0-9])(?:([0-9]{1,4})Y)?(?:([0-9]{1,4})M)?(?:([0-9]{1,5})D)?|P([0-9]{1,4})W"
)
_PERIOD_HELP: Final = (
    "is not an ISO 8601 calendar period; write it like P3Y, P1Y6M, P2W or P30D, without times"
)


class PolicyError(ValueError):
    """A value of the policy that cannot be read."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: where (file, table, column), what, and what to do."""

    file: str
    problem: str
    table: str | None = None
    column: str | None = None

    def __str__(self) -> str:
        where = [self.file]
        if self.table is not None:
            where.append(self.table)
        if self.column is not None:
            where.append(f"column {self.column}")
        return ": ".join([*where, self.problem])


class DeclarationError(PolicyError):
    """Everything that is wrong with a project's declarations, one line per fault."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


@dataclass(frozen=True, slots=True)
class Period:
    """A calendar period: whole months, then whole days (a week is seven days)."""

    months: int
    days: int

    def added_to(self, moment: datetime) -> datetime:
        """Return the moment this period later, as DuckDB adds an interval.

        Months first, cut to the end of the month (P1M after 31 January is the last day
        of February), then days. Raises OverflowError or ValueError past the year 9999.
        """
        year, month = divmod(moment.year * 12 + moment.month - 1 + self.months, 12)
        day = min(moment.day, calendar.monthrange(year, month + 1)[1])
        shifted = moment.replace(year=year, month=month + 1, day=day)
        return shifted + timedelta(days=self.days)


def parse_period(text: str) -> Period:
    """Read an ISO 8601 calendar period, such as ``P3Y``, ``P1Y6M``, ``P30D``, ``P2W``.

    Weeks stand alone, as the standard has it. Raises PolicyError naming the value when
    it is no such period, or has a time in it.
    """
    match = _PERIOD.fullmatch(text)
    if match is None:
        raise PolicyError(f"{text!r} {_PERIOD_HELP}")
    years, months, days, weeks = (int(group or 0) for group in match.groups())
    return Period(months=years * 12 + months, days=weeks * 7 + days)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Declared(BaseModel):
    """What people write in YAML: no unknown key, and no value bent into a type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


_Meta = TypeVar("_Meta", bound=_Declared)


class Follows(_Declared):
    """When a row of the register goes, rows of this table go with it, this way."""

    register_table: str = Field(alias="register")
    by: list[Literal["subject", "contact"]] = Field(min_length=1)
    action: Literal["delete", "anonymise"]


class MessageLog(_Declared):
    """The columns of a log of what was sent, and who writes notices into it."""

    campaign: str
    message_class: str
    kind: str
    sent_at: str
    notices_by: Literal["hand_over", "tool"] = "tool"


class RequestColumns(_Declared):
    """Where a table of requests says that one is done: all that Kigen writes into it."""

    closed_at: str = "closed_at"
    outcome: str = "outcome"


class SourceMeta(_Declared):
    """`meta.kigen` of a source table, as written."""

    key: list[str] = Field(min_length=1)
    subject: str | None = None
    contact: str | None = None
    deletion_classes: list[str] = Field(default_factory=list)
    is_register: bool = Field(default=False, alias="register")
    is_former: bool = Field(default=False, alias="former")
    requests: RequestColumns | None = None
    stays_purged: bool = False
    parent: str | None = None
    is_purged_last: bool = Field(default=False, alias="purge_last")
    follows: Follows | None = None
    message_log: MessageLog | None = None

    @field_validator("key", mode="before")
    @classmethod
    def _one_column_is_a_list(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("requests", mode="before")
    @classmethod
    def _true_is_the_usual_columns(cls, value: object) -> object:
        return ({} if value else None) if isinstance(value, bool) else value


class ModelMeta(_Declared):
    """`meta.kigen` of a model, as written."""

    # A proof.
    gate: Gate | None = None
    severity: Severity = "error"
    # Its rows are planned records: the purge counts those that it takes.
    about: Literal["plan"] | None = None
    # A model that judges the records of a table.
    records_of: str | None = None
    classes: list[str] | None = None
    # An audience.
    purpose: str | None = None
    message_class: MessageClass | None = None
    contact: str | None = None
    subject: str | None = None
    register_table: str | None = Field(default=None, alias="register")
    # The kind of message its hand-over is, where that starts a grace.
    notice: str | None = None
    # The model whose contacts may still be written to once it was handed over; itself.
    stands_by: str | None = None
    # Columns of counts, whose sums Dagster shows of it.
    totals: list[str] | None = None
    # What must be remembered of rows that go.
    remembers: str | None = None
    mode: Literal["append", "replace"] | None = None


class CopyException(_Declared):
    """Why copies of contacts that are gone may stay in a place, and until which day."""

    reason: str
    until: date = Field(strict=False)
    """From 00:00 UTC of this day on it does not hold any more."""

    @field_validator("until", mode="before")
    @classmethod
    def _is_a_day(cls, value: object) -> object:
        text = value.isoformat() if isinstance(value, date) else value
        if not isinstance(text, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            raise ValueError("write a day, such as 2027-01-31")
        return text

    @field_validator("reason")
    @classmethod
    def _is_in_words(cls, value: str) -> str:
        if not re.search(r"\w\W+\w", value):
            raise ValueError("say in words why they may stay")
        return value


class LocationMeta(_Declared):
    """`meta.kigen` of an exposure, as written: where files lie that may hold copies."""

    files: list[str] = Field(min_length=1)
    exception: CopyException | None = None

    @field_validator("files")
    @classmethod
    def _are_paths(cls, value: list[str]) -> list[str]:
        if any(not path.strip() for path in value):
            raise ValueError("an empty path names nothing")
        return value


class DeletionClass(_Frozen):
    """One row of ``policy_deletion_classes``: a class as it applies to one table."""

    deletion_class: str
    table_name: str
    period: Period | None
    notice: Period | None
    notice_waiver: str
    action: Action
    floor: Floor
    legal_basis: str


class Purpose(_Frozen):
    """One row of ``policy_purposes``."""

    purpose: str
    message_class: MessageClass
    needs_consent: bool


class DataCategory(_Frozen):
    """One row of ``policy_data_categories``: what the law says of a category, and other names."""

    data_category: str
    sensitivity: Sensitivity
    legal_basis: str
    snowflake_semantic_category: str
    snowflake_privacy_category: str
    dpv: str


class FlagMeaning(_Frozen):
    """One row of ``policy_flag_meanings``: what a value of a column means."""

    system: str
    column_name: str
    value: str
    meaning: str


class PiiColumn(_Frozen):
    """A personal column of a table, with its fideslang data category."""

    table_name: str
    column_name: str
    data_category: str


class GovernedTable(_Frozen):
    """A source table under governance; `name` is ``source.table``, as in the policy."""

    name: str
    schema_name: str
    identifier: str
    relation_name: str
    unique_id: str
    file: str
    columns: tuple[str, ...]
    pii_columns: tuple[PiiColumn, ...]
    key: tuple[str, ...]
    subject: str | None
    contact: str | None
    deletion_classes: tuple[DeletionClass, ...]
    is_register: bool
    is_former: bool
    requests: RequestColumns | None
    """Where a request is closed; null where the table holds none."""
    stays_purged: bool
    parent: str | None
    is_purged_last: bool
    follows: Follows | None
    judged_by: str | None
    """The unique id of the model that judges its records; null in schema memory."""

    @property
    def is_memory(self) -> bool:
        """Whether the table outlives purges (DESIGN, section 3)."""
        return self.schema_name == MEMORY_SCHEMA


class Proof(_Frozen):
    """A model whose rows are violations, and when it is asked."""

    name: str
    unique_id: str
    relation_name: str
    gate: Gate
    severity: Severity
    """A proof that only warns bars no purge."""


class FileLocation(_Frozen):
    """Where files lie that may hold copies: an exposure with `meta.kigen.files`."""

    name: str
    files: tuple[str, ...]
    """Paths, folders or globs, absolute or under KIGEN_HOME."""


class Declarations(_Frozen):
    """What a project declares, without a fault; made by `load` only."""

    governed: Mapping[str, GovernedTable]
    """By name, such as ``shop.members``; tables of the schema memory included."""
    purposes: Mapping[str, Purpose]
    flag_meanings: tuple[FlagMeaning, ...]
    data_categories: Mapping[str, DataCategory]
    """By category; empty where the project has no policy_data_categories."""
    settings: Mapping[str, str]
    limits: Limits
    proof_models: tuple[Proof, ...]
    file_locations: tuple[FileLocation, ...]

    def proofs(self, gate: Gate | None = None) -> tuple[Proof, ...]:
        """Return the proofs with this gate, or all of them, by name."""
        return tuple(proof for proof in self.proof_models if gate is None or proof.gate == gate)

    def sensitivity(self, category: str) -> str:
        """Return how sensitive a category is: its own row says, or that of the next one above.

        Empty where the project has no policy_data_categories.
        """
        while category:
            if category in self.data_categories:
                return self.data_categories[category].sensitivity
            category = category.rpartition(".")[0]
        return ""

    def pii_columns(self) -> tuple[PiiColumn, ...]:
        """Return every personal column of every governed table, by table."""
        return tuple(column for table in self.governed.values() for column in table.pii_columns)


def load(manifest: Mapping[str, Any]) -> Declarations:
    """Read a parsed ``target/manifest.json`` and the policy seeds it names.

    Returns declarations that hold together. Raises DeclarationError with every fault:
    an unknown name anywhere, a tagged table without a class, a class without a model
    that clocks it, an order of purge that cannot be (DESIGN, section 7).
    """
    faults: list[Fault] = []
    classes = _read_deletion_classes(manifest, faults)
    before = len(faults)
    purposes = _read_purposes(manifest, faults)
    are_purposes_whole = len(faults) == before
    flag_meanings = _read_flag_meanings(manifest, faults)
    data_categories = _read_data_categories(manifest, faults)
    settings = _read_settings(manifest, purposes if are_purposes_whole else None, faults)
    sources = _read_sources(manifest, faults)
    limits = _read_limits(manifest, sources, faults)
    model_metas = _read_model_metas(manifest, faults)
    _check_categories_of_models(manifest, faults)

    _check_columns(sources, faults)
    if classes.is_whole:
        _check_classes(sources, classes, faults)
    _check_policy_rows(sources, classes, faults)
    _check_ties(sources, faults)
    judges = _read_judges(sources, classes, model_metas, faults)
    proofs = _read_proofs(model_metas, faults)
    _check_audiences(sources, model_metas, purposes, faults)
    _check_notices(sources, model_metas, faults)
    _check_memories(sources, model_metas, faults)
    locations = _read_locations(manifest, faults)
    _check_exceptions(manifest, faults)
    if faults:
        raise DeclarationError(faults)

    governed = {
        source.name: _governed(source, meta, classes, judges)
        for source in sources
        if (meta := source.meta) is not None
    }
    return Declarations(
        governed=governed,
        purposes=purposes,
        flag_meanings=flag_meanings,
        data_categories=data_categories,
        settings=settings,
        limits=limits,
        proof_models=proofs,
        file_locations=locations,
    )


@dataclass(frozen=True, slots=True)
class WrittenClass:
    """A deletion class as read, and the text of its row, by column."""

    read: DeletionClass
    text: Mapping[str, str]


def load_deletion_classes(manifest: Mapping[str, Any], path: Path) -> tuple[WrittenClass, ...]:
    """Read another file of the shape of ``policy_deletion_classes.csv`` for this project.

    It is held to what the project's own is held to: every class that a table declares has a
    row, and no row is of an unknown table or class. Raises DeclarationError with every fault.
    """
    faults: list[Fault] = []
    classes = _read_deletion_classes(manifest, faults, path)
    sources = _read_sources(manifest, faults)
    if classes.is_whole:
        _check_classes(sources, classes, faults)
    _check_policy_rows(sources, classes, faults)
    if faults:
        raise DeclarationError(faults)
    return tuple(
        WrittenClass(each.parsed, each.row.values)
        for each in classes.values()
        if each.parsed is not None
    )


# The policy.


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of a policy seed, and where it stands."""

    file: str
    values: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.values[column]

    def fault(self, problem: str, column: str, table: str | None = None) -> Fault:
        return Fault(self.file, problem, table, column)


@dataclass(frozen=True, slots=True)
class _PolicyClass:
    """A row of the policy of deletion classes; `parsed` is null if it has a fault."""

    row: _Row
    parsed: DeletionClass | None
    has_notice: bool


class _Classes(dict[tuple[str, str], _PolicyClass]):
    """By (deletion class, table); not whole if a row, or all, could not be read."""

    is_whole = True


def _rows(
    manifest: Mapping[str, Any], seed: str, columns: tuple[str, ...], faults: list[Fault]
) -> Iterator[_Row]:
    """Yield the rows of a policy seed, found through the manifest."""
    nodes = [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "seed" and node["name"] == seed
    ]
    if not nodes:
        problem = "the project has no such seed; give it one, or point KIGEN_SEEDS at it"
        faults.append(Fault(f"{seed}.csv", problem))
        return
    if len(nodes) > 1:
        ids = ", ".join(sorted(node["unique_id"] for node in nodes))
        problem = f"two seeds have this name ({ids}); keep one, by KIGEN_SEEDS"
        faults.append(Fault(f"{seed}.csv", problem))
        return
    file = str(nodes[0]["original_file_path"])
    yield from _rows_of(file, Path(nodes[0].get("root_path") or ".") / file, columns, faults)


def _rows_of(
    file: str, path: Path, columns: tuple[str, ...], faults: list[Fault]
) -> Iterator[_Row]:
    """Yield the rows of a CSV file of the policy; `file` is what messages call it."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            missing = [c for c in columns if c not in (reader.fieldnames or ())]
            if missing:
                problem = f"has no column {', '.join(missing)}; it needs "
                faults.append(Fault(file, problem + ", ".join(columns)))
                return
            for values in reader:
                place = f"{file}:{reader.line_num}"
                if None in values or None in values.values():
                    problem = "has more or fewer values than the header has columns"
                    faults.append(Fault(place, problem + "; quote what holds a comma"))
                    continue
                yield _Row(place, values)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        faults.append(Fault(file, f"cannot be read: {type(error).__name__}: {error}"))


def _read_deletion_classes(
    manifest: Mapping[str, Any], faults: list[Fault], path: Path | None = None
) -> _Classes:
    """Read the policy of deletion classes: the project's seed, or the file `path`."""
    columns = (
        "deletion_class",
        "table_name",
        "period",
        "notice",
        "notice_waiver",
        "action",
        "floor",
        "legal_basis",
    )
    classes = _Classes()
    before = len(faults)
    rows = list(
        _rows(manifest, "policy_deletion_classes", columns, faults)
        if path is None
        else _rows_of(str(path), path, columns, faults)
    )
    classes.is_whole = len(faults) == before
    for row in rows:
        name, table = row["deletion_class"], row["table_name"]
        found: list[Fault] = []
        if (name, table) in classes:
            first = classes[name, table].row.file
            problem = f"class {name!r} stands here twice for this table, first at {first}; "
            faults.append(row.fault(problem + "keep one row", "deletion_class", table))
            continue
        if not _NAME.fullmatch(name):
            problem = f"{name!r} is no name of a class; write it like member_inactive"
            found.append(row.fault(problem, "deletion_class", table))

        periods: dict[str, Period | None] = {"period": None, "notice": None}
        for column in periods:
            if not row[column] and (column == "notice" or row["action"] == "keep"):
                continue
            try:
                periods[column] = parse_period(row[column])
            except PolicyError as error:
                found.append(row.fault(f"class {name}: {error}", column, table))
        for column, options in (
            ("action", ACTIONS),
            ("floor", FLOORS),
            ("notice_waiver", NOTICE_WAIVERS),
        ):
            if row[column] not in options:
                problem = _unknown(column, row[column], options)
                found.append(row.fault(f"class {name}: {problem}", column, table))
        if row["notice_waiver"] and not row["notice"]:
            problem = f"class {name}: {row['notice_waiver']!r} waives nothing, for it has no "
            problem += "notice; give it one, or leave the waiver empty"
            found.append(row.fault(problem, "notice_waiver", table))
        parsed = None
        if not found:
            parsed = DeletionClass.model_validate({**row.values, **periods})
        classes[name, table] = _PolicyClass(row, parsed, bool(row["notice"]))
        faults += found
    return classes


def _read_purposes(manifest: Mapping[str, Any], faults: list[Fault]) -> dict[str, Purpose]:
    columns = ("purpose", "message_class", "needs_consent")
    purposes: dict[str, Purpose] = {}
    for row in _rows(manifest, "policy_purposes", columns, faults):
        purpose, message_class = row["purpose"], row["message_class"]
        found: list[Fault] = []
        if purpose not in DATA_USES:
            problem = _unknown("purpose", purpose, DATA_USES, "fideslang data uses")
            found.append(row.fault(problem, "purpose"))
        if purpose in purposes:
            problem = f"{purpose!r} stands here twice; keep one row"
            found.append(row.fault(problem, "purpose"))
        if message_class not in MESSAGE_CLASSES:
            problem = _unknown("message class", message_class, MESSAGE_CLASSES)
            problem = f"purpose {purpose}: {problem}"
            found.append(row.fault(problem, "message_class"))
        if row["needs_consent"] not in ("yes", "no"):
            problem = _unknown("answer", row["needs_consent"], ("yes", "no"))
            problem = f"purpose {purpose}: {problem}"
            found.append(row.fault(problem, "needs_consent"))
        elif row["needs_consent"] == "no" and message_class == "marketing":
            problem = f"purpose {purpose}: 'no', and its message class is marketing; "
            problem += "marketing needs consent: write yes"
            found.append(row.fault(problem, "needs_consent"))
        faults += found
        if not found:
            purposes[purpose] = Purpose.model_validate(row.values)
    return purposes


def _read_flag_meanings(
    manifest: Mapping[str, Any], faults: list[Fault]
) -> tuple[FlagMeaning, ...]:
    columns = ("system", "column_name", "value", "meaning")
    meanings: dict[tuple[str, str, str], FlagMeaning] = {}
    for row in _rows(manifest, "policy_flag_meanings", columns, faults):
        key = row["system"], row["column_name"], row["value"]
        table = f"{key[0]}.{key[1].rpartition('.')[0]}"
        column = key[1].rpartition(".")[2]
        if key in meanings:
            problem = f"the value {key[2]!r} has a meaning already; keep one row"
            faults.append(row.fault(problem, column, table))
        elif not row["meaning"]:
            problem = f"the value {key[2]!r} has the meaning ''; say what it means"
            faults.append(row.fault(problem, column, table))
        else:
            meanings[key] = FlagMeaning.model_validate(row.values)
    return tuple(meanings.values())


def _read_data_categories(
    manifest: Mapping[str, Any], faults: list[Fault]
) -> dict[str, DataCategory]:
    """Read what the law says of categories; a project may do without the seed."""
    seed = "policy_data_categories"
    if not _has_seed(manifest, seed):
        return {}
    categories: dict[str, DataCategory] = {}
    for row in _rows(manifest, seed, tuple(DataCategory.model_fields), faults):
        name, sensitivity = row["data_category"], row["sensitivity"]
        found: list[Fault] = []
        if name not in DATA_CATEGORIES:
            problem = _unknown("data category", name, DATA_CATEGORIES)
            found.append(row.fault(problem, "data_category"))
        if name in categories:
            found.append(row.fault(f"{name!r} stands here twice; keep one row", "data_category"))
        if sensitivity not in SENSITIVITIES:
            problem = f"{name}: " + _unknown("sensitivity", sensitivity, SENSITIVITIES)
            found.append(row.fault(problem, "sensitivity"))
        faults += found
        if not found:
            categories[name] = DataCategory.model_validate(row.values)
    return categories


def _has_seed(manifest: Mapping[str, Any], name: str) -> bool:
    nodes = manifest["nodes"].values()
    return any(node["resource_type"] == "seed" and node["name"] == name for node in nodes)


def _read_limits(
    manifest: Mapping[str, Any], sources: list["_Source"], faults: list[Fault]
) -> Limits:
    """Read the limits of a purge; a project without the seed has the default ones."""
    seed = "policy_purge_limits"
    if not _has_seed(manifest, seed):
        return Limits({})
    tables = {EVERY_TABLE, *(s.name for s in sources if s.is_declared and not s.is_memory)}
    columns = tuple(column.name for column in dataclasses.fields(Limit))
    limits: dict[str, Limit] = {}
    for row in _rows(manifest, seed, ("table_name", *columns), faults):
        table = row["table_name"]
        found: list[Fault] = []
        if table not in tables:
            problem = _unknown("governed table", table, tables)
            found.append(row.fault(problem, "table_name", table))
        if table in limits:
            found.append(row.fault("stands here twice; keep one row", "table_name", table))
        for column in columns:
            is_share = "percent" in column
            if not re.fullmatch(r"[0-9]+([.][0-9]+)?" if is_share else r"[0-9]+", row[column]) or (
                is_share and float(row[column]) > 100
            ):
                allowed = "0 to 100" if is_share else "whole numbers from 0"
                problem = f"{row[column]!r} is no limit; allowed: {allowed}"
                found.append(row.fault(problem, column, table))
        faults += found
        if not found:
            limits[table] = Limit(
                max_share_percent=float(row["max_share_percent"]),
                max_rows=int(row["max_rows"]),
                max_share_percent_of_small=float(row["max_share_percent_of_small"]),
                small_table_rows=int(row["small_table_rows"]),
            )
    return Limits(limits)


def _read_settings(
    manifest: Mapping[str, Any], purposes: Collection[str] | None, faults: list[Fault]
) -> dict[str, str]:
    """Read the settings; `purposes` is null where a row of theirs has a fault of its own."""
    settings: dict[str, str] = {}
    before = len(faults)
    for row in _rows(manifest, "policy_settings", ("setting", "value"), faults):
        setting, value = row["setting"], row["value"]
        problem = None
        if setting in settings:
            problem = "stands here twice; keep one row"
        elif setting == "business_time_zone":
            zones = zoneinfo.available_timezones()
            if value not in zones:
                problem = _unknown("time zone", value, zones)
        elif setting == "fiscal_year_first_month":
            months = tuple(str(month) for month in range(1, 13))
            if value not in months:
                problem = f"{value!r} is no month; allowed: 1 to 12"
        elif setting == ACTING_PURPOSE:
            if purposes is not None and value not in purposes:
                problem = _unknown("purpose", value, purposes)
        elif setting == NOTICE_ADVERTISING:
            if value not in ("yes", "no"):
                problem = f"{value!r} is neither; allowed: yes, no"
        elif setting == SCAN_MIN_CONFIDENCE:
            if not re.fullmatch(r"[0-9]{1,3}", value) or not 50 <= int(value) <= 100:
                problem = f"{value!r} is no confidence; allowed: whole numbers from 50 to 100"
        elif setting == ERASE_MIN_SHARE:
            if not re.fullmatch(r"[0-9]{1,3}([.][0-9]+)?", value) or float(value) > 100:
                problem = f"{value!r} is no share; allowed: 0 to 100, in percent"
        elif setting == ERASE_MIN_BYTES:
            if not re.fullmatch(r"[0-9]{1,18}", value):
                problem = f"{value!r} is no number of bytes; allowed: whole numbers from 0"
        elif setting in PERIOD_SETTINGS:
            try:
                parse_period(value)
            except PolicyError as error:
                problem = str(error)
        elif setting not in TEXT_SETTINGS and difflib.get_close_matches(
            setting, KNOWN_SETTINGS, n=1, cutoff=0.8
        ):
            # A team may add settings of its own; one that is nearly ours is a slip.
            problem = _unknown("setting", setting, KNOWN_SETTINGS)
        if problem is not None:
            problem = f"setting {setting}: {problem}"
            faults.append(row.fault(problem, "value"))
        settings.setdefault(setting, value)
    if len(faults) == before:
        for setting, example in (
            ("business_time_zone", "Asia/Tokyo"),
            (ACTING_PURPOSE, "marketing.communications.email"),
        ):
            if setting not in settings:
                problem = f"has no setting {setting}; give one, such as {example}"
                faults.append(Fault("policy_settings.csv", problem))
    return settings


# The tables.


@dataclass(frozen=True, slots=True)
class _Source:
    """A source table of the manifest; `meta` is null if not governed, or faulty."""

    node: Mapping[str, Any]
    name: str
    file: str
    categories: Mapping[str, str]
    meta: SourceMeta | None
    is_declared: bool

    @property
    def schema_name(self) -> str:
        return str(self.node["schema"])

    @property
    def is_memory(self) -> bool:
        return self.schema_name == MEMORY_SCHEMA

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.node["columns"])

    def fault(self, problem: str, column: str | None = None) -> Fault:
        return Fault(self.file, problem, self.name, column)


def _read_sources(manifest: Mapping[str, Any], faults: list[Fault]) -> list[_Source]:
    sources: list[_Source] = []
    declared: dict[str, str] = {}
    for node in sorted(
        manifest["sources"].values(),
        key=lambda node: (node["source_name"], node["name"], node["unique_id"]),
    ):
        name = f"{node['source_name']}.{node['name']}"
        file = str(node["original_file_path"])
        written = _meta_value(node, "kigen")
        meta = None
        if written is not None:
            meta = _validated(SourceMeta, written, file, name, faults)
            if name in declared:
                problem = f"is governed twice, also in {declared[name]}; keep one"
                faults.append(Fault(file, problem, name))
                continue
            declared[name] = file
        categories = _categories(node, file, name, faults)
        source = _Source(node, name, file, categories, meta, written is not None)
        sources.append(source)
        if categories and written is None:
            problem = (
                f"holds personal data ({', '.join(categories)}) and has no deletion "
                "class; give it meta.kigen with deletion_classes"
            )
            faults.append(source.fault(problem))
        elif meta is not None and not meta.deletion_classes:
            problem = (
                "deletion_classes is []: no deletion class says when its data goes; "
                "name at least one of policy_deletion_classes"
            )
            faults.append(source.fault(problem))
    return sources


def _categories(
    node: Mapping[str, Any], file: str, table: str, faults: list[Fault]
) -> dict[str, str]:
    """Return the data category of each personal column, faulty ones left in."""
    categories: dict[str, str] = {}
    for column, described in node["columns"].items():
        category = _meta_value(described, "pii")
        if category is None or category == NOT_PERSONAL:
            continue
        categories[column] = str(category)
        if category not in DATA_CATEGORIES:
            nouns = "fideslang data categories"
            problem = _unknown("data category", category, DATA_CATEGORIES, nouns)
            faults.append(Fault(file, problem, table, column))
    return categories


def _check_categories_of_models(manifest: Mapping[str, Any], faults: list[Fault]) -> None:
    for node in manifest["nodes"].values():
        if node["resource_type"] in ("model", "seed", "snapshot"):
            name = f"{node['schema']}.{node['alias']}"
            _categories(node, str(node["original_file_path"]), name, faults)


def _check_columns(sources: list[_Source], faults: list[Fault]) -> None:
    """Keys, subjects and contacts are columns of their table."""
    for source in sources:
        if source.meta is None:
            continue
        named = [("key", column) for column in source.meta.key]
        for role in ("subject", "contact"):
            column = getattr(source.meta, role)
            if column is not None:
                named.append((role, column))
        if (log := source.meta.message_log) is not None:
            named += [
                (f"message_log {role}", getattr(log, role))
                for role in ("campaign", "message_class", "kind", "sent_at")
            ]
            if source.meta.contact is None or len(source.meta.key) != 1:
                problem = (
                    "has message_log and no contact, or a key of several columns; a notice is "
                )
                problem += "written by one key, to one contact"
                faults.append(source.fault(problem))

        for role, column in source.meta.requests or RequestColumns():
            # The usual names may be missing, where nobody is disclosed anything.
            if column != role:
                named.append((f"requests.{role}", column))
        for role, column in named:
            if column not in source.columns:
                problem = _unknown(f"{role} column", column, source.columns)
                faults.append(source.fault(problem, column))
        for column in source.meta.key:
            category = source.categories.get(column, "")
            if category.startswith("user.contact"):
                problem = f"the key is a contact point ({category}), and keys stand in plans "
                problem += "and proofs; name a key that says nothing about a person"
                faults.append(source.fault(problem, column))
            if column.lower() in JUDGED_COLUMNS:
                problem = f"the key has the name {column!r}, which Kigen's own columns have; "
                problem += "govern a view that calls it otherwise"
                faults.append(source.fault(problem, column))


def _check_classes(sources: list[_Source], classes: _Classes, faults: list[Fault]) -> None:
    """The classes of a table stand in the policy, and the table has what they need."""
    for source in sources:
        if source.meta is None:
            continue
        known = sorted(name for name, table in classes if table == source.name)
        seen: set[str] = set()
        for name in source.meta.deletion_classes:
            if name in seen:
                problem = f"deletion class {name!r} is named twice; name it once"
                faults.append(source.fault(problem))
                continue
            seen.add(name)
            row = classes.get((name, source.name))
            if row is None:
                problem = _unknown("deletion class", name, known)
                problem += "; the policy needs a row for this class and this table"
                faults.append(source.fault(problem))
            elif row.row["action"] == "anonymise" and (
                lack := _lack_for_anonymising(source, f"deletion class {name!r}")
            ):
                faults.append(source.fault(lack))
            elif row.has_notice and source.meta.contact is None:
                problem = (
                    f"deletion class {name!r} has the notice {row.row['notice']!r}, "
                    "and the table has no contact to send it to; name its contact column"
                )
                faults.append(source.fault(problem))


def _lack_for_anonymising(source: _Source, what: str) -> str | None:
    """Say why rows of a table cannot be anonymised, or nothing.

    Anonymising sets every personal column and the subject to null, so that nothing personal
    is left, and leaves the key, by which the row is found.
    """
    if source.meta is None:
        return None
    kept = [column for column in source.meta.key if column in source.categories]
    if source.meta.subject in source.meta.key:
        kept.append(str(source.meta.subject))
    if kept:
        return (
            f"{what} anonymises, and the key column {kept[0]!r} is personal and stays; "
            "delete such rows, or give the table another key"
        )
    if not source.categories and source.meta.subject is None:
        return f"{what} anonymises, and no column is personal; tag one, or drop the class"
    return None


def _check_policy_rows(sources: list[_Source], classes: _Classes, faults: list[Fault]) -> None:
    """A row of the policy applies: its table is declared, and names the class."""
    declared = {source.name: source for source in sources if source.is_declared}
    for (name, table), policy_class in classes.items():
        file = policy_class.row.file
        source = declared.get(table)
        if source is None:
            problem = f"class {name}: " + _unknown("governed table", table, declared)
            problem += "; declare it in source YAML with meta.kigen, or drop the row"
            faults.append(Fault(file, problem, table, "table_name"))
            continue
        action = policy_class.row["action"]
        if action in ACTIONS and (action == "keep") != source.is_memory:
            problem = f"class {name}: {action!r} is not for this table; tables of the "
            problem += f"schema {MEMORY_SCHEMA} are kept, all others are not"
            faults.append(Fault(file, problem, table, "action"))
        if source.meta is not None and name not in source.meta.deletion_classes:
            problem = (
                f"{name!r} is not among the deletion_classes of the table in "
                f"{source.file}; name it there, or drop the row"
            )
            faults.append(Fault(file, problem, table, "deletion_class"))


def _check_ties(sources: list[_Source], faults: list[Fault]) -> None:
    """Parents and registers exist, and a purge can go children before parents."""
    declared = {source.name for source in sources if source.is_declared}
    metas = {source.name: source.meta for source in sources if source.meta is not None}
    parents = {name: meta.parent for name, meta in metas.items() if meta.parent is not None}
    purgeable = [s.name for s in sources if s.is_declared and not s.is_memory]
    for source in sources:
        meta = source.meta
        if meta is None:
            continue
        if meta.is_register and meta.subject is None:
            problem = "register is True and there is no subject; name its subject column"
            faults.append(source.fault(problem))
        elif meta.is_register and meta.key != [meta.subject]:
            problem = f"register is True, its subject is {meta.subject!r} and its key "
            problem += f"{', '.join(meta.key)!r}; a row of a register is the subject: name one "
            problem += "column as both"
            faults.append(source.fault(problem))
        if meta.parent is not None:
            _check_parent(source, meta.parent, purgeable, metas, parents, faults)
        if meta.follows is not None:
            _check_follows(source, meta, meta.follows, declared, metas, faults)


def _check_parent(
    source: _Source,
    parent: str,
    purgeable: Collection[str],
    metas: Mapping[str, SourceMeta],
    parents: Mapping[str, str],
    faults: list[Fault],
) -> None:
    if parent not in purgeable:
        problem = _unknown("parent", parent, purgeable, "governed tables")
        faults.append(source.fault(problem))
        return
    line = [source.name]
    while (above := parents.get(line[-1])) is not None and above not in line:
        line.append(above)
    if above == source.name:
        problem = f"parent {parent!r} makes a circle: {' -> '.join([*line, above])}"
        problem += "; leave out the parent of one of them"
        faults.append(source.fault(problem))
    over = metas.get(parent)
    if metas[source.name].is_purged_last and over and not over.is_purged_last:
        problem = (
            f"purge_last is True, but its parent {parent!r} is not purged last, and a "
            "child goes before its parent; make the parent purge_last, or drop one"
        )
        faults.append(source.fault(problem))


def _check_follows(
    source: _Source,
    meta: SourceMeta,
    follows: Follows,
    declared: Collection[str],
    metas: Mapping[str, SourceMeta],
    faults: list[Fault],
) -> None:
    register = follows.register_table
    if register not in declared:
        problem = _unknown("follows.register", register, declared, "governed tables")
        faults.append(source.fault(problem))
    elif register in metas and not metas[register].is_register:
        problem = f"follows.register {register!r} is no register; say there register: "
        faults.append(source.fault(problem + "true, or name the table that is one"))
    if follows.action == "anonymise" and (lack := _lack_for_anonymising(source, "follows")):
        faults.append(source.fault(lack))
    for role in follows.by:
        if getattr(meta, role) is None:
            problem = f"follows.by names {role!r}, and the table has no {role} column"
            faults.append(source.fault(f"{problem}; name one, or leave it out"))


# The models.


@dataclass(frozen=True, slots=True)
class _Model:
    """A model of the manifest with its `meta.kigen`, null where that is faulty."""

    node: Mapping[str, Any]
    file: str
    meta: ModelMeta | None

    @property
    def name(self) -> str:
        return f"{self.node['schema']}.{self.node['alias']}"

    def fault(self, problem: str, column: str | None = None) -> Fault:
        return Fault(self.file, problem, self.name, column)


def _read_model_metas(manifest: Mapping[str, Any], faults: list[Fault]) -> list[_Model]:
    models: list[_Model] = []
    for unique_id in sorted(manifest["nodes"]):
        node = manifest["nodes"][unique_id]
        if node["resource_type"] != "model":
            continue
        file = str(node["original_file_path"])
        name = f"{node['schema']}.{node['alias']}"
        written = _meta_value(node, "kigen")
        meta: ModelMeta | None = ModelMeta()
        if written is not None:
            meta = _validated(ModelMeta, written, file, name, faults)
        models.append(_Model(node, file, meta))
    return models


def _read_judges(
    sources: list[_Source], classes: _Classes, models: list[_Model], faults: list[Fault]
) -> dict[str, str]:
    """Return the one model that judges each governed table, by table."""
    judged = {
        source.name: source for source in sources if source.is_declared and not source.is_memory
    }
    judges: dict[str, _Model] = {}
    for model in models:
        if model.meta is None:
            continue
        table = model.meta.records_of
        if table is None:
            if model.meta.classes is not None:
                problem = f"classes is {model.meta.classes!r} without records_of; "
                faults.append(model.fault(problem + "name the table it judges"))
        elif table not in judged:
            problem = _unknown("records_of", table, judged, "governed tables")
            faults.append(model.fault(problem))
        elif table in judges:
            problem = (
                f"records_of {table!r} is judged twice, also by {judges[table].name} "
                f"({judges[table].file}); one model judges a table"
            )
            faults.append(model.fault(problem))
        else:
            judges[table] = model
            _check_clocks(judged[table], classes, model, model.meta, faults)
    # A model whose meta.kigen is faulty may be the missing one: its fault comes first.
    if all(model.meta is not None for model in models):
        for table, source in judged.items():
            if table not in judges:
                problem = (
                    f"no model judges its records; give one config.meta.kigen.records_of: {table}"
                )
                faults.append(source.fault(problem))
    return {table: str(model.node["unique_id"]) for table, model in judges.items()}


def _check_clocks(
    source: _Source, classes: _Classes, model: _Model, meta: ModelMeta, faults: list[Fault]
) -> None:
    """A model that judges a table has a clock for each of its classes.

    Which it has, its meta.kigen.classes says, or else its own text: a class has the columns
    <class>__clock_at and <class>__clock_source.
    """
    if source.meta is None:
        return
    for name in meta.classes or ():
        if name not in source.meta.deletion_classes:
            options = source.meta.deletion_classes
            problem = _unknown(f"deletion class of {source.name}", name, options)
            faults.append(model.fault(problem))
    text = str(model.node.get("raw_code") or "")
    for name in source.meta.deletion_classes:
        is_in_text = f"{name}__clock_at" in text and f"{name}__clock_source" in text
        # A class the policy lacks is a fault already.
        if name == ERASURE_CLASS or (name, source.name) not in classes:
            continue
        if not (is_in_text if meta.classes is None else name in meta.classes):
            problem = (
                f"deletion class {name!r} has no clock: {model.name} ({model.file}) "
                "judges the table without it; add it there, or drop the class"
            )
            faults.append(source.fault(problem))


def _read_proofs(models: list[_Model], faults: list[Fault]) -> tuple[Proof, ...]:
    proofs: list[Proof] = []
    for model in models:
        node = model.node
        if model.meta is None:
            continue
        if model.meta.gate is None:
            if PROOF_FOLDER in node["fqn"][:-1]:
                problem = "is a proof without a gate; give it config.meta.kigen.gate: "
                faults.append(model.fault(problem + " or ".join(GATES)))
            continue
        proofs.append(
            Proof(
                name=str(node["name"]),
                unique_id=str(node["unique_id"]),
                relation_name=str(node.get("relation_name") or model.name),
                gate=model.meta.gate,
                severity=model.meta.severity,
            )
        )
    return tuple(sorted(proofs, key=lambda proof: (proof.name, proof.unique_id)))


def _check_audiences(
    sources: list[_Source],
    models: list[_Model],
    purposes: Mapping[str, Purpose],
    faults: list[Fault],
) -> None:
    """What an audience is for stands in the policy; its register is one."""
    registers = [s.name for s in sources if s.meta is not None and s.meta.is_register]
    seen_by_proofs = {
        parent
        for model in models
        if model.meta is not None and model.meta.gate == "before"
        for parent in model.node["depends_on"]["nodes"]
    }
    for model in models:
        if model.meta is None:
            continue
        if model.meta.message_class is None:
            contacts = _contact_columns(model)
            if contacts and model.node["schema"] == AUDIENCES_SCHEMA:
                problem = f"stands among the audiences with the contact column {contacts[0]!r}, "
                problem += "and says no message_class; give config.meta.kigen purpose, "
                problem += "message_class and contact, or move it out of that schema"
                faults.append(model.fault(problem))
        else:
            _check_tags_of_audience(model, faults)
            if model.node["unique_id"] not in seen_by_proofs:
                problem = "is an audience that no proof sees; name it in the var "
                problem += "kigen_contributions, under audiences"
                faults.append(model.fault(problem))
        purpose, register = model.meta.purpose, model.meta.register_table
        # A project that does not write for a legal obligation need not have the purpose: then the
        # audience is not handed over (orchestration/breach.py).
        is_own = model.node["name"] == LEGAL_NOTICE and model.node["package_name"] == "kigen"
        if purpose is not None and purpose not in purposes and not is_own:
            faults.append(model.fault(_unknown("purpose", purpose, purposes)))
        if register is not None and register not in registers:
            faults.append(model.fault(_unknown("register", register, registers)))


def _check_notices(sources: list[_Source], models: list[_Model], faults: list[Fault]) -> None:
    """There is one log of what was sent, and an audience of a notice says what its text needs."""
    logs = [s for s in sources if s.meta is not None and s.meta.message_log is not None]
    for log in logs[1:]:
        faults.append(log.fault(f"is a message_log, and {logs[0].name} is one; keep one"))
    names = {str(model.node["name"]): model for model in models}
    for model in models:
        if model.meta is None:
            continue
        if (stands_by := model.meta.stands_by) is not None:
            if stands_by not in names:
                faults.append(model.fault(_unknown("stands_by", stands_by, names, "models")))
            elif "contact" not in names[stands_by].node["columns"]:
                faults.append(model.fault(f"stands_by {stands_by!r} has no column contact"))
        if model.meta.notice is None:
            continue
        if model.meta.message_class != "service_notice":
            problem = f"notice is {model.meta.notice!r} and its message class is "
            problem += f"{model.meta.message_class!r}; a last notice is a service_notice"
            faults.append(model.fault(problem))
        for column in ("deletes_at", "data_categories"):
            if column not in model.node["columns"]:
                problem = f"notice is {model.meta.notice!r} and there is no column {column}, "
                faults.append(model.fault(problem + "which the text of the notice tells"))


def _check_tags_of_audience(model: _Model, faults: list[Fault]) -> None:
    """An audience has the columns it declares and no other, and each says what it holds."""
    contract = model.node.get("config", {}).get("contract") or {}
    if not contract.get("enforced"):
        problem = "is an audience without a contract, so it may have columns nobody declares; "
        faults.append(model.fault(problem + "give config.contract {enforced: true}"))
    for column, described in model.node["columns"].items():
        category = _meta_value(described, "pii")
        if not category or (category == NOT_PERSONAL and not _meta_value(described, "reason")):
            problem = f"is {category!r}" if category else "has no tag"
            problem += ", in an audience; give meta.pii, a reason beside it where it is none"
            faults.append(model.fault(problem, column))


def _contact_columns(model: _Model) -> list[str]:
    return [
        column
        for column, described in model.node["columns"].items()
        if str(_meta_value(described, "pii") or "").startswith("user.contact")
    ]


def _check_memories(sources: list[_Source], models: list[_Model], faults: list[Fault]) -> None:
    """What is remembered has a table of the schema memory to go to, and a way to go there."""
    tables = [f"{s.schema_name}.{s.node['identifier']}" for s in sources if s.is_memory]
    for model in models:
        if model.meta is None:
            continue
        remembers, mode = model.meta.remembers, model.meta.mode
        if remembers is not None and remembers not in tables:
            faults.append(model.fault(_unknown("remembers", remembers, tables, "memory tables")))
        if (remembers is None) != (mode is None):
            problem = f"remembers is {remembers!r} and mode is {mode!r}; give both, or neither"
            faults.append(model.fault(problem))


# Copies.


def _read_locations(manifest: Mapping[str, Any], faults: list[Fault]) -> tuple[FileLocation, ...]:
    """Return where files lie that may hold copies, by the name of the exposure."""
    locations: dict[str, FileLocation] = {}
    for _, node in sorted((manifest.get("exposures") or {}).items()):
        name, file = str(node["name"]), str(node["original_file_path"])
        written = _meta_value(node, "kigen")
        if written is None:
            continue
        meta = _validated(LocationMeta, written, file, name, faults)
        if name == LEASES_LOCATION or name in locations:
            problem = "has the name of another location; give the exposure a name of its own"
            faults.append(Fault(file, problem, name))
        elif meta is not None:
            locations[name] = FileLocation(name=name, files=tuple(meta.files))
    return tuple(locations.values())


def _check_exceptions(manifest: Mapping[str, Any], faults: list[Fault]) -> None:
    """An exception says why and until when, and stands where nobody governs what is in it."""
    for node in [*manifest["sources"].values(), *manifest["nodes"].values()]:
        file = str(node["original_file_path"])
        table = f"{node['schema']}.{node.get('identifier') or node.get('alias')}"
        for column, described in (node.get("columns") or {}).items():
            kigen = _meta_value(described, "kigen")
            if not isinstance(kigen, Mapping) or "exception" not in kigen:
                continue
            given: list[Fault] = []
            _validated(_ExceptionHolder, {"exception": kigen["exception"]}, file, table, given)
            faults += [dataclasses.replace(fault, column=column) for fault in given]
            problem = None
            if node["resource_type"] == "source":
                problem = "has an exception, and its table is governed: what is there goes by its "
                problem += "deletion classes; take the exception away"
            elif str(_meta_value(described, "pii") or NOT_PERSONAL) == NOT_PERSONAL:
                problem = (
                    "has an exception and no tag, so nobody looks for copies in it; give it pii"
                )
            if problem is not None:
                faults.append(Fault(file, problem, table, column))


class _ExceptionHolder(_Declared):
    """`meta.kigen` of a column, as far as it is about copies."""

    exception: CopyException


# Helpers.


def _governed(
    source: _Source, meta: SourceMeta, classes: _Classes, judges: Mapping[str, str]
) -> GovernedTable:
    parsed = [classes[name, source.name].parsed for name in meta.deletion_classes]
    return GovernedTable(
        name=source.name,
        schema_name=source.schema_name,
        identifier=str(source.node["identifier"]),
        relation_name=str(source.node.get("relation_name") or source.name),
        unique_id=str(source.node["unique_id"]),
        file=source.file,
        columns=source.columns,
        pii_columns=tuple(
            PiiColumn(table_name=source.name, column_name=column, data_category=category)
            for column, category in source.categories.items()
        ),
        key=tuple(meta.key),
        subject=meta.subject,
        contact=meta.contact,
        deletion_classes=tuple(row for row in parsed if row is not None),
        is_register=meta.is_register,
        is_former=meta.is_former,
        requests=meta.requests,
        stays_purged=meta.stays_purged,
        parent=meta.parent,
        is_purged_last=meta.is_purged_last,
        follows=meta.follows,
        judged_by=judges.get(source.name),
    )


def _meta_value(described: Mapping[str, Any], key: str) -> Any:
    """Return a key of a node's or column's meta, under ``config`` or beside it."""
    for holder in (described.get("config") or {}, described):
        meta = holder.get("meta") or {}
        if key in meta:
            # `kigen:` with nothing under it, or `pii:`, is a slip, not an absence.
            return meta[key] if meta[key] is not None else ""
    return None


def _validated(
    model: type[_Meta], written: object, file: str, table: str, faults: list[Fault]
) -> _Meta | None:
    """Return `meta.kigen` as its model, or null after a fault for each error."""
    if not isinstance(written, Mapping):
        problem = f"meta.kigen is {written!r}; write it as keys and values"
        faults.append(Fault(file, problem, table))
        return None
    try:
        return model.model_validate(dict(written))
    except ValidationError as invalid:
        for error in invalid.errors(include_url=False):
            key = ".".join(str(part) for part in error["loc"])
            if error["type"] == "extra_forbidden":
                inner: dict[str, type[BaseModel]] = {
                    "follows": Follows,
                    "message_log": MessageLog,
                    "requests": RequestColumns,
                    "exception": CopyException,
                }
                options = inner.get(key.partition(".")[0], model) if "." in key else model
                allowed = [f.alias or n for n, f in options.model_fields.items()]
                problem = _unknown("key of meta.kigen", key, allowed, "keys")
            elif error["type"] == "missing":
                problem = f"meta.kigen has no {key}; give it one"
            else:
                problem = f"meta.kigen.{key} is {error['input']!r}: {error['msg']}"
            faults.append(Fault(file, problem, table))
        return None


def _unknown(noun: str, value: object, options: Collection[str], nouns: str | None = None) -> str:
    """Say that a value is not one of these, with all of them or the nearest three."""
    problem = f"unknown {noun} {value!r}"
    if not options:
        return f"{problem}; there is none yet"
    if len(options) <= 8:
        allowed = ", ".join(option or "(empty)" for option in sorted(options))
        return f"{problem}; allowed: {allowed}"
    nearest = difflib.get_close_matches(str(value), sorted(options), n=3, cutoff=0)
    what = nouns or f"{noun}s"
    return f"{problem}; nearest of {len(options)} {what}: {', '.join(nearest)}"
