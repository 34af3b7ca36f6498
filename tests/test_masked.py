"""The masked tables: what happened, and not to whom. Nothing of a raw personal column can be read there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestration.keys import digest, read_pads
from tests.conftest import T
from tests.faults import RAW
from tests.house import PROJECT, REPOSITORY, House, failures

LEAST_LENGTH = 5
"""Shorter values, such as years and prefixes, are everywhere."""


def personal_values(house: House) -> set[str]:
    """Every value of a personal column of a raw table, as text and lower case."""
    columns = house.rows(
        "select schema_name, table_name, column_name from tags.pii_columns "
        f"where schema_name in {RAW} and tagged_by = 'declared'"
    )
    assert len(columns) > 20
    return {
        value
        for schema, table, column in columns
        for (value,) in house.rows(
            f'select distinct lower(cast("{column}" as varchar)) from "{schema}"."{table}" '
            f'where length(cast("{column}" as varchar)) >= {LEAST_LENGTH}'
        )
    }


def readable(house: House) -> dict[str, set[str]]:
    """The personal values that stand in a column of a masked table, by column."""
    values = personal_values(house)
    columns = house.rows(
        "select table_name, column_name from information_schema.columns where table_schema = 'masked'"
    )
    assert len({table for table, _ in columns}) == 7
    found = {}
    for table, column in columns:
        shown = house.rows(
            f'select distinct lower(cast("{column}" as varchar)) from masked."{table}"'
        )
        if leaked := values & {value for (value,) in shown}:
            found[f"{table}.{column}"] = leaked
    return found


def test_no_raw_personal_value_is_readable(template: House) -> None:
    assert readable(template) == {}


def test_a_mask_that_is_left_out_is_seen(sample: House) -> None:
    """The planted opposite of the test above."""
    sample.execute("alter table masked.members alter full_name type varchar using 'x'")
    sample.execute(
        "update masked.members set full_name = (select full_name from shop.members limit 1)"
    )
    assert list(readable(sample)) == ["members.full_name"]


def test_masks_are_those_of_the_categories(template: House) -> None:
    pads = read_pads(template.home / "keys" / "kigen_key.duckdb")
    ((raw_email, raw_birth, raw_code),) = template.rows(
        "select email, birth_date, postal_code from shop.members where member_id = 1001"
    )
    key = digest("masked\t1001", pads)
    ((member, mail, mail_pseudonym, name, born, code, status),) = template.rows(
        "select member_id, email, email_pseudonym, full_name, birth_date, postal_code, status "
        f"from masked.members where member_id = '{key}'"
    )
    assert member == key
    assert mail == "@" + raw_email.partition("@")[2]
    assert mail_pseudonym == digest(f"masked\t{raw_email.strip().lower()}", pads)
    # Another digest than the suppressions and the ledger keep of the same address.
    assert mail_pseudonym != digest(raw_email.strip().lower(), pads)
    assert (name, born, code) == (None, raw_birth.year, raw_code[:3])
    assert status == "active"


def test_pseudonyms_join_as_their_keys_do(template: House) -> None:
    def matches(schema: str, key: str) -> list[tuple[object, ...]]:
        return template.rows(
            f"select count(*), count(distinct orders.{key}) from {schema}.orders as orders "
            f"inner join {schema}.members as members on orders.{key} = members.{key}"
        )

    assert matches("masked", "member_id") == matches("shop", "member_id") != [(0, 0)]
    assert matches("masked", "email_pseudonym")[0][0] > 0
    # The legacy key of a member is that of the legacy register.
    assert template.rows(
        "select count(*) from masked.members as m inner join masked.legacy_customers as c "
        "on m.legacy_customer_id = c.customer_id"
    ) == template.rows(
        "select count(*) from shop.members as m inner join legacy_shop.customers as c "
        "on m.legacy_customer_id = c.customer_id"
    )


def test_who_was_purged_is_gone_from_the_masked_tables(purged: House) -> None:
    for table in ("members", "orders", "consent_events"):
        assert purged.rows(f"select count(*) from masked.{table}") == purged.rows(
            f"select count(*) from shop.{table}"
        )


def test_column_that_looks_personal_and_is_not_declared_is_not_shown(sample: House) -> None:
    """`evidence` has no tag; a scan that finds it personal takes it away."""
    shown = "select count(evidence) from masked.consent_events"
    assert sample.rows(shown)[0][0] > 0
    sample.execute(
        "insert into tags.scan_findings values "
        "('shop', 'consent_events', 'evidence', 'user.device.ip_address', 0.75, 'its values', true)"
    )
    built = sample.dbt("run", "--select", "masked_consent_events", as_of=T)
    assert built.success, failures(built)
    assert sample.rows(shown) == [(0,)]


def edited(tmp_path: Path, file: str, old: str, new: str) -> Path:
    """The project in a copy, with a change."""
    project = tmp_path / "dbt_project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    (tmp_path / "seeds").symlink_to(REPOSITORY / "seeds")
    path = project / "models" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return project


SOURCES = "1_staging/shop/_shop__sources.yml"
AUDIENCES = "5_audiences/shop/_audiences_shop__models.yml"


@pytest.mark.parametrize(
    ("model", "file", "old", "new", "said"),
    [
        (
            "masked_members", SOURCES, "mask: pseudonym", "mask: hash",
            "mask 'hash' is unknown; allowed: none, null, prefix",
        ),
        (
            "audience_newsletter_email", AUDIENCES, "config: {meta: {pii: user.privacy_preferences}}", "",
            "Audience audience_newsletter_email: column granted_at has no tag; give meta.pii",
        ),
        (
            "audience_newsletter_email", AUDIENCES, "pii: user.privacy_preferences", "pii: none",
            "Audience audience_newsletter_email: column granted_at has no tag; give meta.pii",
        ),
        (
            "audience_newsletter_email", AUDIENCES, "contract: {enforced: true}", "contract: {enforced: false}",
            "Audience audience_newsletter_email has no enforced contract",
        ),
    ],
)  # fmt: skip
def test_dbt_alone_refuses_to_build_it(
    sample: House, tmp_path: Path, model: str, file: str, old: str, new: str, said: str
) -> None:
    built = House(sample.home, edited(tmp_path, file, old, new)).dbt(
        "run", "--select", model, as_of=T
    )
    assert not built.success
    assert said in str([result.message for result in built.result.results])
