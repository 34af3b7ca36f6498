"""The retention statement of a privacy policy, in Japanese and in English, as Markdown.

What is kept, from when and how long, what happens then, whether we write beforehand, and what
asks for longer storage: read from the policy of deletion classes, in words for the public
(GDPR art. 13(2)(a) and 14(2)(a); APPI art. 22 and 32). Systems and tables are not named: data is
called by its categories, a case by its class.

A policy may have more columns than Kigen reads, for the words of a class: ``label_en``,
``label_ja`` (what the case is called), ``clock_en``, ``clock_ja`` (what its period runs from) and
``legal_basis_ja``. Where one is missing or empty, the name of the class, or the basis as it is
written, stands in for it: a policy does not say in words what a clock is.
A warehouse that holds the policy already takes a new column only by ``dbt seed --full-refresh``.

Architecture invariant: no list of tables or classes stands here, and nothing is told that the
policy does not say. The same policy has the same bytes.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from orchestration.declarations import (
    Action,
    DeletionClass,
    GovernedTable,
    Period,
    PiiColumn,
    WrittenClass,
    load_deletion_classes,
)
from orchestration.durable import write_whole
from orchestration.pages import templates
from orchestration.project import Project

Language = Literal["ja", "en"]

LANGUAGES: Final[tuple[Language, ...]] = ("ja", "en")


@dataclass(frozen=True, slots=True)
class Words:
    """The same in both languages."""

    ja: str
    en: str


CATEGORY_WORDS: Final[Mapping[str, Words]] = {
    "system": Words("システムの運用に関する情報", "system data"),
    "system.authentication": Words("システムの認証情報", "authentication data of systems"),
    "user": Words("個人に関する情報", "personal data"),
    "user.account": Words("アカウント情報", "account data"),
    "user.account.username": Words("ユーザー名", "user name"),
    "user.authorization": Words("認証情報", "sign-in data"),
    "user.authorization.password": Words("パスワード", "password"),
    "user.behavior": Words("行動履歴", "record of behaviour"),
    "user.behavior.browsing_history": Words("閲覧履歴", "browsing history"),
    "user.behavior.purchase_history": Words("購入履歴", "purchase history"),
    "user.behavior.search_history": Words("検索履歴", "search history"),
    "user.biometric": Words("生体情報", "biometric data"),
    "user.childrens": Words("子どもに関する情報", "data of children"),
    "user.contact": Words("連絡先", "contact details"),
    "user.contact.address": Words("住所", "postal address"),
    "user.contact.address.city": Words("市区町村", "city"),
    "user.contact.address.country": Words("国", "country"),
    "user.contact.address.postal_code": Words("郵便番号", "postal code"),
    "user.contact.address.state": Words("都道府県", "prefecture or state"),
    "user.contact.address.street": Words("市区町村以下の住所", "street address"),
    "user.contact.email": Words("メールアドレス", "e-mail address"),
    "user.contact.fax_number": Words("ファックス番号", "fax number"),
    "user.contact.organization": Words("所属する組織の名称", "name of the organisation"),
    "user.contact.phone_number": Words("電話番号", "telephone number"),
    "user.contact.url": Words("ウェブサイトの URL", "address of a web site"),
    "user.content": Words("投稿や作成した内容", "content written by the person"),
    "user.criminal_history": Words("犯罪歴", "criminal record"),
    "user.demographic": Words("属性情報", "demographic data"),
    "user.demographic.age_range": Words("年齢層", "age range"),
    "user.demographic.date_of_birth": Words("生年月日", "date of birth"),
    "user.demographic.gender": Words("性別", "gender"),
    "user.demographic.language": Words("言語", "language"),
    "user.demographic.marital_status": Words("婚姻の状況", "marital status"),
    "user.demographic.political_opinion": Words("政治的見解", "political opinion"),
    "user.demographic.race_ethnicity": Words("人種・民族", "race or ethnic origin"),
    "user.demographic.religious_belief": Words("信条・宗教", "religious belief"),
    "user.demographic.sexual_orientation": Words("性的指向", "sexual orientation"),
    "user.device": Words("端末情報", "device data"),
    "user.device.cookie": Words("クッキーの情報", "cookie data"),
    "user.device.cookie_id": Words("クッキー ID", "cookie identifier"),
    "user.device.device_id": Words("端末 ID", "device identifier"),
    "user.device.ip_address": Words("IP アドレス", "IP address"),
    "user.financial": Words("金融情報", "financial data"),
    "user.financial.bank_account": Words("銀行口座情報", "bank account"),
    "user.financial.credit_card": Words("クレジットカード情報", "credit card"),
    "user.government_id": Words("公的な識別番号", "government identifier"),
    "user.health_and_medical": Words("健康・医療に関する情報", "health and medical data"),
    "user.job_title": Words("役職", "job title"),
    "user.location": Words("位置情報", "location"),
    "user.name": Words("氏名", "name"),
    "user.name.first": Words("名", "given name"),
    "user.name.last": Words("姓", "family name"),
    "user.payment": Words("支払い情報", "payment data"),
    "user.privacy_preferences": Words("同意・配信停止などの意思表示", "privacy choices"),
    "user.sensor": Words("センサーの情報", "sensor data"),
    "user.social": Words("交友・SNS に関する情報", "social data"),
    "user.telemetry": Words("利用状況の計測情報", "telemetry"),
    "user.unique_id": Words("識別番号", "identifier"),
    "user.unique_id.pseudonymous": Words("仮名化した識別子", "pseudonymous identifier"),
    "user.user_sensor": Words("利用者のセンサーの情報", "sensor data of the user"),
    "user.workplace": Words("勤務先に関する情報", "workplace data"),
}
"""Plain words for a fideslang data category; one without has those of the nearest above it."""

_NUMBERS: Final = (
    *("zero", "one", "two", "three", "four", "five"),
    *("six", "seven", "eight", "nine", "ten"),
)

_MARKDOWN: Final = re.compile(r"([\\`*_\[\]<>|#~&])")

_FALLBACK_CLOCK: Final = Words("「{label}」の起算日", "the start date of “{label}”")


@dataclass(frozen=True, slots=True)
class Minimum:
    """What keeps data longer than a rule says: a class of the policy that is a floor."""

    label: Words
    clock: Words
    period: Period
    basis: Words


@dataclass(frozen=True, slots=True)
class Rule:
    """One case of data: how long it is kept, and what happens then."""

    label: Words
    clock: Words
    period: Period | None
    """None: kept without a fixed period."""
    notice: Period | None
    is_waived_for_left_mailbox: bool
    action: Action
    is_minimum: bool
    """No other case of the table takes it before, either: the class is a floor, too."""
    minimums: tuple[Minimum, ...]
    bases: tuple[Words, ...]


@dataclass(frozen=True, slots=True)
class Following:
    """What happens to data when the registration of the person goes."""

    action: Action
    minimums: tuple[Minimum, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Data that is treated alike: its categories in words, and its rules."""

    title: Words
    categories: tuple[str, ...]
    """fideslang keys, in the order of the declarations."""
    rules: tuple[Rule, ...]
    following: Following | None

    @property
    def is_anonymised(self) -> bool:
        """Whether the data may go before the record it stands in."""
        return any(rule.action == "anonymise" for rule in (*self.rules, self.following) if rule)


def category_words(category: str) -> Words:
    """Return plain words for a fideslang data category, or for the nearest above it.

    Raises KeyError for what stands in no branch of the taxonomy.
    """
    return nearest(CATEGORY_WORDS, category)


def nearest(words: Mapping[str, Words], key: str) -> Words:
    """Return the words of a fideslang key, or of the nearest above it. Raises KeyError."""
    while key not in words and "." in key:
        key = key.rpartition(".")[0]
    return words[key]


def categories_of(columns: Iterable[PiiColumn]) -> dict[str, tuple[str, ...]]:
    """Return the columns of each data category, in the order they are declared."""
    found: dict[str, tuple[str, ...]] = {}
    for column in columns:
        found[column.data_category] = (*found.get(column.data_category, ()), column.column_name)
    return found


def period_words(period: Period) -> Words:
    """Return a calendar period in words: `five years` and `5年`, `30 days` and `30日`.

    Twelve months are a year, and a week is seven days, as `Period` has it.
    """
    years, months = divmod(period.months, 12)
    parts = [
        (count, english, japanese)
        for count, english, japanese in (
            (years, "year", "年"),
            (months, "month", "か月"),
            (period.days, "day", "日"),
        )
        if count
    ] or [(0, "day", "日")]
    told = [
        f"{_NUMBERS[count] if count < len(_NUMBERS) else count} {noun}{'' if count == 1 else 's'}"
        for count, noun, _ in parts
    ]
    english = " and ".join(filter(None, (", ".join(told[:-1]), told[-1])))
    return Words("".join(f"{count}{noun}" for count, _, noun in parts), english)


def gather(project: Project, policy_file: Path | None = None) -> tuple[Group, ...]:
    """Return what the statement says, group by group, in the order of the policy.

    `policy_file`: a file of the shape of ``policy_deletion_classes.csv``; None: the project's own.
    Tables with the same categories, rules and ties are one group. Raises DeclarationError with
    every fault of the file.
    """
    path = policy_file or own_policy(project.manifest)
    written: dict[str, list[WrittenClass]] = {}
    for each in load_deletion_classes(project.manifest, path):
        written.setdefault(each.read.table_name, []).append(each)
    found: dict[Group, Group] = {}
    for name, classes in written.items():
        group = _group(project.declarations.governed[name], classes)
        # Where only the bases differ the rules are the same, and both bases are told.
        bare = replace(group, rules=tuple(replace(rule, bases=()) for rule in group.rules))
        found[bare] = _joined(found[bare], group) if bare in found else group
    return _told_apart(tuple(found.values()))


def rules_of(project: Project) -> dict[tuple[str, str], Rule]:
    """Return each class of the policy in words, by table and class; floors are not told with it."""
    return {
        (each.read.table_name, each.read.deletion_class): _rule(each, ())
        for each in load_deletion_classes(project.manifest, own_policy(project.manifest))
    }


def missing_words(project: Project, policy_file: Path | None = None) -> tuple[str, ...]:
    """Return what the public would read only as the name of a class or in one language.

    One entry per class and column of words that is missing or empty, such as
    ``member_inactive: clock_ja``; to be empty before the statement is published.
    """
    path = policy_file or own_policy(project.manifest)
    missing = {
        f"{each.read.deletion_class}: {column}": None
        for each in load_deletion_classes(project.manifest, path)
        for column in ("label_en", "label_ja", "clock_en", "clock_ja", "legal_basis_ja")
        if not each.text.get(column) and not (column.startswith("clock") and not each.read.period)
    }
    return tuple(missing)


def render(groups: Sequence[Group], language: Language) -> str:
    """Return the statement in one language, as Markdown."""
    # Markdown; every word of the policy goes through `md`.
    environment = templates(autoescape=False)
    environment.filters["md"] = _escaped
    environment.filters["period"] = lambda period: getattr(period_words(period), language)
    environment.filters["said"] = lambda words: _escaped(getattr(words, language))
    return environment.get_template("retention_statement.md.jinja").render(
        groups=groups, language=language
    )


def write(folder: Path, groups: Sequence[Group]) -> tuple[Path, ...]:
    """Write ``retention_statement.<language>.md`` in each language. Returns the files."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths = []
    for language in LANGUAGES:
        paths.append(folder / f"retention_statement.{language}.md")
        write_whole(paths[-1], render(groups, language))
    return tuple(paths)


def own_policy(manifest: Mapping[str, Any]) -> Path:
    """Return the file of the project's own deletion classes; that there is one, `load` has seen."""
    [node] = (
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "seed" and node["name"] == "policy_deletion_classes"
    )
    return Path(node.get("root_path") or ".") / str(node["original_file_path"])


def _group(table: GovernedTable, classes: Sequence[WrittenClass]) -> Group:
    categories = tuple(categories_of(table.pii_columns))
    following = None
    if table.follows is not None:
        action = table.follows.action
        following = Following(action, _minimums(classes, action))
    rules = tuple(
        _rule(each, _minimums(classes, each.read.action, but=each.read))
        for each in classes
        if each.read.floor != "only"
    )
    return Group(_title(categories), categories, rules, following)


def _rule(written: WrittenClass, minimums: tuple[Minimum, ...]) -> Rule:
    read = written.read
    return Rule(
        label=_label(written),
        clock=_clock(written),
        period=read.period,
        notice=read.notice,
        is_waived_for_left_mailbox=read.notice_waiver == "mailbox_left",
        action=read.action,
        is_minimum=read.floor == "yes",
        minimums=minimums,
        bases=(_basis(written),),
    )


def _minimums(
    classes: Sequence[WrittenClass], action: Action, but: DeletionClass | None = None
) -> tuple[Minimum, ...]:
    """Return the floors of a table for an action (DESIGN, section 5), less a class itself."""
    return tuple(
        Minimum(_label(each), _clock(each), each.read.period, _basis(each))
        for each in classes
        if each.read.floor != "no"
        and each.read.action == action
        and each.read.period is not None
        and each.read != but
    )


def _label(written: WrittenClass) -> Words:
    name = written.read.deletion_class.replace("_", " ")
    return Words(written.text.get("label_ja") or name, written.text.get("label_en") or name)


def _clock(written: WrittenClass) -> Words:
    label = _label(written)
    return Words(
        written.text.get("clock_ja") or _FALLBACK_CLOCK.ja.format(label=label.ja),
        written.text.get("clock_en") or _FALLBACK_CLOCK.en.format(label=label.en),
    )


def _basis(written: WrittenClass) -> Words:
    basis = written.read.legal_basis
    return Words(written.text.get("legal_basis_ja") or basis, basis)


def _title(categories: Sequence[str]) -> Words:
    """Return the categories in words, each once."""
    words = tuple(dict.fromkeys(category_words(category) for category in categories))
    if not words:
        return Words("その他の記録", "Other records")
    english = ", ".join(word.en for word in words)
    return Words("、".join(word.ja for word in words), english[0].upper() + english[1:])


def _joined(first: Group, second: Group) -> Group:
    """Return the group of two that differ in the bases of their rules, if in anything."""
    rules = (
        replace(one, bases=tuple(dict.fromkeys((*one.bases, *other.bases))))
        for one, other in zip(first.rules, second.rules, strict=True)
    )
    return replace(first, rules=tuple(rules))


def _told_apart(groups: Sequence[Group]) -> tuple[Group, ...]:
    """Give groups of one title their cases in it: those no other group has, else no alike one."""
    named = []
    for group in groups:
        alike = [other for other in groups if other.title == group.title]
        if len(alike) > 1:
            own = _own_labels(group, groups) or _own_labels(group, alike)
            own = own or [Words(number := str(alike.index(group) + 1), number)]
            japanese = "、".join(label.ja for label in own)
            english = ", ".join(label.en for label in own)
            title = Words(f"{group.title.ja} ({japanese})", f"{group.title.en} ({english})")
            named.append(replace(group, title=title))
        else:
            named.append(group)
    return tuple(named)


def _own_labels(group: Group, groups: Iterable[Group]) -> list[Words]:
    """Return what cases of a group are called that none of the other groups has."""
    elsewhere = {rule.label for other in groups if other is not group for rule in other.rules}
    return [rule.label for rule in group.rules if rule.label not in elsewhere]


def _escaped(text: str) -> str:
    """Return text that Markdown and HTML show as it is, on one line."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))
