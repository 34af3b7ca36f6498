"""The last notice before deletion: handed over once, on record, in words, and never when it came back."""

from __future__ import annotations

import csv
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestration import leases as leases_module
from orchestration.keys import Pads
from orchestration.leases import (
    DeliveryError,
    Lease,
    expect_message_class,
    expect_notice,
    expire,
    issue,
    keep,
    lease_of,
    leases_of,
    look_after,
    path_of,
    revoke_path,
    start_grace,
    terms_of,
)
from orchestration.notices import SEPARATOR, NoticeError, check_notice, message_log_of, texts_of
from orchestration.project import Project
from orchestration.seals import tidy
from orchestration.warehouse import look_for_raw_tables
from tests.conftest import T
from tests.house import House, failures
from tests.kigen import call, files_that_hold

NOTICE = "audience_deletion_notice"
DAY = timedelta(days=1)
WEEK = timedelta(days=7)


def hand_over(shop: Project, pads: Pads, campaign: str = "notice-1") -> Lease:
    terms = terms_of(shop, campaign, NOTICE, "", "csv", "P7D")
    return issue(shop, terms, T, T, "somebody", pads)


def recipients(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["email"]: row for row in csv.DictReader(file)}


def logged(house: House, campaign: str = "notice-1") -> list[tuple[Any, ...]]:
    return house.rows(
        "select email, message_class, kind, sent_at from mailing.messages "
        f"where campaign_id = '{campaign}' order by email"
    )


def with_settings(shop: Project, **settings: str) -> Project:
    declared = shop.declarations
    changed = declared.model_copy(update={"settings": {**declared.settings, **settings}})
    return replace(shop, declarations=changed)


# The loop, by the public door.


def test_notice_is_handed_over_once_and_who_logs_in_within_the_week_keeps_everything(
    sample: House,
) -> None:
    """Acceptance 7, through leases: members and guests, opted out or not; silence deletes; then no mail."""
    # A guest whose two orders spell the mailbox differently is one contact point.
    sample.execute(
        "insert into shop.orders by name select 5900 as order_id, ' ＧＵＥＳＴ．Due＠Example.com' as email, "
        "'見本' as recipient_name, ordered_at, delivered_at, status from shop.orders where order_id = 5040"
    )
    told = {"KIGEN_WAREHOUSE": str(sample.warehouse)}

    def ask(at: datetime, campaign: str) -> str:
        said = call(
            "deliver", campaign, "--audience", NOTICE,
            home=sample.home, KIGEN_AS_OF=at.isoformat(), **told,
        )  # fmt: skip
        assert said.returncode == 0, said.stdout + said.stderr
        return said.stdout

    said = ask(T, "notice-1")
    file = sample.home / "leases" / "notice-1" / "recipients.csv"
    first = recipients(file)
    assert f"{len(first)} notices were written" in said
    assert {"guest.due@example.com", "guest.never@example.org"} <= set(first)
    members = dict(sample.rows("select email, member_id from consent.member_standings"))
    assert {1080, 1081} <= {members.get(email) for email in first}  # Said yes, and said no.
    assert {row["delete_on_ja"] for row in first.values()} == {"2026年11月9日"}
    assert logged(sample) == [
        (email, "service_notice", "deletion_notice", T) for email in sorted(first)
    ]
    # Asked again it is the same; another campaign finds nobody left to tell.
    assert "handed over before, the same" in ask(T + DAY, "notice-1")
    assert logged(sample) == [
        (email, "service_notice", "deletion_notice", T) for email in sorted(first)
    ]
    ask(T + DAY, "notice-2")
    others = recipients(sample.home / "leases" / "notice-2" / "recipients.csv")
    assert not set(others) & set(first)
    # Nobody who had it gets marketing; who is in grace is not out of the notice's own lease.
    assert not set(first) & {
        e for (e,) in sample.rows("select email from audiences.audience_newsletter_email")
    }
    assert not revoke_path_of(sample, "notice-1").exists()

    # One logs in; the others do not.
    awake, silent = 1080, 1081
    sample.execute(
        f"update shop.members set last_login_at = '{T + 2 * DAY}' where member_id = {awake}"
    )
    run = call("run", home=sample.home, KIGEN_AS_OF=(T + WEEK + DAY).isoformat(), **told)
    assert run.returncode == 0, run.stdout + run.stderr
    left = {key for (key,) in sample.rows("select member_id from shop.members")}
    assert awake in left
    assert silent not in left
    assert sample.rows("select email, recipient_name from shop.orders where order_id in (5040, 5900)") == [
        (None, None)
    ] * 2  # fmt: skip
    assert sample.rows("from proofs.proof_mail_after_notice") == []
    # The log of what was sent keeps them for as long as it does; no file beside the warehouse has any.
    gone = set(first) - {e for (e,) in sample.rows("select email from consent.member_standings")}
    assert len(gone) > 3
    assert files_that_hold(gone, sample.home, but={"warehouse.duckdb"}) == {}


def revoke_path_of(house: House, campaign: str) -> Path:
    return house.home / "leases" / campaign / "revoke.csv"


# What came back.


def test_notice_that_came_back_is_none_and_its_mailbox_is_out_of_reach(
    shop: Project, pads: Pads, sample: House
) -> None:
    lease, _ = start_grace(shop, hand_over(shop, pads), T, pads)
    (email,) = sample.rows("select email from shop.members where member_id = 1080")[0]
    (guest,) = sample.rows("select email from shop.orders where order_id = 5040")[0]
    returned = (
        "select message_id from mailing.messages where campaign_id = 'notice-1' "
        f"and email in ('{email}', '{guest}')"
    )

    def standing(at: datetime) -> list[tuple[Any, ...]]:
        sample.build(at)
        return sample.rows(
            "select table_name, record_key, state, deletion_class from retention.records where "
            "(table_name, record_key) in (('shop.members', '1080'), ('shop.orders', '5040')) order by 1"
        )

    assert [row[2] for row in standing(T)] == ["in_grace"] * 2
    sample.execute(
        f"insert into mailing.bounces select message_id, timestamp '{T + DAY}' from ({returned})"
    )
    assert [row[2] for row in standing(T + DAY - timedelta(seconds=1))] == ["in_grace"] * 2
    out_of_reach = [
        ("shop.members", "1080", "active", "member_unreachable"),
        ("shop.orders", "5040", "active", "order_personal_data"),
    ]
    assert standing(T + DAY) == out_of_reach
    for audience in (NOTICE, "audience_newsletter_email"):
        assert not {email, guest} & {
            e for (e,) in sample.rows(f"select email from audiences.{audience}")
        }
    assert sample.rows("select reason from audiences.audience_exclusions where subject_key = '1080'") == [
        ("no_contact_point",)
    ]  # fmt: skip
    # Whoever sends the rest of the file leaves these two out.
    look_after(shop, pads)
    assert set(recipients(revoke_path(shop.settings, lease))) == {email, guest}
    # The tool forgets its bounces before the week is over: nobody goes for that.
    sample.execute("delete from mailing.bounces")
    assert standing(T + WEEK + DAY) == out_of_reach
    assert sample.rows("select * from purge.purge_plan where record_key in ('1080', '5040')") == []
    assert sample.rows(
        "select state from retention.records where table_name = 'shop.members' and record_key = '1081'"
    ) == [("expired",)]
    # A login is a new cycle, in which the mailbox is tried again.
    sample.execute(
        f"update shop.members set last_login_at = '{T + 2 * DAY}' where member_id = 1080"
    )
    assert standing(T + WEEK + DAY)[0] == ("shop.members", "1080", "active", "member_inactive")


def test_notice_that_came_back_is_kept_while_somebody_is_out_of_reach_by_it(sample: House) -> None:
    at = T + timedelta(days=3 * 366 + 1)
    key = "select state from retention.records where table_name = 'mailing.messages' and record_key = '9077'"
    sample.execute(
        "update shop.orders set ordered_at = timestamp '2025-01-01', "
        "delivered_at = timestamp '2029-01-01' where order_id = 5062"
    )
    sample.execute(
        "update mailing.messages set sent_at = timestamp '2026-01-01' where message_id = 9077"
    )
    sample.build(at)
    assert sample.rows(key) == [("floored",)]
    sample.execute("delete from shop.orders where order_id = 5062")
    sample.build(at)
    assert sample.rows(key) == [("expired",)]


def test_shop_without_a_table_of_bounces_is_governed_all_the_same(
    shop: Project, sample: House
) -> None:
    sample.execute("drop table mailing.bounces")
    assert look_for_raw_tables(shop.settings, shop.manifest).missing == ()
    sample.build(T)
    # What was seen before stays seen.
    assert sample.rows("select count(*) from consent.bounced_notices") == [(2,)]


# Killed, and asked again.


def in_a_child_that_dies(action: Callable[[], object]) -> None:
    """Run in a process of its own that ends by SIGKILL somewhere in it."""
    child = os.fork()
    if child == 0:
        try:
            action()
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_kill_during_the_write_leaves_no_lease(
    shop: Project, pads: Pads, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_write", "sync", "sha256_of"):
        with monkeypatch.context() as patched:
            patched.setattr(leases_module, name, die)
            in_a_child_that_dies(lambda: hand_over(shop, pads))
    assert leases_of(shop.settings, pads) == ()
    assert tidy(shop.settings.leases) == 3
    assert hand_over(shop, pads).recipients > 0


def test_kill_between_file_and_log_starts_nobodys_grace_and_asking_again_completes_it(
    shop: Project, pads: Pads, sample: House
) -> None:
    lease = hand_over(shop, pads)
    keep(shop, look_after(shop, pads), pads)
    assert logged(sample) == []
    assert sample.rows("select problem from delivery.leases") == [
        ("its notices are not in the log of what was sent yet; ask for the campaign again",)
    ]
    # Nobody knows who was told: no other notice goes out meanwhile.
    other = terms_of(shop, "notice-2", NOTICE, "", "csv", "P7D")
    with pytest.raises(
        DeliveryError, match="Campaign notice-1 is a notice that was handed over and is not"
    ):
        expect_notice(shop, other, T, pads)
    expect_notice(shop, lease.terms, T, pads)
    begun, written = start_grace(shop, lease, T + DAY, pads)
    # The grace runs from the moment that it is on record, not from before.
    assert {row[3] for row in logged(sample)} == {T + DAY}
    assert (written, begun.noticed_at) == (lease.recipients, T + DAY)
    assert lease_of(shop, lease.terms, T + DAY, pads) == begun
    assert start_grace(shop, begun, T + 2 * DAY, pads) == (begun, 0)
    expect_notice(shop, other, T, pads)


def test_kill_after_the_log_adds_nobody_twice(
    shop: Project, pads: Pads, sample: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = hand_over(shop, pads)
    with monkeypatch.context() as patched:
        patched.setattr(leases_module, "_write", die)
        in_a_child_that_dies(lambda: start_grace(shop, lease, T, pads))
    before = logged(sample)
    assert len(before) == lease.recipients
    begun, written = start_grace(shop, lease, T + DAY, pads)
    assert (written, begun.noticed_at) == (0, T + DAY)
    assert logged(sample) == before
    keys = sample.rows(
        "select message_id, count(*) from mailing.messages group by 1 having count(*) > 1"
    )
    assert keys == []


def test_notices_that_a_restored_backup_forgot_are_written_again_as_they_were(
    shop: Project, pads: Pads, sample: House
) -> None:
    begun, _ = start_grace(shop, hand_over(shop, pads), T, pads)
    before = logged(sample)
    sample.execute("delete from mailing.messages where campaign_id = 'notice-1'")
    assert start_grace(shop, begun, T + DAY, pads) == (begun, len(before))
    assert logged(sample) == before  # Sent at T, and not a day later.


def test_who_is_out_when_the_grace_begins_gets_none(
    shop: Project, pads: Pads, sample: House
) -> None:
    lease = hand_over(shop, pads)
    sample.execute(f"update shop.members set last_login_at = '{T}' where member_id = 1080")
    sample.build(T + DAY)
    _, written = start_grace(shop, lease, T + DAY, pads)
    assert written == lease.recipients - 1
    (email,) = sample.rows("select email from shop.members where member_id = 1080")[0]
    assert email not in {row[0] for row in logged(sample)}


def test_file_that_was_altered_starts_nobodys_grace(
    shop: Project, pads: Pads, sample: House
) -> None:
    lease = hand_over(shop, pads)
    with path_of(shop.settings, lease).open("a") as file:
        file.write("somebody@example.com,,,,,,,,\n")
    with pytest.raises(DeliveryError, match="is not the file that was handed over"):
        start_grace(shop, lease, T, pads)
    assert logged(sample) == []


def test_texts_go_with_the_file(shop: Project, pads: Pads) -> None:
    lease, _ = start_grace(shop, hand_over(shop, pads), T, pads)
    folder = shop.settings.leases / "notice-1"
    assert {p.name for p in folder.iterdir()} == {
        "recipients.csv", "digests.parquet", "lease.json", "notice.ja.txt", "notice.en.txt",
    }  # fmt: skip
    (standing,) = look_after(shop, pads)
    assert standing.problems == ()
    expire(shop.settings, lease.expires_at, pads)
    assert {p.name for p in folder.iterdir()} == {"digests.parquet", "lease.json"}


# Who writes the log.


def test_where_the_tool_keeps_the_log_nothing_is_written_into_it(
    shop: Project, pads: Pads, sample: House
) -> None:
    name = "source.kigen.mailing.messages"
    source = shop.manifest["sources"][name]
    kigen = source["config"]["meta"]["kigen"]
    log = {**kigen["message_log"], "notices_by": "tool"}
    changed = {**source, "config": {"meta": {"kigen": {**kigen, "message_log": log}}}, "meta": {}}
    manifest = {**shop.manifest, "sources": {**shop.manifest["sources"], name: changed}}
    by_tool = replace(shop, manifest=manifest)
    lease = hand_over(by_tool, pads)
    assert start_grace(by_tool, lease, T, pads) == (lease, 0)
    assert logged(sample) == []
    (standing,) = look_after(by_tool, pads)
    assert standing.problems == ()


def test_log_whose_key_is_too_narrow_is_refused_before_anything_is_handed_over(
    shop: Project, pads: Pads, sample: House
) -> None:
    sample.execute("alter table mailing.messages alter message_id type integer")
    terms = terms_of(shop, "notice-1", NOTICE, "", "csv", "P7D")
    with pytest.raises(NoticeError, match=r"mailing.messages.message_id is INTEGER"):
        expect_notice(shop, terms, T, pads)


def test_campaign_keeps_the_message_class_it_was_sent_with(shop: Project) -> None:
    as_notice = terms_of(shop, "newsletter-spring", NOTICE, "", "csv", "P7D")
    with pytest.raises(
        DeliveryError, match="sent before with another message class than service_notice"
    ):
        expect_message_class(shop, as_notice)
    expect_message_class(
        shop, terms_of(shop, "newsletter-spring", "audience_newsletter_email", "", "csv", "P7D")
    )
    log = message_log_of(shop)
    assert log is not None
    assert (log.name, log.is_written_by_hand_over) == ("mailing.messages", True)


# After it.


def test_mail_after_the_last_notice_is_seen(sample: House) -> None:
    def red() -> list[tuple[Any, ...]]:
        built = sample.dbt("build", "--select", "proof_mail_after_notice", as_of=T)
        assert built.success, failures(built)  # It warns.
        return sample.rows("select message_id from proofs.proof_mail_after_notice")

    assert red() == []
    # 1082 is in grace since two days before T.
    sample.execute(
        "insert into mailing.messages select 9990, 'sale', 'marketing', 'newsletter', email, "
        f"timestamp '{T - DAY}' from shop.members where member_id = 1082",
        "insert into mailing.messages select 9991, 'sale', 'marketing', 'newsletter', email, "
        f"timestamp '{T - 3 * DAY}' from shop.members where member_id = 1082",
    )
    assert red() == [(9990,)]


# The text.


def test_text_says_what_when_and_how_to_keep_it_in_both_languages(shop: Project) -> None:
    texts = texts_of(shop)
    assert set(texts) == {"ja", "en"}
    for language, text in texts.items():
        assert f"{{{{ delete_on_{language} }}}}" in text
        assert f"{{{{ data_categories_{language} }}}}" in text
        assert "https://shop.example.com/login" in text
        assert SEPARATOR not in text
    assert "最後のメール" in texts["ja"]
    assert "the last mail you get from us" in texts["en"]


def test_advertising_stands_below_where_the_policy_allows_it_and_only_there(shop: Project) -> None:
    line = {"notice_advertising_ja": "新商品の味噌が半額です。"}
    assert texts_of(with_settings(shop, **line)) == texts_of(shop)
    allowed = texts_of(with_settings(shop, notice_advertising="yes", **line))
    above, below = allowed["ja"].split(SEPARATOR)
    assert above.strip() == texts_of(shop)["ja"].strip()
    assert below.strip() == line["notice_advertising_ja"]
    assert allowed["en"] == texts_of(shop)["en"]
    with pytest.raises(NoticeError, match="notice_advertising_en is longer than the notice"):
        texts_of(with_settings(shop, notice_advertising="yes", notice_advertising_en="Buy! " * 500))


GOOD = "We delete {{ data_categories_en }} on {{ delete_on_en }}. Log in: https://shop.example.com/login"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace("{{ delete_on_en }}", "soon"), "does not say from which day"),
        (GOOD.replace("{{ data_categories_en }}", "it"), "does not say what"),
        (GOOD + " {{ first_name }}", "asks for first_name"),
        (GOOD + " See https://shop.example.com/new", "has the link https://shop.example.com/new"),
        (GOOD + " Our SALE is on.", "says 'SALE'"),
        (GOOD + " With 20 % off.", "says '20 %'"),
        (GOOD + " 今なら５００円引き", "says '500円'"),
        (GOOD + " クーポンをお送りします", "says 'クーポン'"),
        (GOOD + " Only €5!", "says '€5'"),
    ],
)
def test_text_that_is_no_notice_or_sells_is_refused(text: str, said: str) -> None:
    check_notice(GOOD, "en", "it", keep_url="https://shop.example.com/login")
    with pytest.raises(NoticeError, match=said):
        check_notice(text, "en", "it", keep_url="https://shop.example.com/login")


def test_team_may_word_it_itself_and_is_held_to_the_same(shop: Project, tmp_path: Path) -> None:
    seed = "seed.kigen.policy_deletion_classes"
    node = {
        **shop.manifest["nodes"][seed],
        "root_path": str(tmp_path),
        "original_file_path": "p.csv",
    }
    own = replace(shop, manifest={**shop.manifest, "nodes": {**shop.manifest["nodes"], seed: node}})
    (tmp_path / "deletion_notice.en.txt").write_text(GOOD)
    assert texts_of(own) == {**texts_of(shop), "en": GOOD}
    (tmp_path / "deletion_notice.en.txt").write_text(GOOD + " Buy now!")
    with pytest.raises(NoticeError, match="says 'Buy now'"):
        texts_of(own)
