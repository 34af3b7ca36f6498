"""The page of the sample shop says what the sample is: held against a build, on several days."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import pytest

from tests.conftest import T, sample_house
from tests.house import REPOSITORY, House

PAGE = REPOSITORY / "docs" / "sample-shop.md"
HEADER = ["record", "case", "state", "class", "newsletter", "notice", "plan"]
AUDIENCE = "audience_newsletter_email"


def page_rows() -> list[dict[str, str]]:
    """Every row of every case table of the page."""
    rows, is_case_table = [], False
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("|-"):
            continue
        # A composite key holds a bar of its own, without spaces around it.
        cells = (
            [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\S)\|(?!\S)", line)[1:-1]]
            if line.startswith("|")
            else []
        )
        if cells == HEADER:
            is_case_table = True
        elif not cells:
            is_case_table = False
        elif is_case_table:
            rows.append(dict(zip(HEADER, [cell.strip() for cell in cells], strict=True)))
    return rows


def told(house: House) -> dict[str, dict[str, str]]:
    """What a build says of every record, in the page's words."""
    reasons = dict(
        house.rows(
            f"select subject_key, reason from audiences.audience_exclusions where audience = '{AUDIENCE}'"
        )
    )
    mailed = {
        str(member) for (member,) in house.rows(f"select member_id from audiences.{AUDIENCE}")
    }
    noticed = {
        email for (email,) in house.rows("select email from audiences.audience_deletion_notice")
    }
    plan = {(table, key): action for table, key, action in
            house.rows("select table_name, record_key, action from purge.purge_plan")}  # fmt: skip
    contacts = {
        (table, key): email
        for table, key, email in house.rows(
            "select 'shop.members', cast(member_id as varchar), email from staging.stg_members "
            "union all select 'shop.orders', cast(order_id as varchar), email from staging.stg_orders"
        )
    }
    answers = {}
    for table, key, state, deletion_class in house.rows(
        "select distinct table_name, record_key, state, deletion_class from retention.records"
    ):
        newsletter = "–"
        if table == "shop.members":
            newsletter = "yes" if key in mailed else f"no: {reasons.get(key)}"
        answers[f"{table} {key}"] = {
            "state": state,
            "class": deletion_class or "",
            "newsletter": newsletter,
            "notice": "yes" if contacts.get((table, key)) in noticed else "no",
            "plan": plan.get((table, key), "–"),
        }
    return answers


def mismatches(house: House) -> list[str]:
    answers = told(house)
    wrong = []
    for row in page_rows():
        answer = answers.get(row["record"])
        for column in ("state", "class", "newsletter", "notice", "plan"):
            if answer is None or (row[column] not in ("–", "") and row[column] != answer[column]):
                wrong.append(
                    f"{row['record']}: {column} is {answer and answer[column]}, the page says {row[column]}"
                )
    return wrong


def test_the_page_says_what_the_build_says(template: House) -> None:
    assert len(page_rows()) > 100
    assert mismatches(template) == []


def test_every_record_that_is_not_simply_active_is_on_the_page(template: House) -> None:
    listed = {row["record"] for row in page_rows()}
    missing = [
        record
        for record, answer in told(template).items()
        if record not in listed
        and (answer["state"] != "active" or record.startswith("shop.members"))
    ]
    assert missing == []


@pytest.mark.parametrize(
    "day",
    ["2024-02-29T00:00:00", "2025-12-31T23:59:59", "2026-06-01T00:00:00", "2027-02-28T12:00:00"],
)
def test_the_page_is_true_on_other_days(tmp_path: Path, day: str) -> None:
    as_of = datetime.fromisoformat(day)
    assert as_of != T
    house = sample_house(tmp_path / "data", as_of)
    house.build(as_of)
    assert mismatches(house) == []
