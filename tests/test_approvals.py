"""A plan above the limits goes through by an approval of that very plan, and by nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import duckdb
import pytest

from orchestration.approvals import Approval, ApprovalError, approve, find_approval
from orchestration.guard import Verdict, judge
from orchestration.keys import read_pads
from orchestration.limits import Limit, Limits
from orchestration.plan import read_plan
from orchestration.project import Project
from orchestration.settings import utc_now
from tests.conftest import T, copy_of, seen_from
from tests.house import House, failures

REASON = "backlog of the first run, ticket 12"
NOTHING = Limit(max_share_percent=0, max_rows=0)


def strict(parsed: Project, house: House, as_of: datetime = T) -> Project:
    """The project of a house, with a limit that its plan exceeds."""
    limits = Limits({"shop.members": NOTHING})
    declarations = parsed.declarations.model_copy(update={"limits": limits})
    return replace(seen_from(parsed, house, as_of), declarations=declarations)


def verdict(project: Project, house: House, as_of: datetime = T) -> Verdict:
    with duckdb.connect(str(house.warehouse)) as connection:
        connection.execute(f"attach '{house.key}' as kigen_key (read_only)")
        return judge(connection, project, as_of, read_pads(house.key))


def give(project: Project, house: House, now: datetime | None = None, **words: str) -> Approval:
    with duckdb.connect(str(house.warehouse)) as connection:
        given = {"plan_digest": read_plan(connection, project).digest, "approver": "dpo"} | words
        return approve(
            connection,
            project,
            read_pads(house.key),
            **({"reason": REASON} | given),
            now=now or utc_now(),
        )


def test_plan_within_the_limits_needs_no_approval(parsed: Project, sample: House) -> None:
    found = verdict(seen_from(parsed, sample), sample)
    assert (found.passes, found.concerns, found.approval) == (True, (), None)


def test_plan_above_a_limit_is_refused_and_says_what_to_do(parsed: Project, sample: House) -> None:
    found = verdict(strict(parsed, sample), sample)
    planned, held = len(sample.rows("from purge.purge_plan where table_name = 'shop.members'")), 120
    assert found.refusals == (
        f"The plan takes {planned} of {held} rows ({100 * planned / held:.1f} %), more than 0 rows "
        "and 0 % at once, of shop.members (policy_purge_limits.csv).",
        f"If this is right, `kigen approve {found.plan.digest} --reason ...`, and run again.",
    )


def test_approval_of_its_digest_lets_a_plan_through(parsed: Project, sample: House) -> None:
    project = strict(parsed, sample)
    given = give(project, sample)
    assert given.expires_at - given.approved_at == timedelta(days=7)
    found = verdict(project, sample)
    assert found.passes
    assert found.approval == given
    assert found.concerns != ()


def test_digest_may_be_short_and_must_be_that_of_the_plan(parsed: Project, sample: House) -> None:
    project = strict(parsed, sample)
    digest = verdict(project, sample).plan.digest
    assert give(project, sample, plan_digest=digest[:12]).digest == digest
    for wrong in (digest[:11], "0" * 64, digest[:-1] + "x", ""):
        with pytest.raises(ApprovalError, match=f"is not the plan that stands; that is {digest}"):
            give(project, sample, plan_digest=wrong)


def test_empty_plan_cannot_be_approved(parsed: Project, purged: House) -> None:
    with pytest.raises(ApprovalError, match="there is nothing to approve"):
        give(seen_from(parsed, purged), purged)


@pytest.mark.parametrize("word", ["reason", "approver"])
def test_words_that_look_personal_or_are_empty_are_refused(
    parsed: Project, sample: House, word: str
) -> None:
    for personal in ("asked by taro@example.com", "call 090-1234-5678", "  "):
        with pytest.raises(ApprovalError, match=f"The {word} (holds|is empty)") as refused:
            give(strict(parsed, sample), sample, **{word: personal})
        assert personal not in str(refused.value) or not personal.strip()
    assert sample.rows("from purge.approvals") == []


def test_expired_approval_is_none(parsed: Project, sample: House) -> None:
    project = strict(parsed, sample)
    given = give(project, sample, now=utc_now() - timedelta(days=7, minutes=1))
    found = verdict(project, sample)
    assert not found.passes
    expired = given.expires_at.isoformat(timespec="microseconds")
    assert f"Its approval has expired, at {expired}." in found.refusals
    give(project, sample)
    assert verdict(project, sample).passes


@pytest.mark.parametrize(
    "forgery",
    [
        "update purge.approvals set expires_at = expires_at + interval 1 year",
        "update purge.approvals set approver = 'somebody else'",
        "update purge.approvals set reason = 'another'",
        "update purge.approvals set seal = sha256(digest)",
        "update purge.approvals set seal = null",
    ],
)
def test_altered_approval_is_none(parsed: Project, sample: House, forgery: str) -> None:
    project = strict(parsed, sample)
    give(project, sample)
    sample.execute(forgery)
    found = verdict(project, sample)
    assert not found.passes
    assert any("none was sealed with the key at hand" in refusal for refusal in found.refusals)


def test_approval_written_by_hand_is_none(parsed: Project, sample: House) -> None:
    project = strict(parsed, sample)
    sample.execute(
        "insert into purge.approvals select max(plan_digest), 'dpo', 'because', now() at time zone 'UTC', "
        "now() at time zone 'UTC' + interval 1 day, sha256('') from purge.purge_plan"
    )
    assert not verdict(project, sample).passes


def test_approval_of_one_plan_lets_no_other_through(parsed: Project, sample: House) -> None:
    project = strict(parsed, sample)
    given = give(project, sample)
    sample.execute(
        "update purge.purge_plan set plan_digest = sha256('another')",
        "delete from shop.members where member_id = 1046",
    )
    sample.build(T)
    found = verdict(project, sample)
    assert found.plan.digest != given.digest
    assert (found.passes, found.approval) == (False, None)


def test_approved_plan_stands_and_what_came_later_waits(parsed: Project, sample: House) -> None:
    project = strict(parsed, sample)
    give(project, sample)
    plan = "select * exclude (is_due) from purge.purge_plan order by all"
    frozen = sample.rows(plan)
    sample.execute(
        "insert into shop.members by name select 9001 as member_id, 'new@example.com' as email, "
        "'withdrawn' as status, timestamp '2020-01-01' as withdrawn_at"
    )
    later = T + timedelta(hours=1)
    sample.build(later)
    assert sample.rows(plan) == frozen
    assert verdict(strict(parsed, sample, later), sample, later).passes
    purge = sample.purge(later)
    assert purge.success, failures(purge)
    assert sample.rows("select 1 from shop.members where member_id = 9001") == [(1,)]
    sample.build(later)
    assert sample.rows("select table_name, record_key from purge.purge_plan") == [
        ("shop.members", "9001")
    ]


def test_plan_that_nobody_approved_is_made_anew(sample: House) -> None:
    sample.execute("delete from shop.members where member_id = 1046")
    sample.build(T)
    keys = sample.rows("select record_key from purge.purge_plan where table_name = 'shop.members'")
    assert ("1046",) not in keys


def test_hold_and_login_after_the_approval_win(parsed: Project, sample: House) -> None:
    project = strict(parsed, sample)
    give(project, sample)
    (held,), (awake,) = sample.rows(
        "select record_key from purge.purge_plan where table_name = 'shop.members' "
        "and deletion_class in ('member_inactive') order by all limit 2"
    )
    later = T + timedelta(hours=1)
    sample.execute(
        f"insert into legal.holds by name select 900 as hold_id, {held} as member_id, "
        f"timestamp '{T}' as placed_at",
        f"update shop.members set last_login_at = timestamp '{T}' where member_id = {awake}",
    )
    sample.build(later)
    purge = sample.purge(later)
    assert purge.success, failures(purge)
    stays = sample.rows(f"select member_id from shop.members where member_id in ({held}, {awake})")
    assert len(stays) == 2
    skipped = sample.rows("select sum(skipped) from memory.purge_counts")
    assert skipped[0][0] >= 2


def test_row_that_comes_under_another_class_is_left_for_the_next_plan(
    parsed: Project, sample: House
) -> None:
    """A follower goes under a class of its own as soon as that has it expired."""
    project = strict(parsed, sample)
    give(project, sample)
    sample.execute(
        "update mailing.delivery_lists set created_at = timestamp '2026-09-01' where list_id = 2"
    )
    sample.build(T)
    rows = (
        "select deletion_class, is_due from purge.purge_plan where record_key = '2|5' "
        "and table_name = 'mailing.delivery_list_recipients'"
    )
    assert sample.rows(rows) == [("member_withdrawn", False)]
    assert verdict(project, sample).passes
    purge = sample.purge(T)
    assert purge.success, failures(purge)
    sample.build(T)
    assert sample.rows(rows) == [("delivery_list", True)]


def test_changed_policy_makes_another_plan(parsed: Project, sample: House) -> None:
    give(strict(parsed, sample), sample)
    before = sample.rows("select distinct plan_digest, policy_digest from purge.purge_plan")
    sample.execute(
        "update policy.policy_deletion_classes set period = 'P31D' where deletion_class = 'message_log'"
    )
    result = sample.dbt("run", "--exclude", "config.materialized:purge", as_of=T)
    assert result.success, failures(result)
    after = sample.rows("select distinct plan_digest, policy_digest from purge.purge_plan")
    assert len(after) == 1
    assert before[0][0] != after[0][0]
    assert before[0][1] != after[0][1]


def test_purge_refuses_a_plan_of_another_policy(sample: House) -> None:
    sample.execute(
        "update policy.policy_deletion_classes set period = 'P31D' where deletion_class = 'message_log'"
    )
    purge = sample.purge(T)
    message = next(
        each.message for each in purge.result.results if each.node.name == "purge_ledger"
    )
    assert "policy_deletion_classes.csv has changed since the plan" in message
    assert sample.rows("from purge.purge_ledger") == []


def test_verdict_without_the_seal_of_the_key_is_none(sample: House) -> None:
    sample.allow()
    sample.execute("update purge.guard_verdicts set seal = sha256(plan_digest || run_id)")
    purge = sample.dbt(
        "run", "--select", "+purge_ledger", "--exclude", "purge_plan", as_of=T, run="a-run"
    )
    assert purge.success
    assert sample.rows("from purge.purge_ledger") == []


def test_interrupted_approved_plan_is_completed(parsed: Project, sample: House) -> None:
    """Killed before it committed, a purge leaves the approved plan; the next run takes that plan."""
    project = strict(parsed, sample)
    give(project, sample)
    frozen = sample.rows("select distinct plan_digest from purge.purge_plan")
    undisturbed = copy_of(sample, sample.home.parent / "undisturbed")
    sample.allow()
    sample.build(T + timedelta(hours=1))
    assert sample.rows("select distinct plan_digest from purge.purge_plan") == frozen
    for house in (sample, undisturbed):
        purge = house.purge(T + timedelta(hours=1))
        assert purge.success, failures(purge)
    ledger = "select table_name, record_digest, action, deletion_class from purge.purge_ledger order by all"
    assert sample.rows(ledger) == undisturbed.rows(ledger) != []


def test_find_approval_of_a_warehouse_without_the_table(sample: House) -> None:
    with duckdb.connect(str(sample.warehouse)) as connection:
        connection.execute("drop table purge.approvals")
        found = find_approval(connection, read_pads(sample.key), "0" * 64, utc_now())
    assert (found.approval, found.problem) == (None, None)
