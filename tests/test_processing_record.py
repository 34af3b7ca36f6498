"""The record of processing says what the project declares, leaves blank what it cannot know, and guesses nothing."""

from __future__ import annotations

import copy
import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from orchestration.fideslang_keys import DATA_USES
from orchestration.processing_record import (
    BLANK,
    CONTROLLER,
    PURPOSE_WORDS,
    ProcessingRecordError,
    gather,
    page,
    purpose_words,
    rows,
    to_csv,
    to_json,
    write,
)
from orchestration.project import Project
from tests.test_declarations import column
from tests.test_retention_statement import Club, club

AUDIENCE = "model.kigen.audience_newsletter_email"


@pytest.fixture
def record(parsed: Project) -> dict[str, Any]:
    return gather(parsed)


def table_of(record: dict[str, Any], name: str) -> dict[str, Any]:
    [table] = (each for each in record["tables"] if each["table"] == name)
    return table


def audience_of(record: dict[str, Any], name: str) -> dict[str, Any]:
    [audience] = (each for each in record["audiences"] if each["name"] == name)
    return audience


def with_exposure(project: Project, *parents: str, label: str = "Mail house") -> Project:
    """The project with a reader that dbt knows of."""
    exposure = {
        "name": "mail_house",
        "label": label,
        "resource_type": "exposure",
        "owner": {"name": "Jane Doe", "email": "jane.doe@example.com"},
        "depends_on": {"nodes": list(parents)},
    }
    manifest = {**project.manifest, "exposures": {"exposure.kigen.mail_house": exposure}}
    return replace(project, manifest=manifest)


def values(found: Any) -> Iterator[Any]:
    for each in found.values() if isinstance(found, dict) else found:
        if isinstance(each, dict | list):
            yield from values(each)
        else:
            yield each


# What is declared is told.


def test_every_governed_table_is_told_with_its_categories_and_time_limits(
    parsed: Project, record: dict[str, Any]
) -> None:
    governed = parsed.declarations.governed
    assert [each["table"] for each in record["tables"]] == list(governed)
    for table in record["tables"]:
        declared = governed[table["table"]]
        told = {
            (name, each["data_category"])
            for each in table["categories"]
            for name in each["columns"]
        }
        assert told == {(each.column_name, each.data_category) for each in declared.pii_columns}
        assert [each["deletion_class"] for each in table["time_limits"]] == [
            each.deletion_class for each in declared.deletion_classes
        ]
        assert [each["legal_basis"] for each in table["time_limits"]] == [
            each.legal_basis for each in declared.deletion_classes
        ]


def test_a_time_limit_is_told_with_notice_waiver_and_floor(record: dict[str, Any]) -> None:
    limits = {
        each["deletion_class"]: each for each in table_of(record, "shop.orders")["time_limits"]
    }
    assert limits["guest_inactive"] == {
        "deletion_class": "guest_inactive",
        "action": "anonymise",
        "period": "P3Y",
        "period_words": {"ja": "3年", "en": "three years"},
        "notice": "P7D",
        "notice_words": {"ja": "7日", "en": "seven days"},
        "notice_waiver": "mailbox_left",
        "floor": "no",
        "legal_basis": "APPI art. 22; GDPR art. 5(1)(e): storage limitation",
    }
    assert (limits["order_open"]["period"], limits["order_open"]["floor"]) == ("P0D", "only")
    [kept] = table_of(record, "memory.suppressions")["time_limits"]
    assert (kept["action"], kept["period"], kept["period_words"]) == ("keep", None, None)


def test_whom_a_table_is_about_comes_from_its_declaration(record: dict[str, Any]) -> None:
    kinds = {
        each["table"]: [subject["kind"] for subject in each["subjects"]]
        for each in record["tables"]
    }
    assert kinds["shop.members"] == ["registered"]
    assert kinds["shop.orders"] == ["named_by_key", "contact_only"]
    assert kinds["legacy_shop.customers"] == ["former"]
    assert kinds["mailing.messages"] == ["contact"]
    assert kinds["memory.suppressions"] == ["remembered"]
    named = table_of(record, "shop.orders")["subjects"][0]
    assert (named["register"], named["column"]) == ("shop.members", "member_id")


def test_every_purpose_of_the_policy_is_told_also_without_an_audience(
    parsed: Project, record: dict[str, Any]
) -> None:
    assert [each["purpose"] for each in record["purposes"]] == list(parsed.declarations.purposes)
    needs = {each["purpose"]: each["needs_consent"] for each in record["purposes"]}
    assert needs["marketing.communications.email"]
    assert not needs["essential.legal_obligation"]


def test_an_audience_is_told_with_what_it_hands_out_and_what_it_reads(
    record: dict[str, Any],
) -> None:
    newsletter = audience_of(record, "audience_newsletter_email")
    assert newsletter["purpose"] == "marketing.communications.email"
    assert [each["data_category"] for each in newsletter["categories"]] == [
        "user.contact.email",
        "user.unique_id",
        "user.privacy_preferences",
    ]
    assert {"shop.members", "shop.consent_events"} <= set(newsletter["reads"])
    assert "mailing.delivery_list_recipients" not in newsletter["reads"]
    notice = audience_of(record, "audience_deletion_notice")
    # Its deadline and count are about no person.
    assert [each["columns"] for each in notice["categories"]] == [["email"]]


def test_a_category_names_the_audiences_it_may_go_out_by(record: dict[str, Any]) -> None:
    members = {
        each["data_category"]: each["audiences"]
        for each in table_of(record, "shop.members")["categories"]
    }
    assert members["user.contact.email"] == [
        "audience_deletion_notice",
        "audience_legal_notice",
        "audience_newsletter_email",
    ]
    assert members["user.demographic.date_of_birth"] == []


def test_the_unit_that_answers_for_a_table_is_told(record: dict[str, Any]) -> None:
    assert table_of(record, "shop.orders")["owner"] == "shop-team@example.com"
    assert audience_of(record, "audience_newsletter_email")["owner"] == "privacy-team@example.com"


def test_columns_nobody_declared_personal_are_named_to_be_looked_at(record: dict[str, Any]) -> None:
    orders = table_of(record, "shop.orders")
    assert "total_amount" in orders["columns_without_a_tag"]
    assert orders["subject_column"] == "member_id"
    assert not {"email", "member_id"} & set(orders["columns_without_a_tag"])


def test_every_purpose_there_is_has_words_if_need_be_those_above_it() -> None:
    assert set(PURPOSE_WORDS) <= DATA_USES
    for purpose in DATA_USES:
        assert purpose_words(purpose) in PURPOSE_WORDS.values()


# What is not declared is blank.


def test_what_no_declaration_knows_is_blank_and_listed(record: dict[str, Any]) -> None:
    assert {each["key"]: each["value"] for each in record["controller"]} == dict.fromkeys(
        key for key, *_ in CONTROLLER
    )
    for name in ("controller.name", "controller.dpo", "transfers", "processors"):
        assert name in record["to_be_stated"]
    for table in record["tables"]:
        assert (table["purpose"], table["lawful_basis"], table["recipients"]) == (None, None, None)
        assert f"tables.{table['table']}.purpose" in record["to_be_stated"]
    for audience in record["audiences"]:
        assert (audience["readers"], audience["recipients"]) == ([], None)
        assert f"audiences.{audience['name']}.recipients" in record["to_be_stated"]
    assert len(set(record["to_be_stated"])) == len(record["to_be_stated"])


def test_an_answer_of_the_controller_fills_its_blank_and_no_other(
    parsed: Project, record: dict[str, Any]
) -> None:
    answers = {
        "controller.name": "Example Foods K.K.",
        "tables.shop.orders.purpose": "To deliver what was ordered",
        "audiences.audience_newsletter_email.recipients": "A mail house in Japan",
    }
    filled = gather(parsed, answers)
    assert filled["controller"][0]["value"] == "Example Foods K.K."
    assert table_of(filled, "shop.orders")["purpose"] == "To deliver what was ordered"
    assert set(record["to_be_stated"]) - set(filled["to_be_stated"]) == set(answers)
    told = page(filled)
    for answer in answers.values():
        assert told.count(answer) == 2
        assert answer in to_csv(filled) or answer == "Example Foods K.K."


def test_every_blank_can_be_filled(parsed: Project, record: dict[str, Any]) -> None:
    filled = gather(parsed, dict.fromkeys(record["to_be_stated"], "stated"))
    assert filled["to_be_stated"] == []
    told = page(filled)
    assert '<span class="blank">' not in told
    assert BLANK.en not in to_csv(filled)


def test_an_answer_to_no_blank_is_refused(parsed: Project) -> None:
    with pytest.raises(ProcessingRecordError, match=r"tables\.shop\.order\.purpose"):
        gather(parsed, {"tables.shop.order.purpose": "a slip"})


def test_an_exposure_that_reads_an_audience_is_its_recipient(parsed: Project) -> None:
    record = gather(with_exposure(parsed, AUDIENCE))
    assert audience_of(record, "audience_newsletter_email")["readers"] == ["Mail house"]
    assert audience_of(record, "audience_deletion_notice")["readers"] == []
    assert "audiences.audience_newsletter_email.recipients" not in record["to_be_stated"]
    # What it is made from, it reads by the audience only.
    assert all(table["readers"] == [] for table in record["tables"])
    assert "jane" not in to_json(record).lower()


def test_an_exposure_that_passes_the_audiences_by_is_a_recipient_of_the_table(
    parsed: Project,
) -> None:
    source = parsed.declarations.governed["shop.orders"].unique_id
    for parent in (source, "model.kigen.stg_orders"):
        record = gather(with_exposure(parsed, parent, label="Courier"))
        assert table_of(record, "shop.orders")["readers"] == ["Courier"]
        assert table_of(record, "shop.members")["readers"] == []
        assert "tables.shop.orders.recipients" not in record["to_be_stated"]
        told = {row["other_recipients"] for row in rows(record) if row["table"] == "shop.orders"}
        assert told == {"Courier"}


def test_a_table_whose_subjects_no_declaration_shows_has_a_blank_for_them(tmp_path: Path) -> None:
    project = club(tmp_path)
    governed = dict(project.declarations.governed)
    governed["club.mails"] = governed["club.mails"].model_copy(update={"contact": None})
    declarations = project.declarations.model_copy(update={"governed": governed})
    record = gather(replace(project, declarations=declarations))
    assert table_of(record, "club.mails")["subjects"] == []
    assert "tables.club.mails.subjects" in record["to_be_stated"]
    assert "tables.club.people.subjects" not in record["to_be_stated"]


# The same, in three forms.


def test_the_flat_table_has_a_row_per_table_category_and_class(
    parsed: Project, record: dict[str, Any]
) -> None:
    text = to_csv(record)
    assert text.startswith("\ufeff")
    found = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert [(row["table"], row["data_category"], row["deletion_class"]) for row in found] == [
        (table.name, category, each.deletion_class)
        for table in parsed.declarations.governed.values()
        for category in dict.fromkeys(column.data_category for column in table.pii_columns)
        for each in table.deletion_classes
    ]
    [row] = (
        row
        for row in found
        if (row["table"], row["data_category"], row["deletion_class"])
        == ("shop.members", "user.name", "member_inactive")
    )
    assert row["columns"] == "full_name; full_name_kana"
    assert (row["period"], row["period_ja"], row["period_en"]) == ("P3Y", "3年", "three years")
    assert (row["notice"], row["floor"], row["action"]) == ("P7D", "no", "delete")
    assert (BLANK.ja in row["purpose"], BLANK.en in row["other_recipients"]) == (True, True)


def test_a_table_without_a_personal_column_is_told_all_the_same(tmp_path: Path) -> None:
    made = Club(tmp_path)
    column("club.mails", "email", "none")(made)
    project = club(tmp_path, made)
    record = gather(project)
    [row] = (row for row in rows(record) if row["table"] == "club.mails")
    assert (row["data_category"], row["deletion_class"]) == ("", "log")
    assert "No column is declared personal." in page(record)


def test_the_page_tells_all_of_it_in_japanese_and_in_english(
    parsed: Project, record: dict[str, Any]
) -> None:
    told = page(record)
    seen = _Page()
    seen.feed(told)
    assert seen.open == []
    assert seen.languages == ["ja", "en"]
    for language in ("ja", "en"):
        text = seen.text[language]
        assert text.count(getattr(BLANK, language)) > len(CONTROLLER)
        for table in record["tables"]:
            assert table["table"] in text
            for each in table["categories"]:
                assert each["words"][language] in text
            for limit in table["time_limits"]:
                assert limit["deletion_class"] in text
                assert limit["legal_basis"] in text
        for purpose in record["purposes"]:
            assert purpose["words"][language] in text
    assert BLANK.en not in seen.text["ja"]
    assert BLANK.ja not in seen.text["en"]


def test_words_of_the_project_are_text_on_the_page(parsed: Project) -> None:
    record = gather(parsed, {"controller.name": "<b>Foods</b> & Co"})
    assert "&lt;b&gt;Foods&lt;/b&gt; &amp; Co" in page(record)


def test_the_same_declarations_have_the_same_bytes(parsed: Project, tmp_path: Path) -> None:
    told = [path.read_bytes() for path in write(tmp_path / "one", gather(parsed))]
    again = replace(parsed, manifest=copy.deepcopy(dict(parsed.manifest)))
    paths = write(tmp_path / "two", gather(again))
    assert [path.read_bytes() for path in paths] == told
    assert sorted(path.name for path in paths) == [
        "processing_record.csv",
        "processing_record.html",
        "processing_record.json",
    ]
    assert json.loads(paths[-1].read_bytes()) == gather(parsed)


def test_a_changed_declaration_changes_the_record(tmp_path: Path) -> None:
    made = Club(tmp_path)
    before = gather(club(tmp_path, made))
    made.replace(
        "policy_deletion_classes",
        "left,club.people,P30D,,,delete,no,law",
        "left,club.people,P45D,,,delete,no,other law",
    )
    column("club.people", "wants_mail", "user.privacy_preferences")(made)
    after = gather(club(tmp_path, made))
    assert "P30D" in set(values(before))
    assert not {"P45D", "other law", "user.privacy_preferences"} & set(values(before))
    assert {"P45D", "other law", "user.privacy_preferences"} <= set(values(after))
    assert "P30D" not in set(values(after))


class _Page(HTMLParser):
    """What a page says in each language, and the tags that were left open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.languages: list[str] = []
        self.text: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("br", "meta", "wbr"):
            return
        self.open.append(tag)
        if tag == "article":
            self.languages.append(str(dict(attrs)["lang"]))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "article" in self.open:
            language = self.languages[-1]
            self.text[language] = self.text.get(language, "") + data
