"""The last notice before deletion: what it says, and that it was handed over.

Handing over an audience that declares ``meta.kigen.notice`` starts the grace: the rows go into the
log of what was sent, which a source declares as ``meta.kigen.message_log``. The text says what will
be deleted, from which day, and how to keep it; it is no advertisement, and one below it is off
unless the policy says otherwise (Act on Regulation of Transmission of Specified Electronic Mail,
art. 3(3), for Japan; elsewhere there is no such exemption).

Architecture invariant: an address goes from the lease's file into the log by one statement, and
nowhere else.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import duckdb

from orchestration.keys import Pads, digest_sql
from orchestration.pages import templates
from orchestration.project import Project
from orchestration.retention_statement import (
    LANGUAGES,
    Language,
    category_words,
    own_policy,
)
from orchestration.translator import kigen_of
from orchestration.warehouse import literal

SEPARATOR: Final = "―" * 20
"""What stands between the notice and the advertisement below it."""

FIELDS: Final[Mapping[Language, tuple[str, str]]] = {
    "ja": ("delete_on_ja", "data_categories_ja"),
    "en": ("delete_on_en", "data_categories_en"),
}
"""What the text asks the delivery tool to fill in of each recipient: columns of the file."""

_FIELD: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_LINK: Final = re.compile(r"(?:https?://|www\.)\S+", re.I)
_ADVERTISING: Final = re.compile(
    r"セール|割引|値引|クーポン|キャンペーン|送料無料|お得|特価|半額|新商品|新発売|おすすめ|期間限定|数量限定|"
    r"プレゼント|ポイント(?:進呈|還元|アップ)|[0-9,]+\s*円|[0-9]+\s*%|[¥$€£]\s*[0-9]|"
    r"\b(?:sales?|discounts?|coupons?|vouchers?|special offers?|deals?|promotions?|free shipping|"
    r"new arrivals?|best ?sellers?|gifts?|bargains?|limited time|shop now|buy now)\b",
    re.I,
)
"""What a mail says that sells; a notice says none of it. Not `points`: they may be what is lost."""

_KEY_TYPES: Final[Mapping[str, str]] = {
    # Of a keyed digest as many bits as any tool reads exactly: apart from the numbers a tool counts,
    # and the same when asked again.
    "BIGINT": "cast('0x' || left({digest}, 13) as bigint)",
    "HUGEINT": "cast('0x' || left({digest}, 13) as hugeint)",
    "VARCHAR": "{digest}",
}


class NoticeError(ValueError):
    """A notice that cannot be sent as it is; the message says what to do."""


@dataclass(frozen=True, slots=True)
class MessageLog:
    """Where it stands what was sent: a source table, its columns, and who writes notices into it."""

    name: str
    relation: str
    key: str
    contact: str
    campaign: str
    message_class: str
    kind: str
    sent_at: str
    is_written_by_hand_over: bool


def message_log_of(project: Project) -> MessageLog | None:
    """Return the log of what was sent, as a source declares it, or None."""
    for source in project.manifest["sources"].values():
        declared = kigen_of(source)
        log = declared.get("message_log")
        if log:
            key = declared["key"]
            return MessageLog(
                name=f"{source['source_name']}.{source['name']}",
                relation=str(source["relation_name"]),
                key=key if isinstance(key, str) else key[0],
                contact=declared["contact"],
                campaign=log["campaign"],
                message_class=log["message_class"],
                kind=log["kind"],
                sent_at=log["sent_at"],
                is_written_by_hand_over=log.get("notices_by", "tool") == "hand_over",
            )
    return None


def other_class_of(
    connection: duckdb.DuckDBPyConnection, project: Project, campaign: str, message_class: str
) -> str | None:
    """Return another message class under which a campaign stands in the log; None where none."""
    log = message_log_of(project)
    if log is None:
        return None
    rows = connection.execute(
        f'select min("{log.message_class}") from {log.relation} '
        f'where "{log.campaign}" = ? and "{log.message_class}" <> ?',
        [campaign, message_class],
    ).fetchall()
    return str(rows[0][0]) if rows[0][0] is not None else None


def check_log(connection: duckdb.DuckDBPyConnection, log: MessageLog) -> None:
    """Refuse a log whose key cannot be made for a row of ours. Raises NoticeError."""
    if (kind := _key_type(connection, log)) not in _KEY_TYPES:
        raise NoticeError(
            f"{log.name}.{log.key} is {kind}, and no key can be made for a notice; allowed: "
            f"{', '.join(_KEY_TYPES)}. Widen it, or let the log say what was sent (notices_by: tool)."
        )


def write_into_log(
    connection: duckdb.DuckDBPyConnection,
    log: MessageLog,
    pads: Pads,
    *,
    rows: str,
    contact: str,
    is_still: str,
    campaign: str,
    message_class: str,
    kind: str,
    sent_at: datetime,
) -> int:
    """Write that a notice was handed over, once for each contact; return how many were new.

    `rows` is SQL for the rows of the lease's file, `contact` its column, `is_still` SQL for those
    contacts that may still get it. From `sent_at` on their grace runs.
    """
    made = digest_sql(f"'{log.name}|' || ? || '|' || cast(lease.{contact} as varchar)", pads)
    key = _KEY_TYPES[_key_type(connection, log)].format(digest=made)
    into = ", ".join(
        f'"{column}"'
        for column in (
            log.key, log.campaign, log.message_class, log.kind, log.contact, log.sent_at,
        )
    )  # fmt: skip
    return int(
        connection.execute(
            f"insert into {log.relation} ({into}) "
            f"select {key}, ?, ?, ?, cast(lease.{contact} as varchar), cast(? as timestamp) "
            f"from {rows} as lease cross join kigen_key.pads as pads "
            f"where cast(lease.{contact} as varchar) in ({is_still}) "
            f'and cast(lease.{contact} as varchar) not in (select "{log.contact}" from {log.relation} '
            f'where "{log.campaign}" = ? and "{log.kind}" = ? and "{log.contact}" is not null)',
            [campaign, campaign, message_class, kind, sent_at, campaign, kind],
        ).fetchall()[0][0]
    )


def _key_type(connection: duckdb.DuckDBPyConnection, log: MessageLog) -> str:
    rows = connection.execute(f'describe select "{log.key}" from {log.relation}').fetchall()
    return str(rows[0][1])


# The text.


def merge_columns(project: Project, relation: str, connection: duckdb.DuckDBPyConnection) -> str:
    """Return SQL for an audience of a notice with the columns its text asks for.

    The day in words, in the business time zone, and the data categories in words, in both
    languages. Raises DuckDB's errors only.
    """
    keys = connection.execute(
        f"select distinct data_categories from {relation} where data_categories is not null"
    ).fetchall()
    words = ", ".join(
        "(" + ", ".join(literal(text) for text in (key, *_in_words(key))) + ")" for (key,) in keys
    )
    zone = literal(project.declarations.settings.get("business_time_zone", "UTC"))
    day = f"timezone({zone}, timezone('UTC', audience.deletes_at))"
    return (
        f"select audience.*, strftime({day}, '%Y年%-m月%-d日') as delete_on_ja, "
        f"strftime({day}, '%-d %B %Y') as delete_on_en, "
        "words.ja as data_categories_ja, words.en as data_categories_en "
        f"from {relation} as audience left join (values {words or '(null, null, null)'}) "
        "as words (data_categories, ja, en) on audience.data_categories = words.data_categories"
    )


def _in_words(keys: str) -> tuple[str, str]:
    """Return data categories in Japanese and English words, each once."""
    words = [category_words(key) for key in keys.split(",")]
    return (
        "、".join(dict.fromkeys(each.ja for each in words)),
        ", ".join(dict.fromkeys(each.en for each in words)),
    )


def texts_of(project: Project) -> dict[Language, str]:
    """Return the text of the notice in each language, with the fields the tool fills in.

    A project has its own where ``deletion_notice.<language>.txt`` lies beside its policy. The
    settings notice_sender, notice_keep_url, notice_advertising (yes or no) and
    notice_advertising_<language> fill in the rest. Raises NoticeError where a text is no notice.
    """
    settings = project.declarations.settings
    texts: dict[Language, str] = {}
    for language in LANGUAGES:
        own = own_policy(project.manifest).parent / f"deletion_notice.{language}.txt"
        if own.exists():
            text, name = own.read_text(encoding="utf-8"), str(own)
        else:
            name = f"deletion_notice.{language}.txt"
            text = templates(autoescape=False).get_template(f"{name}.jinja").render(
                sender=settings.get("notice_sender", ""),
                keep_url=settings.get("notice_keep_url", ""),
            )  # fmt: skip
        check_notice(text, language, name, keep_url=settings.get("notice_keep_url", ""))
        below = settings.get(f"notice_advertising_{language}", "")
        if settings.get("notice_advertising") == "yes" and below:
            if len(below) > len(text):
                raise NoticeError(
                    f"Setting notice_advertising_{language} is longer than the notice above it: it "
                    "would be the mail, and the notice its cover. Shorten it."
                )
            text = f"{text.rstrip()}\n\n{SEPARATOR}\n{below.strip()}\n"
        texts[language] = text
    return texts


def check_notice(text: str, language: Language, name: str, *, keep_url: str) -> None:
    """Refuse a text that is no notice, or is an advertisement. Raises NoticeError.

    It says from which day, and what; it asks for no field that the file does not have; it has no
    link but the one to keep the data by, and no word that sells.
    """
    fields = set(_FIELD.findall(text))
    for field in FIELDS[language]:
        if field not in fields:
            raise NoticeError(
                f"{name} does not say {'from which day' if 'delete_on' in field else 'what'}: it has "
                f"no {{{{ {field} }}}}, which the delivery tool fills in."
            )
    if unknown := fields - set(FIELDS[language]):
        raise NoticeError(
            f"{name} asks for {', '.join(sorted(unknown))}, which the recipients' file does not have; "
            f"it has {', '.join(FIELDS[language])}."
        )
    links = [link for link in _LINK.findall(text) if not (keep_url and link == keep_url)]
    if links:
        raise NoticeError(
            f"{name} has the link {links[0]}; a notice has the one to keep the data by and no other "
            "(setting notice_keep_url)."
        )
    if word := _ADVERTISING.search(unicodedata.normalize("NFKC", text)):
        raise NoticeError(
            f"{name} says {word.group()!r}: that is advertising, and a notice that sells is an "
            "advertisement to people who may have said no. Take it out; what the policy allows goes "
            "below the notice (settings notice_advertising, notice_advertising_ja and _en)."
        )


def notice_files() -> Iterable[str]:
    """Return the names of the text files of a notice's lease."""
    return [f"notice.{language}.txt" for language in LANGUAGES]
