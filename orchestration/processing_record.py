"""The record of processing activities, made from what a project declares.

GDPR art. 30(1), and the ledger by which a Japanese business knows what it handles (APPI art. 23;
guidelines of the PPC, general rules, 10-3(3)). Per purpose: the audiences made for it, what they
hand out, the governed tables they read, who receives them. Per governed table: whom it is about,
data categories, time limits with notice, floor and legal basis.

What a declaration cannot know stands there as a blank with a name, for the controller to fill:
`gather` takes the answers by these names, so that a record made anew keeps them.

Architecture invariant: nothing is guessed and no list of tables stands here. What is said comes
from the manifest and the policy, or from the controller; where neither says it, it is null. The
same declarations and answers have the same bytes.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from orchestration.declarations import DeletionClass, GovernedTable, Period
from orchestration.durable import write_whole
from orchestration.pages import templates
from orchestration.project import Project
from orchestration.retention_statement import (
    Words,
    categories_of,
    category_words,
    nearest,
    period_words,
)
from orchestration.translator import kigen_of, meta_of

VERSION: Final = 1
"""The version of the document; a change that breaks a reader counts it up."""

BLANK: Final = Words("管理者が記入", "to be stated by the controller")
"""What a page says where nothing is known."""

CONTROLLER: Final = (
    ("controller.name", "GDPR art. 30(1)(a); APPI art. 32(1)(i)", "管理者の名称", "Controller"),
    (
        "controller.contact",
        "GDPR art. 30(1)(a); APPI art. 32(1)(i)",
        "管理者の住所・代表者・連絡先",
        "Address and contact details of the controller",
    ),
    (
        "controller.joint",
        "GDPR art. 30(1)(a) and 26; APPI art. 27(5)(iii)",
        "共同管理者・共同利用者",
        "Joint controllers",
    ),
    (
        "controller.representative",
        "GDPR art. 30(1)(a) and 27",
        "EU 域内の代理人",
        "Representative in the Union",
    ),
    (
        "controller.dpo",
        "GDPR art. 30(1)(a) and 37",
        "データ保護責任者と連絡先",
        "Data protection officer and contact details",
    ),
    (
        "processors",
        "GDPR art. 30(1)(d) and 28; APPI art. 25",
        "委託先",
        "Processors",
    ),
    (
        "transfers",
        "GDPR art. 30(1)(e); APPI art. 28",
        "外国への移転 (移転先の国・国際機関)",
        "Transfers to third countries or international organisations",
    ),
    (
        "transfers.safeguards",
        "GDPR art. 30(1)(e) and 49(1); APPI art. 28",
        "移転に際しての保護措置",
        "Safeguards of these transfers",
    ),
    (
        "security.access",
        "GDPR art. 30(1)(g) and 32(1); APPI art. 23 and 24",
        "アクセス権を有する者と認証",
        "Who has access, and how they are authenticated",
    ),
    (
        "security.host",
        "GDPR art. 30(1)(g) and 32(1); APPI art. 23",
        "機器・保存媒体の暗号化、バックアップ、物理的措置",
        "Encryption at rest, backups, physical measures",
    ),
    (
        "security.organisation",
        "GDPR art. 30(1)(g) and 32(1); APPI art. 23 to 25",
        "組織的・人的措置 (規程、教育、漏えい時の体制)",
        "Organisational measures: rules, training, breach response",
    ),
)
"""The blanks that are not about a purpose or a table: name, source of the duty, ja, en."""

PURPOSE_WORDS: Final[Mapping[str, Words]] = {
    "analytics": Words("分析", "analytics"),
    "collect": Words("収集", "collection"),
    "employment": Words("雇用", "employment"),
    "essential": Words("サービスの提供に不可欠な利用", "what the service needs"),
    "essential.fraud_detection": Words("不正の検知", "fraud detection"),
    "essential.legal_obligation": Words("法的義務の履行", "legal obligation"),
    "essential.service": Words("サービスの提供", "provision of the service"),
    "essential.service.notifications": Words("サービスに関する通知", "service notices"),
    "essential.service.notifications.email": Words(
        "サービスに関する通知 (電子メール)", "service notices by e-mail"
    ),
    "essential.service.notifications.sms": Words(
        "サービスに関する通知 (SMS)", "service notices by SMS"
    ),
    "essential.service.payment_processing": Words("決済", "payment processing"),
    "essential.service.security": Words("安全の確保", "security"),
    "finance": Words("財務・経理", "finance"),
    "functional": Words("機能の提供", "functions of the service"),
    "marketing": Words("マーケティング", "marketing"),
    "marketing.advertising": Words("広告", "advertising"),
    "marketing.communications": Words("広告・宣伝の送信", "marketing messages"),
    "marketing.communications.email": Words("広告メールの送信", "marketing by e-mail"),
    "marketing.communications.sms": Words("広告 SMS の送信", "marketing by SMS"),
    "operations": Words("業務の運営", "operations"),
    "personalize": Words("個人に合わせた表示", "personalisation"),
    "sales": Words("販売", "sales"),
    "third_party_sharing": Words("第三者への提供", "sharing with third parties"),
    "train_ai_system": Words("AI システムの学習", "training of AI systems"),
}
"""Plain words for a fideslang data use; one without has those of the nearest above it."""

SUBJECT_WORDS: Final[Mapping[str, Words]] = {
    "registered": Words(
        "登録簿 {register} に登録されている人", "people in the register {register}"
    ),
    "former": Words(
        "以前のシステムから移された登録者", "people registered in a former system, as moved"
    ),
    "named_by_key": Words(
        "{column} で示される、登録簿 {register} の人",
        "people of the register {register}, by {column}",
    ),
    "contact_only": Words(
        "登録がなく、連絡先 {column} だけで示される人",
        "people without a registration, by their contact point {column} only",
    ),
    "contact": Words(
        "連絡先 {column} で示される人 (登録の有無を問わない)",
        "people by their contact point {column}, registered or not",
    ),
    "remembered": Words(
        "識別番号または鍵付きダイジェストだけで示される人",
        "people by key or keyed digest only",
    ),
}
"""Whom a table is about, by what its declaration shows of them."""

_CSV_BLANK: Final = f"[{BLANK.en} / {BLANK.ja}]"


class ProcessingRecordError(ValueError):
    """An answer has the name of no blank."""


class _Answers:
    """What the controller stated, by the name of the blank; remembers which blanks there are."""

    def __init__(self, stated: Mapping[str, str]) -> None:
        self._stated = stated
        self._names: list[str] = []
        self._known: set[str] = set()

    def of(self, name: str, is_known: bool = False) -> str | None:
        """Return the answer to a blank, or null; `is_known`: the declarations answer it, too."""
        self._names.append(name)
        if is_known:
            self._known.add(name)
        return self._stated.get(name) or None

    def check(self) -> None:
        """Raise ProcessingRecordError if an answer is to no blank of this record."""
        if unknown := sorted(set(self._stated) - set(self._names)):
            raise ProcessingRecordError(
                f"No blank of the record of processing is called {', '.join(unknown)}; "
                f"there are: {', '.join(self._names)}."
            )

    def missing(self) -> list[str]:
        """Return the blanks without an answer, in the order of the record."""
        return [
            name for name in self._names if not self._stated.get(name) and name not in self._known
        ]


def gather(project: Project, stated: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the record of processing of a project, as what JSON can hold.

    `stated`: the answers of the controller, by the name of the blank, such as
    ``controller.name`` or ``tables.shop.orders.purpose``; ``to_be_stated`` of a record has the
    names of those still open. Raises ProcessingRecordError for a name that is no blank.
    """
    answers = _Answers(stated or {})
    controller = [
        {"key": key, "source": source, "ja": ja, "en": en, "value": answers.of(key)}
        for key, source, ja, en in CONTROLLER
    ]
    readers = _readers(project)
    purposes = _purposes(project, answers)
    audiences = _audiences(project, readers, answers)
    record = {
        "version": VERSION,
        "kind": "record_of_processing_activities",
        "controller": controller,
        "purposes": purposes,
        "audiences": audiences,
        "tables": [
            _table(project, table, audiences, readers, answers)
            for table in project.declarations.governed.values()
        ],
        "security": _security(project, audiences),
    }
    answers.check()
    return {**record, "to_be_stated": answers.missing()}


def to_json(record: Mapping[str, Any]) -> str:
    """Return a record as JSON."""
    return json.dumps(record, ensure_ascii=False, indent=2) + "\n"


def rows(record: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield a record as a flat table: one row per table, data category and deletion class.

    A table in which no column is declared personal has one row per class, without a category.
    """
    audiences = {each["name"]: each for each in record["audiences"]}
    for table in record["tables"]:
        for category in table["categories"] or [None]:
            for limit in table["time_limits"]:
                yield _row(table, category, limit, audiences)


def to_csv(record: Mapping[str, Any]) -> str:
    """Return the flat table of a record as CSV; it starts with a mark that spreadsheets need."""
    text = io.StringIO()
    found = list(rows(record))
    writer = csv.DictWriter(text, list(found[0]) if found else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return "\ufeff" + text.getvalue()


def page(record: Mapping[str, Any]) -> str:
    """Return the page of a record: one HTML file, in Japanese and in English."""
    environment = templates(autoescape=True)
    return environment.get_template("processing_record.html.jinja").render(
        record=record, blank={"ja": BLANK.ja, "en": BLANK.en}
    )


def write(folder: Path, record: Mapping[str, Any]) -> tuple[Path, ...]:
    """Write a record as ``processing_record.json``, ``.csv`` and ``.html``. Returns the files."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    written = []
    for ending, text in (
        ("html", page(record)),
        ("csv", to_csv(record)),
        ("json", to_json(record)),
    ):
        path = folder / f"processing_record.{ending}"
        write_whole(path, text)
        written.append(path)
    return tuple(written)


def purpose_words(purpose: str) -> Words:
    """Return plain words for a fideslang data use, or for the nearest above it.

    Raises KeyError for what stands in no branch of the taxonomy.
    """
    return nearest(PURPOSE_WORDS, purpose)


# Purposes and audiences.


def _purposes(project: Project, answers: _Answers) -> list[dict[str, Any]]:
    """Return the purposes of the policy, those without an audience too."""
    return [
        {
            "purpose": name,
            "words": _said(purpose_words(name)),
            "message_class": purpose.message_class,
            "needs_consent": purpose.needs_consent,
            "lawful_basis": answers.of(f"purposes.{name}.lawful_basis"),
        }
        for name, purpose in project.declarations.purposes.items()
    ]


def _audience_ids(project: Project) -> list[str]:
    """Return the unique ids of the audiences, by name."""
    nodes = project.manifest["nodes"]
    return sorted(
        (
            unique_id
            for unique_id, node in nodes.items()
            if node["resource_type"] == "model" and kigen_of(node).get("message_class")
        ),
        key=lambda unique_id: (str(nodes[unique_id]["name"]), unique_id),
    )


def _audiences(
    project: Project, readers: Mapping[str, list[str]], answers: _Answers
) -> list[dict[str, Any]]:
    """Return every audience: what it hands out, what it reads, and what reads it."""
    ids = _audience_ids(project)
    names = {table.unique_id: table.name for table in project.declarations.governed.values()}
    found = []
    for unique_id in ids:
        node = project.manifest["nodes"][unique_id]
        declared = kigen_of(node)
        carried: dict[str, list[str]] = {}
        for column, described in node["columns"].items():
            category = str(meta_of(described).get("pii") or "")
            # What is tagged `system.…` or `none` is about nobody.
            if category.partition(".")[0] == "user":
                carried.setdefault(category, []).append(column)
        above = _above(project.manifest, unique_id, frozenset())
        found.append(
            {
                "name": str(node["name"]),
                "description": _line(node.get("description")),
                "owner": meta_of(node).get("owner"),
                "purpose": declared.get("purpose"),
                "message_class": declared["message_class"],
                "register": declared.get("register"),
                "is_contract_enforced": bool((node.get("contract") or {}).get("enforced")),
                "categories": [_category(key, columns) for key, columns in carried.items()],
                "reads": sorted(names[each] for each in above if each in names),
                "readers": readers[unique_id],
                "recipients": answers.of(
                    f"audiences.{node['name']}.recipients", is_known=bool(readers[unique_id])
                ),
            }
        )
    return found


def _readers(project: Project) -> dict[str, list[str]]:
    """Return the dbt exposures that read each audience, and each table not by an audience."""
    tables = {table.unique_id for table in project.declarations.governed.values()}
    stops = frozenset(_audience_ids(project)) | tables
    readers: dict[str, list[str]] = {each: [] for each in stops}
    exposures = project.manifest.get("exposures") or {}
    for exposure_id in sorted(exposures):
        exposure = exposures[exposure_id]
        for each in stops & _above(project.manifest, exposure_id, stops):
            readers[each].append(str(exposure.get("label") or exposure["name"]))
    return readers


def _above(manifest: Mapping[str, Any], start: str, stops: frozenset[str]) -> set[str]:
    """Return what a node is made from, however far up, but not what lies behind `stops`."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        node_id = waiting.pop()
        node = manifest["nodes"].get(node_id) or (manifest.get("exposures") or {}).get(node_id)
        for parent in ((node or {}).get("depends_on") or {}).get("nodes") or ():
            if parent not in seen:
                seen.add(parent)
                if parent not in stops:
                    waiting.append(parent)
    return seen


# Tables.


def _table(
    project: Project,
    table: GovernedTable,
    audiences: list[dict[str, Any]],
    readers: Mapping[str, list[str]],
    answers: _Answers,
) -> dict[str, Any]:
    node = project.manifest["sources"][table.unique_id]
    personal = categories_of(table.pii_columns)
    described = {column.column_name for column in table.pii_columns} | {table.subject}
    reading = [audience for audience in audiences if table.name in audience["reads"]]
    subjects = _subjects(table, project.declarations.governed)
    stated = f"tables.{table.name}"
    return {
        "table": table.name,
        "description": _line(node.get("description")),
        "owner": meta_of(node).get("owner"),
        "purpose": answers.of(f"{stated}.purpose"),
        "lawful_basis": answers.of(f"{stated}.lawful_basis"),
        "recipients": answers.of(f"{stated}.recipients", is_known=bool(readers[table.unique_id])),
        "subjects": subjects,
        "subjects_stated": None if subjects else answers.of(f"{stated}.subjects"),
        "subject_column": table.subject,
        "contact_column": table.contact,
        "categories": [
            {
                **_category(category, columns),
                # An audience that reads the table and holds this category may hand it out.
                "audiences": [
                    audience["name"]
                    for audience in reading
                    if category in {each["data_category"] for each in audience["categories"]}
                ],
            }
            for category, columns in personal.items()
        ],
        "columns_without_a_tag": [each for each in table.columns if each not in described],
        "read_for": [
            {"audience": audience["name"], "purpose": audience["purpose"]} for audience in reading
        ],
        "readers": readers[table.unique_id],
        "time_limits": [_limit(each) for each in table.deletion_classes],
        "goes_with": table.follows
        and {"register": table.follows.register_table, "action": table.follows.action},
    }


def _subjects(
    table: GovernedTable, governed: Mapping[str, GovernedTable]
) -> list[dict[str, str | None]]:
    """Return whom a table is about, as far as its declaration shows it; else nobody."""
    registers = [each.name for each in governed.values() if each.is_register]
    if table.is_memory:
        return [_subject("remembered")]
    if table.is_register:
        return [_subject("registered", register=table.name)]
    found = []
    if table.is_former:
        found.append(_subject("former"))
    if table.subject is not None:
        found += [
            _subject("named_by_key", register=each, column=table.subject) for each in registers
        ]
    if table.contact is not None and not table.is_former:
        kind = "contact" if table.subject is None else "contact_only"
        found.append(_subject(kind, column=table.contact))
    return found


def _subject(kind: str, **names: str) -> dict[str, str | None]:
    words = SUBJECT_WORDS[kind]
    return {
        "kind": kind,
        "register": names.get("register"),
        "column": names.get("column"),
        "ja": words.ja.format(**names),
        "en": words.en.format(**names),
    }


def _limit(deletion_class: DeletionClass) -> dict[str, Any]:
    return {
        "deletion_class": deletion_class.deletion_class,
        "action": deletion_class.action,
        **_period("period", deletion_class.period),
        **_period("notice", deletion_class.notice),
        "notice_waiver": deletion_class.notice_waiver or None,
        "floor": deletion_class.floor,
        "legal_basis": deletion_class.legal_basis,
    }


def _period(name: str, period: Period | None) -> dict[str, Any]:
    if period is None:
        return {name: None, f"{name}_words": None}
    return {name: _iso(period), f"{name}_words": _said(period_words(period))}


def _iso(period: Period) -> str:
    """Return a period as ISO 8601 has it."""
    years, months = divmod(period.months, 12)
    parts = ((years, "Y"), (months, "M"), (period.days, "D"))
    return "P" + ("".join(f"{count}{unit}" for count, unit in parts if count) or "0D")


def _category(category: str, columns: Iterable[str]) -> dict[str, Any]:
    return {
        "data_category": category,
        "words": _said(category_words(category)),
        "columns": list(columns),
    }


def _said(words: Words) -> dict[str, str]:
    return {"ja": words.ja, "en": words.en}


def _line(text: object) -> str | None:
    return " ".join(str(text or "").split()) or None


# Security measures.


def _security(project: Project, audiences: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Return in general what Kigen does, and where that is described (GDPR art. 30(1)(g))."""
    before = len(project.declarations.proofs("before"))
    after = len(project.declarations.proofs("after"))
    enforced = sum(audience["is_contract_enforced"] for audience in audiences)
    return [
        {
            "key": "purge",
            "pointer": "docs/purge.md",
            "ja": f"期限の来た記録は、{before}件の事前確認と上限の確認を経て、記録簿への記載と"
            f"同じトランザクションで削除または匿名化し、その後に{after}件の確認を行う。",
            "en": f"What has expired is deleted or anonymised after {before} proofs and the limits "
            f"were checked, in one transaction with its ledger row; {after} proofs are asked after.",
        },
        {
            "key": "pseudonymity",
            "pointer": "README.md, Limits",
            "ja": "削除後も残すものは、直接の識別子を含まない鍵付きダイジェスト (HMAC-SHA256) と"
            "識別番号に限る。鍵は別のファイルに置く。",
            "en": "What outlives a deletion is keyed digests (HMAC-SHA256) and keys without a direct "
            "identifier; the secret lies in a file of its own.",
        },
        {
            "key": "audiences",
            "pointer": "README.md, Public doors",
            "ja": f"他のシステムが読むのは送信先一覧{len(audiences)}件だけで、うち{enforced}件は"
            "列の契約を強制している。",
            "en": f"Other systems are to read {len(audiences)} audiences only; the columns of "
            f"{enforced} of them are held to an enforced contract.",
        },
        {
            "key": "certificates",
            "pointer": "docs/purge.md",
            "ja": "実行ごとに、期限、残したものとその理由、消去の検証、及ばないものを証明書に残す。",
            "en": "Every run leaves a certificate: what was due, what stayed and why, how the "
            "erasure was verified, what is out of reach.",
        },
    ]


# The flat table.


def _row(
    table: Mapping[str, Any],
    category: Mapping[str, Any] | None,
    limit: Mapping[str, Any],
    audiences: Mapping[str, Mapping[str, Any]],
) -> dict[str, str]:
    words = category["words"] if category else {"ja": "", "en": ""}
    period = limit["period_words"] or {"ja": "", "en": ""}
    notice = limit["notice_words"] or {"ja": "", "en": ""}
    goes_with = table["goes_with"]
    return {
        "table": table["table"],
        "description": table["description"] or "",
        "owner": table["owner"] or _CSV_BLANK,
        "data_category": category["data_category"] if category else "",
        "data_category_ja": words["ja"],
        "data_category_en": words["en"],
        "columns": "; ".join(category["columns"]) if category else "",
        "subjects_ja": _subjects_told(table, "ja"),
        "subjects_en": _subjects_told(table, "en"),
        "purpose": table["purpose"] or _CSV_BLANK,
        "lawful_basis": table["lawful_basis"] or _CSV_BLANK,
        "read_for": "; ".join(
            f"{each['purpose']} ({each['audience']})" for each in table["read_for"]
        ),
        "recipients_by_audience": "; ".join(
            f"{name}: {_recipients_told(audiences[name])}"
            for name in (category["audiences"] if category else ())
        ),
        "other_recipients": _recipients_told(table),
        "deletion_class": limit["deletion_class"],
        "action": limit["action"],
        "period": limit["period"] or "",
        "period_ja": period["ja"],
        "period_en": period["en"],
        "notice": limit["notice"] or "",
        "notice_ja": notice["ja"],
        "notice_en": notice["en"],
        "notice_waiver": limit["notice_waiver"] or "",
        "floor": limit["floor"],
        "legal_basis_of_time_limit": limit["legal_basis"],
        "goes_with": f"{goes_with['register']} ({goes_with['action']})" if goes_with else "",
    }


def _subjects_told(table: Mapping[str, Any], language: str) -> str:
    told = "; ".join(each[language] for each in table["subjects"])
    return told or table["subjects_stated"] or _CSV_BLANK


def _recipients_told(holder: Mapping[str, Any]) -> str:
    """Return who receives what an audience or a table holds, or that nobody said so."""
    return ", ".join(filter(None, (*holder["readers"], holder["recipients"]))) or _CSV_BLANK
