"""Every proof is green on the sample shop, and turns red on a planted fault."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from orchestration.project import Project
from orchestration.scan.findings import scan
from tests.conftest import T, copy_of, seen_from
from tests.faults import AFTER, BEFORE, Fault, plant
from tests.house import PROJECT, REPOSITORY, House, failures

Violations = Callable[[House, str], list[tuple[object, ...]]]

# In grace since two days before T, and written to a day before it.
MAIL_AFTER_NOTICE = (
    "insert into mailing.messages by name select 99006 as message_id, 'marketing' as message_class, email, "
    "timestamp '2026-11-01' as sent_at from shop.members where member_id = 1082"
)
# Asked two months before T, and nobody has seen to it.
LATE_REQUEST = (
    "insert into shop.erasure_requests by name select 99007 as request_id, 'disclose' as kind, "
    "'late@example.com' as email, timestamp '2026-09-01' as requested_at"
)
# Rows nobody could read, or judge, or find: what is planted, and what each counting proof adds.
MISTAKES = [
    "insert into shop.members by name select 99001 as member_id, 'dormant@example.com' as email, "
    "'dormant' as status, timestamp '2026-10-01' as registered_at",
    "insert into mailing.messages by name select 99002 as message_id, 'x@example.com' as email",
    "insert into shop.erasure_requests by name select 99003 as request_id, 'erase' as kind, "
    "'mistyped@example.com' as email, timestamp '2026-10-01' as requested_at, "
    "timestamp '2026-10-02' as identity_verified_at",
    "insert into shop.members by name select 99004 as member_id, 'flag@example.com' as email, "
    "'active' as status, timestamp '2026-10-01' as registered_at, 99904 as legacy_customer_id",
    "insert into legacy_shop.customers by name select 99904 as customer_id, '7' as del_flg, "
    "'1' as mailmaga_flg, timestamp '2026-09-01' as update_date",
    "insert into shop.members by name select 99005 as member_id, 'left@example.com' as email, "
    "'active' as status, timestamp '2026-10-01' as registered_at, 99905 as legacy_customer_id",
    "insert into legacy_shop.customers by name select 99905 as customer_id, '1' as del_flg, "
    "'1' as mailmaga_flg, timestamp '2026-10-20' as update_date",
    "insert into delivery.leases by name select 'autumn' as campaign_id, 'audience_newsletter_email' as "
    "audience, timestamp '2027-01-01' as expires_at, 2 as revoked_count",
    MAIL_AFTER_NOTICE,
    LATE_REQUEST,
]
COUNTED = {
    "proof_unclassed_record": {
        ("shop.members", "99001"),
        ("shop.erasure_requests", "99003"),
        ("shop.erasure_requests", "99007"),
    },
    "proof_unclocked_record": {("mailing.messages", "99002", "message_log")},
    "proof_bad_row": {("shop.members", "99001", "status without a meaning")},
    "proof_erasure_finds_nothing": {("99003",)},
    "proof_unmapped_flag": {(99004, "unmapped")},
    "proof_open_regression": {(99005, "left_to_active")},
    "proof_lease_stale": {("autumn", "audience_newsletter_email", 2)},
    "proof_request_overdue": {
        (
            "shop.erasure_requests",
            "99007",
            "disclose",
            "waiting_for_identity",
            datetime(2026, 10, 1),
        )
    },
    "proof_mail_after_notice": {(99006, "marketing", T - timedelta(days=2))},
}
# What a restored backup turns red, after a purge and one more build.
RESTORED = {
    "proof_expired_record_survives": ("shop.members", "1046"),
    "proof_purged_subject_resurfaced": ("shop.members", "1046"),
}
RESIDUAL = "proof_residual_copy"
COUNTING = ("residual_copies", RESIDUAL)
RED = ["no_copy_of_a_purged_contact_is_left: fail"]


@pytest.fixture(scope="module")
def violations(purged_template: House) -> Violations:
    """Read a proof as it is compiled, so that a proof kept as a table is read live as well."""
    compiled = purged_template.dbt("compile", "--select", "path:models/7_proofs", as_of=T)
    assert compiled.success, failures(compiled)
    code = {each.node.name: each.node.compiled_code for each in compiled.result.results}

    def read(house: House, proof: str) -> list[tuple[object, ...]]:
        with duckdb.connect(str(house.warehouse), read_only=True) as connection:
            key = house.home / "keys" / "kigen_key.duckdb"
            connection.execute(f"attach '{key}' as kigen_key (read_only)")
            return connection.execute(code[proof]).fetchall()

    return read


@pytest.mark.parametrize("fault", BEFORE, ids=str)
def test_proof_before_a_purge_turns_red_on_a_planted_fault(
    sample: House, violations: Violations, fault: Fault
) -> None:
    assert violations(sample, fault.proof) == []
    plant(sample, fault)
    assert violations(sample, fault.proof) != []


@pytest.mark.parametrize("fault", AFTER, ids=str)
def test_proof_after_a_purge_turns_red_on_a_planted_fault(
    purged: House, violations: Violations, fault: Fault
) -> None:
    assert violations(purged, fault.proof) == []
    plant(purged, fault)
    assert violations(purged, fault.proof) != []


@pytest.fixture(scope="module")
def mistaken(template: House, tmp_path_factory: pytest.TempPathFactory) -> House:
    """The sample shop with rows nobody can read, built."""
    house = copy_of(template, tmp_path_factory.mktemp("mistaken") / "data")
    house.execute(*MISTAKES)
    house.build(T)
    return house


@pytest.mark.parametrize("proof", COUNTED)
def test_counting_proof_grows_by_exactly_what_was_planted(
    template: House, mistaken: House, violations: Violations, proof: str
) -> None:
    assert set(violations(mistaken, proof)) - set(violations(template, proof)) == COUNTED[proof]
    assert len(violations(mistaken, proof)) == len(violations(template, proof)) + len(
        COUNTED[proof]
    )


@pytest.fixture(scope="module")
def restored(
    template: House, purged_template: House, tmp_path_factory: pytest.TempPathFactory
) -> House:
    """The purged sample shop, with the raw tables of an old backup in it, built again."""
    house = copy_of(purged_template, tmp_path_factory.mktemp("restored") / "data")
    house.execute(
        f"attach '{template.warehouse}' as backup (read_only)",
        *(
            f"insert into {schema}.{table} select * from backup.{schema}.{table} anti join "
            f"{schema}.{table} using ({key})"
            for schema, table, key in [
                ("shop", "members", "member_id"),
                ("legacy_shop", "customers", "customer_id"),
                ("mailing", "delivery_list_recipients", "list_id, recipient_no"),
            ]
        ),
    )
    house.build(T)
    return house


@pytest.mark.parametrize("proof", RESTORED)
def test_proof_turns_red_when_a_backup_brings_back_what_was_purged(
    purged_template: House, restored: House, violations: Violations, proof: str
) -> None:
    assert violations(purged_template, proof) == []
    assert RESTORED[proof] in {row[:2] for row in violations(restored, proof)}


def test_expired_record_is_red_until_the_purge_and_green_after(
    template: House, purged_template: House, violations: Violations
) -> None:
    planned = template.rows("select table_name, record_key from purge.purge_plan")
    surviving = violations(template, "proof_expired_record_survives")
    assert sorted(row[:2] for row in surviving) == sorted(planned) != []
    assert violations(purged_template, "proof_expired_record_survives") == []


COPY = """
select email from {{ source('shop', 'members') }}
"""
COPY_YML = """
models:
  - name: campaign_targets
    description: A copy somebody made for a campaign.
    config: {materialized: table, schema: marts}
    columns:
      - name: email
        config: {meta: {pii: user.contact.email}, tags: [pii]}
"""


def test_copy_of_a_purged_contact_turns_its_proof_red(sample: House, tmp_path: Path) -> None:
    project = tmp_path / "dbt_project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    (tmp_path / "seeds").symlink_to(REPOSITORY / "seeds")
    marts = project / "models" / "marts"
    marts.mkdir()
    (marts / "campaign_targets.sql").write_text(COPY)
    (marts / "_marts__models.yml").write_text(COPY_YML)
    house = House(sample.home, project)
    made = house.dbt("run", "--select", "campaign_targets", as_of=T)
    assert made.success, failures(made)
    before = house.dbt("build", "--select", *COUNTING, as_of=T)
    # Before the purge there are those only who have left; their records are due, and no copies.
    assert failures(before) == RED
    assert {row[2] for row in house.rows(f"from proofs.{RESIDUAL}")} == {"email"}
    addresses = set(house.rows("select email from staging.stg_members"))
    assert house.purge(T).success

    house.build(T, "--exclude", "campaign_targets")
    after = house.dbt("build", "--select", *COUNTING, as_of=T)
    assert failures(after) == RED
    gone = addresses - set(house.rows("select email from staging.stg_members"))
    left = house.rows("select contact from consent.left_mailboxes")
    ((*place, count),) = house.rows(
        f"select schema_name, table_name, column_name, copy_count from proofs.{RESIDUAL}"
    )
    assert place == ["marts", "campaign_targets", "email"]
    assert len(gone) <= count <= len(gone) + len(left)

    house.execute("drop table marts.campaign_targets")
    built = house.dbt("build", "--select", *COUNTING, as_of=T)
    assert built.success, failures(built)


def test_purged_contact_in_a_table_nobody_declares_turns_the_proof_red(
    parsed: Project, sample: House
) -> None:
    """The story's second mail: a recipient list that a former delivery had left behind."""
    # A name nobody here has given, with all that a name may hold.
    left = 'mailing."o\'brien ""2025"""'
    sample.execute(
        f"create table {left} as select ' ' || upper(email) as mail, 1 as n from shop.members",
        "alter table shop.orders add column note_to varchar",
        "update shop.orders set note_to = email",
    )
    before = {email for (email,) in sample.rows("select email from staging.stg_members")}
    assert sample.purge(T).success
    for schema in ("mailing", "shop"):
        scan(seen_from(parsed, sample), schema)
    sample.build(T, "--exclude", "proof_personal_column_undeclared")
    after = sample.dbt("build", "--select", *COUNTING, as_of=T)
    assert failures(after) == RED
    gone = before - {email for (email,) in sample.rows("select email from staging.stg_members")}
    found = {row[:3]: row[3] for row in sample.rows(f"from proofs.{RESIDUAL}")}
    assert found["mailing", 'o\'brien "2025"', "mail"] >= len(gone) > 0
    # A column of a governed table that nobody declares outlives an order that is made anonymous.
    assert ("shop", "orders", "note_to") in found

    sample.execute(f"drop table {left}", "alter table shop.orders drop column note_to")
    assert sample.dbt("build", "--select", *COUNTING, as_of=T).success


def test_red_proof_fails_its_dbt_test_and_a_counting_one_warns(sample: House) -> None:
    assert sample.purge(T).success
    planted = {fault.proof: fault for fault in [*BEFORE, *AFTER]}
    for fault in planted.values():
        plant(sample, fault)
    sample.execute(
        MAIL_AFTER_NOTICE,
        "update retention.request_standings set is_overdue = true where request_key = '1'",
    )
    result = sample.dbt(
        "build", "--select", "path:models/7_proofs", "--exclude", *RESTORED, RESIDUAL, as_of=T
    )
    statuses = {
        each.node.attached_node.split(".")[-1]: str(each.status)
        for each in result.result.results
        if each.node.resource_type == "test"
    }
    assert statuses == dict.fromkeys(planted, "fail") | dict.fromkeys(COUNTED, "warn")


def test_every_proof_has_a_planted_fault(template: House, violations: Violations) -> None:
    proofs = {
        name
        for (name,) in template.rows(
            "select table_name from information_schema.tables where table_schema = 'proofs'"
        )
    }
    faulted = {fault.proof for fault in [*BEFORE, *AFTER]}
    assert faulted | set(COUNTED) | set(RESTORED) | {RESIDUAL} >= proofs
    models = {path.stem for path in (PROJECT / "models" / "7_proofs").rglob("proof_*.sql")}
    assert faulted | set(COUNTED) | set(RESTORED) | {RESIDUAL} == models
