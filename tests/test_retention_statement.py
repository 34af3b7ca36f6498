"""The retention statement says what the policy says, in two languages, and changes when it changes."""

from __future__ import annotations

import copy
import csv
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestration.declarations import DeclarationError, parse_period
from orchestration.fideslang_keys import DATA_CATEGORIES
from orchestration.project import Project
from orchestration.retention_statement import (
    CATEGORY_WORDS,
    LANGUAGES,
    Group,
    Words,
    category_words,
    gather,
    missing_words,
    period_words,
    render,
    write,
)
from orchestration.settings import Settings
from tests.house import REPOSITORY
from tests.test_declarations import Project as Club
from tests.test_declarations import column

POLICY = REPOSITORY / "seeds" / "policy" / "policy_deletion_classes.csv"
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
LATIN = re.compile(r"[A-Za-z]")

WORDS = ("label_en", "label_ja", "clock_en", "clock_ja", "legal_basis_ja")
"""The columns of a policy that are words for the statement."""

Row = dict[str, str]


@pytest.fixture(scope="module")
def worded(parsed: Project) -> Project:
    """The project as it is."""
    return parsed


@pytest.fixture
def wordless(parsed: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with the policy of a team that has no words for the statement."""
    path = policy(tmp_path_factory.mktemp("policy"), lambda rows: None)
    nodes = {
        name: {**node, "root_path": str(path.parent), "original_file_path": path.name}
        if node["name"] == path.stem
        else node
        for name, node in parsed.manifest["nodes"].items()
    }
    return replace(parsed, manifest={**parsed.manifest, "nodes": nodes})


def policy(folder: Path, change: Callable[[list[Row]], object], *more: str) -> Path:
    """A copy of the project's deletion classes, changed; `more` are columns beside Kigen's."""
    with POLICY.open(encoding="utf-8", newline="") as stream:
        rows = [
            {name: text for name, text in row.items() if name not in WORDS}
            for row in csv.DictReader(stream)
        ]
    change(rows)
    path = folder / "policy_deletion_classes.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [*rows[0], *more], restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def of_class(rows: list[Row], name: str, table: str) -> Row:
    [row] = (each for each in rows if (each["deletion_class"], each["table_name"]) == (name, table))
    return row


def declaring(project: Project, table: str, change: Callable[[list[str]], object]) -> Project:
    """The project with other deletion classes in the YAML of a table."""
    manifest: dict[str, Any] = {**project.manifest}
    manifest["sources"] = copy.deepcopy(manifest["sources"])
    node = manifest["sources"][project.declarations.governed[table].unique_id]
    for meta in (node["config"]["meta"], node["meta"]):
        change(meta["kigen"]["deletion_classes"])
    return replace(project, manifest=manifest)


def club(folder: Path, made: Club | None = None) -> Project:
    """A project nobody here wrote a word for; `made`: as it stands."""
    made = made or Club(folder)
    settings = Settings.from_env({"KIGEN_HOME": str(folder / "home")})
    return Project(settings, {"nodes": made.nodes, "sources": made.sources}, made.load())


def lines_of(groups: tuple[Group, ...], language: Any, mark: str) -> list[str]:
    return [line for line in render(groups, language).splitlines() if mark in line]


# Words.


@pytest.mark.parametrize(
    ("text", "english", "japanese"),
    [
        ("P30D", "30 days", "30日"),
        ("P7D", "seven days", "7日"),
        ("P1D", "one day", "1日"),
        ("P5Y", "five years", "5年"),
        ("P1Y", "one year", "1年"),
        ("P12M", "one year", "1年"),
        ("P1Y6M", "one year and six months", "1年6か月"),
        ("P18M", "one year and six months", "1年6か月"),
        ("P11M", "11 months", "11か月"),
        ("P2W", "14 days", "14日"),
        ("P1Y2M3D", "one year, two months and three days", "1年2か月3日"),
        ("P1M15D", "one month and 15 days", "1か月15日"),
        ("P0D", "zero days", "0日"),
    ],
)
def test_a_period_is_told_in_words(text: str, english: str, japanese: str) -> None:
    assert period_words(parse_period(text)) == Words(japanese, english)


def test_every_category_of_the_project_has_words_in_both_languages(wordless: Project) -> None:
    found = {column.data_category for column in wordless.declarations.pii_columns()}
    assert found
    for category in found:
        words = category_words(category)
        assert JAPANESE.search(words.ja), category
        assert LATIN.search(words.en), category
        assert not JAPANESE.search(words.en), category
        # Its own: a parent's would say less than the project knows.
        assert category in CATEGORY_WORDS


def test_every_category_there_is_has_words_if_need_be_those_above_it() -> None:
    assert set(CATEGORY_WORDS) <= DATA_CATEGORIES
    for category in DATA_CATEGORIES:
        assert category_words(category) in CATEGORY_WORDS.values()
    assert category_words("user.biometric.retinal") == CATEGORY_WORDS["user.biometric"]


def test_no_two_categories_share_their_words() -> None:
    for language in LANGUAGES:
        words = [getattr(each, language) for each in CATEGORY_WORDS.values()]
        assert len(set(words)) == len(words)


# What is said.


def test_every_class_that_acts_is_told_with_its_period_and_its_basis(wordless: Project) -> None:
    groups = gather(wordless)
    for language in LANGUAGES:
        text = render(groups, language)
        for table in wordless.declarations.governed.values():
            for each in table.deletion_classes:
                label = each.deletion_class.replace("_", " ")
                if each.floor != "only":
                    assert f"- **{label}**" in text
                if each.period is not None and (each.period.months or each.period.days):
                    assert getattr(period_words(each.period), language) in text
                assert re.sub(r"[^\w]", "", each.legal_basis) in re.sub(r"[^\w]", "", text)


def test_what_happens_and_whether_there_is_a_notice_is_told(wordless: Project) -> None:
    groups = gather(wordless)
    assert lines_of(groups, "en", "**member inactive**") == [
        "- **member inactive**: kept for **three years** from the start date of “member inactive”, "
        "then deleted. We write to you beforehand, and the data is not deleted until seven days "
        "after that notice."
    ]
    assert lines_of(groups, "ja", "**member inactive**") == [
        "- **member inactive**：「member inactive」の起算日から**3年間**保管し、その後削除します。"
        "期限の前に予告をお送りします。予告から7日が過ぎるまでは削除しません。"
    ]
    [guest] = lines_of(groups, "en", "**guest inactive**")
    assert "then anonymised" in guest
    assert "No notice goes to an e-mail address whose registrations have all ended." in guest
    [guest] = lines_of(groups, "ja", "**guest inactive**")
    assert "**3年間**保管し、その後匿名化します。" in guest
    assert "予告から7日が過ぎるまでは匿名化しません。" in guest
    assert "登録がすべて終了したメールアドレスには、予告をお送りしません。" in guest
    [withdrawn] = lines_of(groups, "en", "**member withdrawn**")
    assert withdrawn.endswith("There is no notice beforehand.")
    assert lines_of(groups, "ja", "**member withdrawn**")[0].endswith("事前の予告はありません。")


def test_a_period_of_no_time_is_at_once(wordless: Project) -> None:
    groups = gather(wordless)
    for line in lines_of(groups, "en", "- **erasure request**"):
        assert "**at once** after" in line
    for line in lines_of(groups, "ja", "- **erasure request**"):
        assert "**直ちに**" in line
    assert "zero days" not in render(groups, "en")
    assert not re.search(r"(?<!\d)0日", render(groups, "ja"))


def test_a_floor_is_told_where_it_keeps_something_longer(wordless: Project) -> None:
    groups = gather(wordless)
    by_label = {
        (group.title.en, rule.label.en): [each.label.en for each in rule.minimums]
        for group in groups
        for rule in group.rules
    }
    kept = {key: value for key, value in by_label.items() if value}
    assert {(label, *value) for (_, label), value in kept.items()} == {
        ("guest inactive", "order open"),
        ("order personal data", "order open"),
        ("erasure request", "order open"),
        ("erasure request", "consent proof"),
    }
    assert any(
        "three years" in line and "Transmission of Specified Electronic Mail" in line
        for line in lines_of(groups, "en", "Kept longer (consent proof)")
    )
    # A floor that deletes by itself is told to be one.
    assert "no other case has it deleted" in lines_of(groups, "en", "**order ledger**")[0]
    # A class that is a floor only takes nothing: it is no case of its own.
    assert not lines_of(groups, "en", "- **order open**")


def test_what_goes_with_the_registration_is_told_with_what_may_keep_it(wordless: Project) -> None:
    following = {
        group.title.en: group.following for group in gather(wordless) if group.following is not None
    }
    assert {each.action for each in following.values()} == {"anonymise", "delete"}
    [orders] = (each for each in following.values() if each.action == "anonymise")
    assert [each.label.en for each in orders.minimums] == ["order open"]
    assert len(lines_of(gather(wordless), "ja", "**ご本人の登録情報が削除されるとき**")) == 2


def test_what_is_kept_without_a_period_says_so_and_names_its_basis(wordless: Project) -> None:
    groups = gather(wordless)
    [suppression] = lines_of(groups, "en", "**suppression**")
    assert suppression.endswith("kept without a fixed period; the basis below says for how long.")
    # Three tables that are treated alike are one group, with the bases of all three.
    [rule] = (rule for group in groups for rule in group.rules if rule.label.en == "suppression")
    assert len(rule.bases) == 3


def test_no_table_and_no_column_of_ours_is_named(wordless: Project) -> None:
    for language in LANGUAGES:
        text = render(gather(wordless), language)
        for table in wordless.declarations.governed.values():
            assert table.name not in text
            assert not re.search(rf"\b{table.schema_name}\.\w", text)
            for name in table.columns:
                if "_" in name:
                    assert name not in text
        assert "_" not in text


def test_titles_are_unlike(wordless: Project, tmp_path: Path) -> None:
    for groups in (gather(wordless), gather(club(tmp_path))):
        for language in LANGUAGES:
            titles = [getattr(group.title, language) for group in groups]
            assert len(set(titles)) == len(titles)


def test_records_of_one_title_are_told_apart_by_the_cases_only_they_have(wordless: Project) -> None:
    titles = {group.title.en for group in gather(wordless)}
    assert {
        "E-mail address (consent proof)",
        "E-mail address (message log)",
        "E-mail address, name (delivery list)",
        "E-mail address, name (legacy customer)",
    } <= titles


def test_records_without_a_personal_column_are_told_all_the_same(tmp_path: Path) -> None:
    made = Club(tmp_path)
    column("club.mails", "email", "none")(made)
    groups = gather(club(tmp_path, made))
    assert [group.title for group in groups if not group.categories] == [
        Words("その他の記録", "Other records")
    ]
    assert lines_of(groups, "en", "- **log**: kept for **14 days**")


def test_the_same_policy_has_the_same_bytes(wordless: Project, tmp_path: Path) -> None:
    paths = write(tmp_path / "out", gather(wordless))
    assert [path.name for path in paths] == [
        "retention_statement.ja.md",
        "retention_statement.en.md",
    ]
    told = [path.read_bytes() for path in paths]
    copied = policy(tmp_path, lambda rows: None)
    assert [
        path.read_bytes() for path in write(tmp_path / "copy", gather(wordless, copied))
    ] == told


# What changes it.


def test_a_changed_period_changes_the_statement_in_both_languages(
    wordless: Project, tmp_path: Path
) -> None:
    def longer(rows: list[Row]) -> None:
        of_class(rows, "member_inactive", "shop.members").update(period="P1Y6M", notice="P14D")

    before, after = gather(wordless), gather(wordless, policy(tmp_path, longer))
    for language, old, new, notice in (
        ("en", "three years", "one year and six months", "14 days"),
        ("ja", "3年間", "1年6か月間", "14日"),
    ):
        [was] = lines_of(before, language, "**member inactive**")
        [now] = lines_of(after, language, "**member inactive**")
        assert f"**{old}**" in was
        assert f"**{new}**" in now
        assert notice in now
        changed = set(render(before, language).splitlines()) ^ set(
            render(after, language).splitlines()
        )
        assert changed == {was, now}


def test_an_added_class_appears_in_both_languages(wordless: Project, tmp_path: Path) -> None:
    def add(rows: list[Row]) -> None:
        row = of_class(rows, "member_withdrawn", "shop.members")
        rows.append({**row, "deletion_class": "member_dormant", "period": "P11M"})

    changed = declaring(wordless, "shop.members", lambda names: names.append("member_dormant"))
    groups = gather(changed, policy(tmp_path, add))
    assert not lines_of(gather(wordless), "en", "member dormant")
    assert "**11 months**" in lines_of(groups, "en", "**member dormant**")[0]
    assert "**11か月間**" in lines_of(groups, "ja", "**member dormant**")[0]


def test_a_removed_class_disappears_in_both_languages(wordless: Project, tmp_path: Path) -> None:
    def drop(rows: list[Row]) -> None:
        rows.remove(of_class(rows, "consent_proof", "shop.consent_events"))

    changed = declaring(
        wordless, "shop.consent_events", lambda names: names.remove("consent_proof")
    )
    groups = gather(changed, policy(tmp_path, drop))
    for language in LANGUAGES:
        assert lines_of(gather(wordless), language, "consent proof")
        # Neither as a case nor as what keeps another case longer.
        assert not lines_of(groups, language, "consent proof")


def test_a_project_of_somebody_else_has_a_statement_of_its_own(tmp_path: Path) -> None:
    groups = gather(club(tmp_path))
    text = render(groups, "en")
    assert "- **idle**: kept for **three years**" in text
    assert "- **old**: kept for **one year and six months**" in text
    assert "- **log**: kept for **14 days**" in text
    # What is anonymised first leaves a record, and that is what goes later.
    assert "- **books**: the record itself is kept for **seven years**" in text
    for title in ("E-mail address, name", "E-mail address (log)", "E-mail address (old, books)"):
        assert f"## {title}\n" in text


def test_a_class_the_project_does_not_declare_is_refused(wordless: Project, tmp_path: Path) -> None:
    def add(rows: list[Row]) -> None:
        rows.append({**rows[0], "deletion_class": "member_unheard_of"})

    with pytest.raises(DeclarationError, match="member_unheard_of"):
        gather(wordless, policy(tmp_path, add))


# The words of a class.


def test_words_of_the_policy_stand_in_place_of_the_name_of_the_class(
    wordless: Project, tmp_path: Path
) -> None:
    words = {
        "label_en": "Members who have not been here for long",
        "label_ja": "長くご利用のない会員",
        "clock_en": "the last login or order",
        "clock_ja": "最後のログインまたはご注文",
        "legal_basis_ja": "個人情報保護法第22条",
    }

    def say(rows: list[Row]) -> None:
        of_class(rows, "member_inactive", "shop.members").update(words)

    path = policy(tmp_path, say, *words)
    groups = gather(wordless, path)
    [english] = lines_of(groups, "en", f"**{words['label_en']}**")
    assert "from the last login or order, then deleted" in english
    [japanese] = lines_of(groups, "ja", f"**{words['label_ja']}**")
    assert "最後のログインまたはご注文から**3年間**" in japanese
    assert lines_of(groups, "ja", "個人情報保護法第22条")
    assert "member inactive" not in render(groups, "en") + render(groups, "ja")
    missing = missing_words(wordless, path)
    assert not [each for each in missing if each.startswith("member_inactive")]
    assert "member_withdrawn: clock_ja" in missing
    # What has no period has no clock.
    assert "suppression: label_ja" in missing
    assert "suppression: clock_ja" not in missing


def test_text_of_the_policy_is_text_and_no_markup(wordless: Project, tmp_path: Path) -> None:
    def say(rows: list[Row]) -> None:
        row = of_class(rows, "member_inactive", "shop.members")
        row["legal_basis"] = "art. *6*, <script>x</script>\n# heading"

    groups = gather(wordless, policy(tmp_path, say))
    for language in LANGUAGES:
        [line] = lines_of(groups, language, "script")
        assert r"art. \*6\*, \<script\>x\</script\> \# heading" in line


def test_statement_of_the_shop_lacks_no_word(worded: Project) -> None:
    assert missing_words(worded) == ()
    groups = gather(worded)
    japanese, english = render(groups, "ja"), render(groups, "en")
    for group in worded.declarations.governed.values():
        for each in group.deletion_classes:
            assert each.deletion_class.replace("_", " ") not in japanese
    for line in japanese.splitlines():
        # What stands there in Latin letters is the name of a law.
        assert set(re.findall(r"[A-Za-z]+", line)) <= {"GDPR", "a", "b", "d", "e", "EU"}, line
    assert JAPANESE.search(english) is None
