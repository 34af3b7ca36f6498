"""The certificate says what the warehouse says, in two languages, and claims no more than is known."""

from __future__ import annotations

import copy
import json
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orchestration import certificate as certificates
from orchestration.approvals import Approval, approve
from orchestration.certificate import Certificate, CertificateError, issue, page, schema, validate
from orchestration.erase import ErasureRecord, _write, read_record
from orchestration.keys import read_pads
from orchestration.plan import EMPTY_DIGEST
from orchestration.project import Project, read
from orchestration.settings import Settings
from orchestration.warehouse import connect
from tests.conftest import T, copy_of
from tests.house import House, failures
from tests.test_purge import personal_values

VERIFICATION: dict[str, Any] = {
    "method": "A planted value is searched for.",
    "searched": [{"place": "the warehouse file", "files": 1, "bytes": 7_890_000}],
    "deleted_canary_found": 0,
    "kept_canary_found": True,
    "never_canary_found": 0,
    "freed_blocks": 12,
    "freed_blocks_found": 0,
    "tables": 90,
    "rows": 4321,
    "content_digests_equal": True,
    "old_file_held_deleted_canary": True,
}
ERASED_AT = "2026-11-02T03:00:09.000000"
SINCE = "2026-11-02T03:00:05.000000"
LATER = T + timedelta(days=1)


def settings_of(house: House) -> Settings:
    return Settings.from_env(house.environment(T))


@pytest.fixture(scope="module")
def proved(purged_template: House, tmp_path_factory: pytest.TempPathFactory) -> House:
    """The purged sample shop, with the proofs that look at the purge."""
    house = copy_of(purged_template, tmp_path_factory.mktemp("proved") / "data")
    proofs = house.dbt("run", "--select", "config.meta.kigen.gate:after", as_of=T)
    assert proofs.success, failures(proofs)
    return house


@pytest.fixture(scope="module")
def parsed(proved: House) -> Project:
    return read(settings_of(proved))


@pytest.fixture
def project(proved: House, parsed: Project, tmp_path: Path) -> Project:
    """The project over a copy of the purged shop, to be harmed."""
    return replace(parsed, settings=settings_of(copy_of(proved, tmp_path / "data")))


def house_of(project: Project) -> House:
    return House(project.settings.home)


def note(project: Project, **known: Any) -> None:
    """Write what is known of the erasure, as the step before the certificate does."""
    _write(project.settings, ErasureRecord(str(project.settings.warehouse), **known))


def erased(project: Project, **verification: Any) -> None:
    note(
        project,
        erased_purge=1,
        erased_at=ERASED_AT,
        verification={**VERIFICATION, **verification},
    )


def certify(project: Project, as_of: datetime) -> tuple[Certificate, ...]:
    """The certificates of a run that has built every proof."""
    built = [proof.name for proof in project.declarations.proofs("after")]
    return issue(project, as_of, built=built)


@pytest.fixture
def written(project: Project) -> Certificate:
    """The certificate of the purge, erased and verified."""
    erased(project)
    (written,) = certify(project, T)
    return written


class Text(HTMLParser):
    """The words of a page, by language."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.language = ""
        self.words: dict[str, str] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "article":
            self.language = dict(attrs)["lang"] or ""

    def handle_data(self, data: str) -> None:
        if self.language:
            self.words[self.language] = self.words.get(self.language, "") + data + " "


def words_of(written: Certificate) -> dict[str, str]:
    text = Text(written.page_path.read_text("utf-8"))
    return {language: re.sub(r"\s+", " ", words) for language, words in text.words.items()}


# The numbers are the warehouse's.


def test_what_went_is_what_the_ledger_says(project: Project, written: Certificate) -> None:
    ledger = house_of(project).rows(
        "select table_name, deletion_class, action, count(*) from purge.purge_ledger "
        "group by all order by all"
    )
    told = [
        (row["table"], row["deletion_class"], row["action"], row["records"])
        for row in written.document["purged"]
    ]
    assert told == ledger
    assert len(told) > 10
    due = {row["table"]: row for row in written.document["due"]}
    for table, row in due.items():
        records = dict.fromkeys(("delete", "anonymise"), 0)
        for of_table, _, action, count in ledger:
            records[action] += count if of_table == table else 0
        assert (row["deleted"], row["anonymised"]) == (records["delete"], records["anonymise"])
        assert row["planned"] == row["deleted"] + row["anonymised"] + row["left_alone"]
        assert row["rows_before"] - row["deleted"] == row["rows_after"]
        assert row["planned"] == sum(each["planned"] for each in row["classes"])
    # Nothing was left alone here, so what was due by class is what went by class.
    assert [
        (table, each["deletion_class"], each["action"], each["planned"], each["legal_basis"])
        for table, row in due.items()
        for each in row["classes"]
    ] == [
        (row["table"], row["deletion_class"], row["action"], row["records"], row["legal_basis"])
        for row in written.document["purged"]
    ]


def test_each_class_has_the_legal_basis_of_the_policy(
    project: Project, written: Certificate
) -> None:
    policy = {
        (table.name, each.deletion_class): each.legal_basis
        for table in project.declarations.governed.values()
        for each in table.deletion_classes
    }
    followed = 0
    for row in written.document["purged"]:
        assert row["legal_basis"] == policy[row["stated_for"], row["deletion_class"]]
        # A row that went with its member has the basis of the member's class.
        followed += row["stated_for"] != row["table"]
        assert row["stated_for"] in (row["table"], "shop.members")
    assert followed
    assert {row["table"] for row in written.document["remembered"]} >= {"memory.suppressions"}
    assert all(row["legal_basis"] for row in written.document["remembered"])


def test_what_stayed_is_named_with_why_and_until_when(
    project: Project, written: Certificate
) -> None:
    house = house_of(project)
    states = house.rows(
        "select table_name, deletion_class, state, count(*) from retention.record_states "
        "where state not in ('active', 'expired') group by all"
    )
    unclassed = house.rows(
        "select table_name, null, state, count(*) from retention.records "
        "where state = 'unclassed' group by all"
    )
    kept = written.document["kept"]
    told = {(row["table"], row["deletion_class"], row["state"], row["records"]) for row in kept}
    assert told == set(states + unclassed)
    by_state: dict[str, list[Any]] = {}
    for row in kept:
        by_state.setdefault(row["state"], []).append(row)
    assert set(by_state) >= {"held", "floored", "in_grace", "notice_due", "unclassed"}
    for row in by_state["held"]:
        assert row["until"]["kind"] == "hold_released"
        assert row["holds"] > 0
    for row in by_state["floored"] + by_state["in_grace"]:
        column = "floor_until" if row["state"] == "floored" else "grace_until"
        dates = house.rows(
            f"select min({column}), max({column}), count(*) - count({column}) "
            f"from retention.record_states where table_name = '{row['table']}' "
            f"and deletion_class = '{row['deletion_class']}' and state = '{row['state']}'"
        )
        until = row["until"]
        moments = [
            until[end] and datetime.fromisoformat(until[end]).replace(tzinfo=None)
            for end in ("earliest", "latest")
        ]
        assert [(*moments, until["undated_records"])] == dates
    dated = [row for row in by_state["floored"] if row["until"]["earliest"]]
    assert dated
    for row in dated:
        assert row["until"]["earliest"] > row_time(T)
        for floor in row["floors"]:
            assert floor["legal_basis"]


def row_time(moment: datetime) -> str:
    return f"{moment.isoformat(timespec='microseconds')}Z"


def test_every_record_that_is_there_is_counted_once(project: Project, written: Certificate) -> None:
    house = house_of(project)
    for table in project.declarations.governed.values():
        if not table.is_memory:
            told = sum(
                row["records"]
                for row in written.document["remaining"]
                if row["table"] == table.name
            )
            assert [(told,)] == house.rows(f"select count(*) from {table.name}")
    assert all(row["state"] != "expired" for row in written.document["remaining"])


def test_digests_are_those_of_the_ledger(project: Project, written: Certificate) -> None:
    plan, chain, key_id = house_of(project).rows(
        "select distinct plan_digest, chain_digest, key_id from purge.purge_ledger"
    )[0]
    assert written.document["digests"] == {
        "plan": plan,
        "chain": chain,
        "chain_before": None,
        "key_ids": [key_id],
    }
    assert written.name == f"20261102T030000Z-run1-{plan[:12]}"
    assert f"{written.digest}" in written.page_path.read_text()


# What is claimed of the bytes.


def test_verified_erasure_is_called_a_logical_clear_and_says_by_what(written: Certificate) -> None:
    words = words_of(written)
    assert "Logical clear (NIST SP 800-88), verified by" in words["en"]
    assert "論理的消去（NIST SP 800-88 の Clear）" in words["ja"]
    for language in ("ja", "en"):
        assert VERIFICATION["method"] in words[language]
        assert "7,890,000" in words[language]
        assert "2026-11-02 03:00 UTC" in words[language]


def test_deleted_and_not_yet_erased_claims_nothing_about_bytes(project: Project) -> None:
    note(project, deleted_not_erased_since=SINCE)
    (written,) = certify(project, T)
    assert written.document["erasure"] == {
        "status": "deleted_not_erased",
        "erased_at": None,
        "deleted_not_erased_since": f"{SINCE}Z",
        "waits_by_policy": False,
        "verification": None,
    }
    words = words_of(written)
    assert "Deleted, not yet erased." in words["en"]
    assert "削除済み、未消去。" in words["ja"]
    for text in words.values():
        assert "2026-11-02 03:00 UTC" in text
    assert "Logical clear" not in words["en"]
    assert "論理的消去" not in words["ja"]


def test_a_record_of_nothing_counts_as_not_yet_erased(project: Project) -> None:
    (written,) = certify(project, T)
    assert written.document["erasure"]["status"] == "deleted_not_erased"
    assert written.document["erasure"]["deleted_not_erased_since"] == row_time(T)


def test_a_record_from_before_a_restored_backup_claims_nothing(project: Project) -> None:
    note(project, erased_purge=7, erased_at=ERASED_AT, verification=VERIFICATION)
    (written,) = certify(project, T)
    assert written.document["erasure"]["status"] == "deleted_not_erased"


@pytest.mark.parametrize(
    "fault",
    [
        {"deleted_canary_found": 1},
        {"deleted_canary_found": None},
        {"kept_canary_found": False},
        {"never_canary_found": 1},
        {"content_digests_equal": False},
        {"freed_blocks_found": 2},
        {"old_file_held_deleted_canary": False, "freed_blocks": 0},
    ],
    ids=str,
)
def test_verification_that_does_not_hold_certifies_nothing(
    project: Project, fault: dict[str, Any]
) -> None:
    erased(project, **fault)
    (written,) = certify(project, T)
    assert written.document["erasure"]["verification"]["holds"] is False
    words = words_of(written)
    assert "its verification did not hold" in words["en"]
    assert "検証は成立しませんでした" in words["ja"]
    assert "Logical clear" not in words["en"]
    assert "論理的消去" not in words["ja"]


def test_an_encrypted_file_is_certified_by_how_it_was_written(project: Project) -> None:
    """What cannot be known of it is not claimed, and takes nothing away; the rest must hold."""
    unknown = {
        "old_file_held_deleted_canary": None,
        "freed_blocks": None,
        "freed_blocks_found": None,
    }
    for more, holds in (({}, True), ({"kept_canary_found": False}, False)):
        erased(project, encrypted=True, **unknown, **more)
        (written,) = certify(project, T)
        verification = written.document["erasure"]["verification"]
        assert verification["encrypted"] is True
        assert verification["holds"] is holds
        words = words_of(written)
        assert "The new file is encrypted" in words["en"]
        assert "暗号化" in words["ja"]
    erased(project, encrypted=False, **unknown)
    (written,) = certify(project, T)
    assert written.document["erasure"]["verification"]["holds"] is False
    assert "encrypted" not in words_of(written)["en"]


def test_erasure_without_a_verification_on_record_certifies_nothing(project: Project) -> None:
    note(project, erased_purge=1, erased_at=ERASED_AT)
    (written,) = certify(project, T)
    words = words_of(written)
    assert "no verification is on record" in words["en"]
    assert "Logical clear" not in words["en"]


def test_red_proof_is_on_the_certificate(project: Project) -> None:
    house_of(project).execute(
        "update purge.purge_ledger set hold_id = '1' where table_name = 'shop.members'"
    )
    erased(project)
    (written,) = certify(project, T)
    red = certificates.red_proofs(written.document)
    assert [proof["name"] for proof in red] == ["proof_purged_while_held"]
    words = words_of(written)
    assert "Not all hold: proof_purged_while_held" in words["en"]
    assert "成立していない証明があります" in words["ja"]


def test_proof_that_cannot_be_asked_is_not_green(purged: House, parsed: Project) -> None:
    project = replace(parsed, settings=settings_of(purged))
    erased(project)
    (written,) = certify(project, T)
    assert {proof["violations"] for proof in written.document["proofs"]} == {None}
    assert "not asked" in words_of(written)["en"]
    assert "All hold." not in words_of(written)["en"]


def test_proof_that_is_a_table_of_an_earlier_run_was_not_asked(project: Project) -> None:
    erased(project)
    (written,) = issue(project, T, built=())
    violations = {proof["name"]: proof["violations"] for proof in written.document["proofs"]}
    assert violations.pop("proof_residual_copy") is None
    assert set(violations.values()) == {0}
    assert "Not all hold: proof_residual_copy (not asked)" in words_of(written)["en"]


def test_proofs_of_a_healthy_purge_are_green(written: Certificate, project: Project) -> None:
    names = [proof.name for proof in project.declarations.proofs("after")]
    assert [proof["name"] for proof in written.document["proofs"]] == names
    assert certificates.red_proofs(written.document) == []
    assert "All hold." in words_of(written)["en"]


def test_out_of_reach_is_said_on_every_certificate(written: Certificate) -> None:
    keys = {thing["key"] for thing in written.document["out_of_reach"]}
    assert keys >= {"backups", "copies_elsewhere", "file_system_remnants", "snapshots"}
    for language, words in words_of(written).items():
        for thing in written.document["out_of_reach"]:
            assert thing[language] in words


# Who approved.


def approval_of(project: Project) -> Approval:
    """An approval of the plan that the purge applied, given an hour before."""
    settings = project.settings
    with connect(settings, read_only=False) as connection:
        (digest,) = connection.execute(
            "select any_value(plan_digest) from purge.purge_ledger"
        ).fetchall()[0]
        connection.execute("create or replace temp table plan_now as from purge.purge_plan")
        connection.execute("drop table purge.purge_plan")
        connection.execute(
            "create table purge.purge_plan as select plan_digest, table_name, "
            "record_digest as record_key, action, deletion_class, deadline_at, "
            "'x' as policy_digest from purge.purge_ledger"
        )
        given = approve(
            connection,
            project,
            read_pads(settings.key),
            plan_digest=digest,
            approver="privacy team",
            reason="the yearly <purge>",
            now=T - timedelta(hours=1),
        )
        connection.execute("create or replace table purge.purge_plan as from plan_now")
    return given


def test_approval_is_named(project: Project) -> None:
    given = approval_of(project)
    erased(project)
    (written,) = certify(project, T)
    assert written.document["approval"] == {
        "approver": "privacy team",
        "reason": "the yearly <purge>",
        "approved_at": row_time(given.approved_at),
        "expires_at": row_time(given.expires_at),
    }
    assert "privacy team" in words_of(written)["ja"]
    # Whatever is written there is text.
    assert "the yearly &lt;purge&gt;" in written.page_path.read_text()


def test_forged_approval_is_not_named(project: Project) -> None:
    approval_of(project)
    house_of(project).execute("update purge.approvals set approver = 'somebody else'")
    erased(project)
    (written,) = certify(project, T)
    assert written.document["approval"] is None
    assert written.document["unverified_approvals"] == 1
    words = words_of(written)
    assert "cannot be verified" in words["en"]
    assert "within the limits" not in words["en"]


def test_plan_within_the_limits_says_so(written: Certificate) -> None:
    assert written.document["approval"] is None
    assert "within the limits of the policy" in words_of(written)["en"]
    assert "方針の上限内" in words_of(written)["ja"]


# Runs that purged nothing, and runs that were stopped.


def test_run_that_purged_nothing_has_a_certificate_that_says_so(
    project: Project, written: Certificate
) -> None:
    (nothing,) = certify(project, LATER)
    assert nothing.name == f"20261103T030000Z-nothing-{EMPTY_DIGEST[:12]}"
    document = nothing.document
    assert document["run"]["outcome"] == "nothing_purged"
    assert (document["run"]["run_no"], document["due"], document["purged"]) == (None, [], [])
    assert document["erasure"]["status"] == "nothing_to_erase"
    assert document["digests"]["chain"] is None
    assert document["digests"]["chain_before"] == written.document["digests"]["chain"]
    words = words_of(nothing)
    assert "This run purged nothing." in words["en"]
    assert "この実行では何も削除していません。" in words["ja"]
    assert "Logical clear" not in words["en"]
    # What was certified before stays as it is.
    assert json.loads(written.json_path.read_bytes()) == written.document


def test_purge_whose_run_was_stopped_is_certified_by_the_next(project: Project) -> None:
    erased(project)
    names = [each.name for each in certify(project, LATER)]
    assert [name.split("-")[1] for name in names] == ["run1", "nothing"]
    again = [each.name for each in certify(project, LATER)]
    assert again == names[1:]


def test_certificate_that_said_not_yet_is_told_anew_once_it_is_erased(project: Project) -> None:
    note(project, deleted_not_erased_since=SINCE)
    (before,) = certify(project, T)
    assert [each.name for each in certify(project, LATER)] == [
        f"20261103T030000Z-nothing-{EMPTY_DIGEST[:12]}"
    ]
    erased(project)
    after, _ = certify(project, LATER)
    assert after.name == before.name
    assert after.document["erasure"]["status"] == "erased"
    same = {key for key in before.document if key != "erasure"}
    assert {key: after.document[key] for key in same} == {key: before.document[key] for key in same}


def test_told_again_it_is_the_same_bytes(project: Project, written: Certificate) -> None:
    folder = certificates.folder_of(project.settings)
    first = {path.name: (path.read_bytes(), path.stat().st_ino) for path in folder.iterdir()}
    assert set(first) == {f"{written.name}.json", f"{written.name}.html"}
    certify(project, T)
    assert first == {
        path.name: (path.read_bytes(), path.stat().st_ino) for path in folder.iterdir()
    }


def test_stopped_while_writing_leaves_the_old_file_or_none(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = certificates.folder_of(project.settings)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    erased(project)
    with monkeypatch.context() as patched:
        patched.setattr("orchestration.durable.os.fsync", stop)
        with pytest.raises(KeyboardInterrupt):
            certify(project, T)
    assert [path.name for path in folder.iterdir() if not path.name.startswith(".")] == []
    (written,) = certify(project, T)
    assert sorted(path.name for path in folder.iterdir()) == [
        f"{written.name}.html",
        f"{written.name}.json",
    ]


def test_certificate_is_for_its_owner_only(project: Project, written: Certificate) -> None:
    folder = certificates.folder_of(project.settings)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in (written.json_path, written.page_path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


# The schema.


def test_schema_allows_nothing_it_does_not_name() -> None:
    def objects(part: Any) -> Iterator[dict[str, Any]]:
        if isinstance(part, dict):
            if part.get("type") == "object":
                yield part
            for each in part.values():
                yield from objects(each)
        elif isinstance(part, list):
            for each in part:
                yield from objects(each)

    found = list(objects(schema()))
    assert len(found) > 15
    for each in found:
        assert each["additionalProperties"] is False
        assert set(each["required"]) == set(each["properties"])
    assert schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


FAULTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a key too many": lambda d: d.update(email="a@example.com"),
    "a key too few": lambda d: d.pop("out_of_reach"),
    "a key too many within": lambda d: d["purged"][0].update(record_key="1001"),
    "no number": lambda d: d["due"][0].update(planned="3"),
    "less than nothing": lambda d: d["due"][0].update(deleted=-1),
    "no digest": lambda d: d["digests"].update(plan="abc"),
    "another state": lambda d: d["kept"][0].update(state="forgotten"),
    "a local time": lambda d: d["run"].update(as_of="2026-11-02T03:00:00"),
    "purged without a number": lambda d: d["run"].update(run_no=None),
    "purged nothing, with rows": lambda d: d["run"].update(outcome="nothing_purged"),
    "erased at no time": lambda d: d["erasure"].update(erased_at=None),
    "verified and not erased": lambda d: d["erasure"].update(
        status="deleted_not_erased", erased_at=None, deleted_not_erased_since=f"{SINCE}Z"
    ),
    "another version": lambda d: d.update(version=2),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_wrong_document_is_refused_and_not_written(
    written: Certificate, tmp_path: Path, fault: str
) -> None:
    wrong = copy.deepcopy(dict(written.document))
    FAULTS[fault](wrong)
    with pytest.raises(CertificateError, match=r"does not hold to certificate\.schema\.json"):
        certificates.write(tmp_path / "wrong", "wrong", wrong)
    assert not (tmp_path / "wrong").exists()
    with pytest.raises(CertificateError) as refusal:
        validate(wrong)
    assert "example.com" not in str(refusal.value)


# The words, and what is in neither file.


def test_page_says_the_same_in_both_languages(written: Certificate) -> None:
    words = words_of(written)
    assert list(words) == ["ja", "en"]
    assert "個人データ削除証明書" in words["ja"]
    assert "Certificate of deletion of personal data" in words["en"]
    numbers = {
        language: sorted(re.findall(r"\d(?:[\d,:-]*\d)?", text.replace(VERIFICATION["method"], "")))
        for language, text in words.items()
    }
    assert numbers["ja"] == numbers["en"]
    # Nothing of the one in the other, but for keys, names and laws.
    assert re.findall(r"[\u3040-\u30ff\u4e00-\u9fff]", words["en"]) == []


def test_page_needs_nothing_from_elsewhere(written: Certificate) -> None:
    content = written.page_path.read_text("utf-8")
    tags = Text(content).tags
    assert {tag for tag, _ in tags}.isdisjoint({"script", "link", "img", "iframe", "object"})
    assert all((attrs.get("href") or "#").startswith("#") for _, attrs in tags)
    assert re.findall(r"https?://|url\(|@import", content) == []


@pytest.mark.parametrize("is_erased", [True, False])
def test_nobody_says_destroyed(project: Project, is_erased: bool) -> None:
    if is_erased:
        erased(project)
    for written in certify(project, LATER):
        for path in (written.json_path, written.page_path):
            content = path.read_text("utf-8").lower()
            assert "destr" not in content
            assert "破壊" not in content
            assert "破棄" not in content


def test_nothing_personal_is_in_either_file(
    template: House, project: Project, written: Certificate
) -> None:
    people = personal_values(template)
    assert len(people) > 400
    contents = [written.json_path.read_text("utf-8"), written.page_path.read_text("utf-8")]
    assert [value for value in people for content in contents if value in content] == []
    digests = house_of(project).rows("select record_digest from purge.purge_ledger")
    assert [value for (value,) in digests for content in contents if value in content] == []


def test_page_escapes_whatever_it_is_given(written: Certificate) -> None:
    document = copy.deepcopy(dict(written.document))
    document["medium"]["file"] = "<script>alert(1)</script>.duckdb"
    content = page(document, "a & b", "0" * 64)
    assert "<script>" not in content
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in content
    assert "a &amp; b" in content


# Its place in a run.


def test_certificate_comes_last_and_does_not_wait_for_what_may_fail() -> None:
    """In process, of the steps that are ready the one of lower priority comes later."""
    order = []

    def step(name: str, *, deps: tuple[str, ...] = (), **options: Any) -> dg.AssetsDefinition:
        @dg.asset(name=name, deps=list(deps), **options)
        def asset() -> None:
            order.append(name)
            if name == "erased_file":
                raise dg.Failure("not erased", allow_retries=False)

        return asset

    assets = [
        step("certificate", deps=("ledger",), op_tags={"dagster/priority": "-1"}),
        step("ledger"),
        step("erased_file", deps=("ledger",)),
        step("other", deps=("ledger",)),
        step("proofs_after", deps=("erased_file",)),
    ]
    result = dg.materialize(assets, raise_on_error=False)
    assert not result.success
    assert order == ["ledger", "erased_file", "other", "certificate"]


def test_record_of_the_erasure_is_read_as_it_is_written(project: Project) -> None:
    erased(project)
    record = read_record(project.settings)
    assert record.verification == VERIFICATION
