"""An audience handed over for a campaign: judged at that moment, once, for a time, and looked after."""

from __future__ import annotations

import csv
import os
import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from orchestration import leases as leases_module
from orchestration.keys import Pads, digest, digest_sql, rotated, write_pads
from orchestration.leases import (
    DeliveryError,
    Lease,
    Terms,
    expect_unknown,
    expire,
    issue,
    keep,
    lease_of,
    leases_of,
    look_after,
    path_of,
    revoke_path,
    terms_of,
)
from orchestration.project import Project
from orchestration.seals import tidy
from tests.conftest import T
from tests.house import House, failures
from tests.kigen import call

NEWSLETTER = "audience_newsletter_email"
NOTICE = "audience_deletion_notice"
LEGAL = "audience_legal_notice"
MARKETING = "marketing.communications.email"
WEEK = timedelta(days=7)


def terms(shop: Project, campaign: str = "autumn", **more: str) -> Terms:
    asked = {"audience": NEWSLETTER, "purpose": "", "file_format": "csv", "period": "P7D", **more}
    return terms_of(shop, campaign, **asked)


def hand_over(shop: Project, pads: Pads, campaign: str = "autumn", **more: str) -> Lease:
    return issue(shop, terms(shop, campaign, **more), T, T, "somebody", pads)


def addresses(path: Path) -> list[str]:
    """The addresses of a recipients' file or a revoke list."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return [row["email"] for row in csv.DictReader(file)]
    with duckdb.connect() as connection:
        rows = connection.execute("select email from read_parquet(?) order by email", [str(path)])
        return [email for (email,) in rows.fetchall()]


def audience(house: House) -> list[str]:
    return [
        email for (email,) in house.rows(f"select email from audiences.{NEWSLETTER} order by email")
    ]


# The story, by the public door.


def withdraw(house: House, email: str) -> None:
    """The person says no, an hour before T: after last night's build."""
    house.execute(
        "insert into shop.consent_events by name select (select max(event_id) + 1 from shop.consent_events) "
        f"as event_id, '{email}' as email, '{MARKETING}' as purpose, 'refused' as status, "
        f"timestamp '{T - timedelta(hours=1)}' as occurred_at, 'support' as source"
    )


def test_campaign_linked_to_an_old_list_gets_only_who_may_be_written_to_now(sample: House) -> None:
    """And asked three times, it gets one file with one set of recipients (acceptance 4 and 5)."""
    first, second, *_ = audience(sample)
    withdraw(sample, first)
    assert first in audience(sample)  # Last night's table does not know it yet.
    old = [
        email
        for (email,) in sample.rows(
            "select distinct email from shop.members where email is not null"
        )
    ]
    sample.execute(
        f"insert into mailing.delivery_lists values (99, 'autumn', '{MARKETING}', timestamp '{T}')",
        *(
            f"insert into mailing.delivery_list_recipients values (99, {number}, null, '{email}', null, null)"
            for number, email in enumerate(old)
        ),
    )
    told = {"KIGEN_WAREHOUSE": str(sample.warehouse), "KIGEN_AS_OF": T.isoformat()}

    def ask(*more: str) -> str:
        said = call("deliver", "autumn", "--audience", NEWSLETTER, *more, home=sample.home, **told)
        assert said.returncode == 0, said.stdout + said.stderr
        assert "@example" not in said.stdout + said.stderr
        return said.stdout

    said = ask("--by", "the mail team")
    folder = sample.home / "leases" / "autumn"
    file = folder / "recipients.csv"
    assert addresses(file) == audience(sample)
    assert first not in addresses(file)
    assert second in addresses(file)
    assert len(addresses(file)) < len(old)
    assert (
        f"{file}: {len(addresses(file))} recipients of {NEWSLETTER}, until 2026-11-09T03:00:00"
        in said
    )
    assert sample.rows(
        "select campaign_id, purpose, message_class, recipient_count, issued_by, problem from delivery.leases"
    ) == [
        ("autumn", MARKETING, "marketing", len(addresses(file)), "the mail team", None)
    ]  # fmt: skip
    before = (file.read_bytes(), file.stat().st_mtime_ns)
    assert "handed over before, the same" in ask()

    withdraw(sample, second)
    said = ask()
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before
    assert f"1 of them must not be written to any more: {folder / 'revoke.csv'}" in said
    assert addresses(folder / "revoke.csv") == [second]
    assert {path.name for path in folder.iterdir()} == {
        "recipients.csv", "revoke.csv", "digests.parquet", "lease.json",
    }  # fmt: skip


def test_nothing_is_handed_over_by_a_moment_that_has_not_come(sample: House) -> None:
    """A lease of tomorrow would outlive its time, and a grace of tomorrow would be no grace."""
    told = {"KIGEN_WAREHOUSE": str(sample.warehouse), "KIGEN_AS_OF": "2126-01-01T00:00:00"}
    said = call("deliver", "autumn", "--audience", NEWSLETTER, home=sample.home, **told)
    assert said.returncode == 1
    assert "later than now, and nothing is handed over by a date that has not come" in said.stdout
    assert not (sample.home / "leases").exists()


# What is asked for.


@pytest.mark.parametrize(
    ("campaign", "asked", "said"),
    [
        ("../autumn", {}, "The campaign id is '../autumn'"),
        ("", {}, "The campaign id is ''"),
        ("autumn", {"audience": "everybody"}, f"no audience 'everybody'; there are: {NOTICE}, {LEGAL}, {NEWSLETTER}"),
        ("autumn", {"audience": NOTICE, "purpose": MARKETING}, "message class service_notice), and not for"),
        ("autumn", {"audience": LEGAL}, "a legal notice, which needs a list somebody approved"),
        ("autumn", {"breach_id": "b"}, f"{NEWSLETTER} is of message class marketing, and the list of a breach"),
        ("autumn", {"purpose": "marketing.communications.sms"}, f"is for {MARKETING}"),
        ("autumn", {"file_format": "xlsx"}, "The format is 'xlsx'; allowed: csv, parquet"),
        ("autumn", {"period": "a week"}, "The lease is to run 'a week', which is not an ISO 8601"),
        ("autumn", {"period": "P0D"}, "which is no time at all"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(
    shop: Project, campaign: str, asked: dict[str, str], said: str
) -> None:
    with pytest.raises(DeliveryError, match=re.escape(said)):
        terms(shop, campaign, **asked)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"audience": NOTICE}, f"audience '{NEWSLETTER}', not '{NOTICE}'; purpose '{MARKETING}', not"),
        ({"file_format": "parquet"}, "file_format 'csv', not 'parquet'"),
        ({"period": "P30D"}, "period 'P7D', not 'P30D'"),
    ],
)  # fmt: skip
def test_campaign_is_not_handed_over_for_something_else(
    shop: Project, pads: Pads, asked: dict[str, str], said: str
) -> None:
    lease = hand_over(shop, pads)
    assert lease_of(shop, terms(shop), T, pads) == lease
    with pytest.raises(DeliveryError, match=re.escape(said)):
        lease_of(shop, terms(shop, **asked), T, pads)


# What is written.


def test_lease_is_for_its_owner_and_remembers_its_recipients_by_keyed_digest(
    shop: Project, pads: Pads, sample: House
) -> None:
    lease = hand_over(shop, pads)
    folder = shop.settings.leases / "autumn"
    assert [path.stat().st_mode & 0o777 for path in (shop.settings.leases, folder)] == [0o700] * 2
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    people = audience(sample)
    assert (lease.recipients, lease.expires_at) == (len(people), T + WEEK)
    with duckdb.connect() as connection:
        kept = connection.execute(
            "from read_parquet(?)", [str(folder / "digests.parquet")]
        ).fetchall()
    assert sorted(kept) == sorted((digest(email, pads),) for email in people)
    record = (folder / "lease.json").read_text()
    assert not any(email in record for email in people)
    assert leases_of(shop.settings, pads) == (lease,)


def test_digests_are_python_s_also_with_a_key_on_top(tmp_path: Path, pads: Pads) -> None:
    for made in (pads, rotated(pads, b"another key"), rotated(rotated(pads, b"one"), b"two")):
        write_pads(tmp_path / "key.duckdb", made, replaces=True)
        with duckdb.connect() as connection:
            connection.execute(f"attach '{tmp_path / 'key.duckdb'}' as kigen_key (read_only)")
            query = f"select {digest_sql('text', made)} from (select 'A@b' as text) cross join kigen_key.pads"
            assert connection.execute(query).fetchall() == [(digest("A@b", made),)]


def test_two_hand_overs_at_once_end_with_one_lease(shop: Project, pads: Pads) -> None:
    children = []
    for team in range(4):
        child = os.fork()
        if child == 0:
            # A process of its own: of what it was forked from it must not run anything more.
            try:
                issue(shop, terms(shop), T, T + timedelta(seconds=team), f"team {team}", pads)
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    (lease,) = leases_of(shop.settings, pads)
    assert lease.issued_by.startswith("team ")
    assert [path.name for path in shop.settings.leases.iterdir()] == ["autumn"]
    (standing,) = look_after(shop, pads)
    assert (standing.problems, standing.revoked) == ((), 0)


def test_hand_over_that_dies_leaves_no_lease_and_its_half_is_taken_away(
    shop: Project, pads: Pads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill: nothing is cleaned up by who died."""

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(leases_module, "_write", die)
        patched.setattr(leases_module.shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            hand_over(shop, pads)
    (half,) = shop.settings.leases.iterdir()
    assert (half / "recipients.csv").exists()
    assert leases_of(shop.settings, pads) == ()
    assert lease_of(shop, terms(shop), T, pads) is None
    assert tidy(shop.settings.leases) == 1
    assert list(shop.settings.leases.iterdir()) == []
    assert hand_over(shop, pads).recipients > 0


# What becomes of it.


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_who_is_out_since_stands_in_the_revoke_list_and_nobody_else(
    shop: Project, pads: Pads, sample: House, file_format: str
) -> None:
    lease = hand_over(shop, pads, file_format=file_format)
    (standing,) = look_after(shop, pads)
    assert (standing.problems, standing.revoked) == ((), 0)
    assert not revoke_path(shop.settings, lease).exists()
    out = audience(sample)[:2]
    sample.execute(f"delete from audiences.{NEWSLETTER} where email in {tuple(out)}")
    (standing,) = look_after(shop, pads)
    assert (standing.problems, standing.revoked) == ((), 2)
    assert addresses(revoke_path(shop.settings, lease)) == out
    assert revoke_path(shop.settings, lease).stat().st_mode & 0o777 == 0o600
    keep(shop, (standing,), pads)
    built = sample.dbt("build", "--select", "proof_lease_stale", as_of=T)
    assert built.success, failures(built)
    assert sample.rows("from proofs.proof_lease_stale") == [("autumn", NEWSLETTER, 2)]


def test_file_goes_when_its_time_is_up_and_the_campaign_is_not_handed_over_again(
    shop: Project, pads: Pads, sample: House
) -> None:
    lease = hand_over(shop, pads)
    hand_over(shop, pads, "winter", period="P30D")
    sample.execute(f"delete from audiences.{NEWSLETTER} where email = '{audience(sample)[0]}'")
    look_after(shop, pads)
    assert expire(shop.settings, T + WEEK - timedelta(seconds=1), pads) == ()
    assert [each.terms.campaign_id for each in expire(shop.settings, T + WEEK, pads)] == ["autumn"]
    folder = shop.settings.leases / "autumn"
    assert {path.name for path in folder.iterdir()} == {"lease.json", "digests.parquet"}
    assert path_of(shop.settings, leases_of(shop.settings, pads)[1]).exists()
    with pytest.raises(DeliveryError, match="ran until 2026-11-09T03:00:00"):
        lease_of(shop, terms(shop), T + WEEK, pads)
    keep(shop, look_after(shop, pads), pads)
    assert sample.rows("select campaign_id, removed_at, problem from delivery.leases order by 1") == [
        ("autumn", T + WEEK, None), ("winter", None, None),
    ]  # fmt: skip
    # The digests go, too, once the log of what was sent would.
    expire(shop.settings, T + timedelta(days=3 * 366 + 8), pads)
    assert {path.name for path in folder.iterdir()} == {"lease.json"}
    # A list that is put back is seen.
    path_of(shop.settings, lease).write_text("email\n")
    standing = {each.lease.terms.campaign_id: each for each in look_after(shop, pads)}["autumn"]
    assert standing.problems == ("recipients.csv is back after its end",)


def harm_file(folder: Path) -> None:
    with (folder / "recipients.csv").open("a") as file:
        file.write("somebody@example.com,1,2026-01-01\n")


def take_file(folder: Path) -> None:
    (folder / "recipients.csv").unlink()


def link_file(folder: Path) -> None:
    os.link(folder / "recipients.csv", folder.parent.parent / "elsewhere.csv")


def open_file(folder: Path) -> None:
    (folder / "recipients.csv").chmod(0o644)


def copy_file(folder: Path) -> None:
    (folder / "recipients copy.csv").write_bytes((folder / "recipients.csv").read_bytes())


def garble_file(folder: Path) -> None:
    (folder / "recipients.csv").write_bytes(b'\xff\xfe"\n\x00,,')


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (harm_file, "recipients.csv was altered"),
        (take_file, "recipients.csv is gone before its end"),
        (link_file, "recipients.csv has another name elsewhere on the disk"),
        (open_file, "recipients.csv may be read by others than its owner"),
        (copy_file, "recipients copy.csv lies beside it, and nobody handed it over"),
        (garble_file, "recipients.csv was altered"),
    ],
)
def test_file_that_is_not_as_it_was_is_reported(
    shop: Project, pads: Pads, sample: House, harm: object, said: str
) -> None:
    hand_over(shop, pads)
    assert callable(harm)
    harm(shop.settings.leases / "autumn")
    standings = look_after(shop, pads)
    assert standings[0].problems == (said,)
    # Who was written in by hand is nobody who may be written to.
    assert standings[0].revoked == {
        "harm_file": 1, "garble_file": standings[0].lease.recipients,
    }.get(harm.__name__, 0)  # fmt: skip
    keep(shop, standings, pads)
    built = sample.dbt("build", "--select", "proof_lease_altered", as_of=T)
    assert failures(built) == ["no_lease_is_altered_or_copied: fail"]
    assert sample.rows("from proofs.proof_lease_altered") == [("autumn", NEWSLETTER, said)]


def test_copy_in_the_lease_of_another_campaign_is_reported(
    shop: Project, pads: Pads, sample: House
) -> None:
    old = hand_over(shop, pads)
    sample.execute(f"delete from audiences.{NEWSLETTER} where email = '{audience(sample)[0]}'")
    new = hand_over(shop, pads, "winter")
    path_of(shop.settings, new).write_bytes(path_of(shop.settings, old).read_bytes())
    found = {each.lease.terms.campaign_id: each.problems for each in look_after(shop, pads)}
    assert found["autumn"] == ("its copy lies in the lease of campaign winter",)
    assert found["winter"] == ("recipients.csv was altered",)


def test_record_written_by_another_hand_is_refused_and_others_go_on(
    shop: Project, pads: Pads, sample: House
) -> None:
    lease, other = hand_over(shop, pads), hand_over(shop, pads, "winter")
    record = shop.settings.leases / "autumn" / "lease.json"
    record.write_text(record.read_text().replace("2026-11-09T03", "2036-11-09T03"))
    said = re.escape(f"{record} is not the record")
    with pytest.raises(DeliveryError, match=said):
        lease_of(shop, terms(shop), T, pads)
    with pytest.raises(DeliveryError, match=said):
        expire(shop.settings, T + WEEK, pads)
    assert path_of(shop.settings, lease).exists()
    assert not path_of(shop.settings, other).exists()
    keep(shop, look_after(shop, pads), pads)
    keep(shop, look_after(shop, pads), pads)
    assert sample.rows("select campaign_id, problem from delivery.leases order by 1") == [
        ("autumn", "its record was altered"), ("winter", None),
    ]  # fmt: skip


def test_record_outlives_a_rotated_key(shop: Project, pads: Pads) -> None:
    lease = hand_over(shop, pads)
    after = rotated(pads, b"a new key")
    assert leases_of(shop.settings, after) == (lease,)
    assert expire(shop.settings, T + WEEK, after) == (replace(lease, removed_at=T + WEEK),)
    assert leases_of(shop.settings, after)[0].removed_at == T + WEEK


def test_lease_whose_folder_is_gone_is_remembered(shop: Project, pads: Pads, sample: House) -> None:
    hand_over(shop, pads)
    keep(shop, look_after(shop, pads), pads)
    leases_module.shutil.rmtree(shop.settings.leases / "autumn")
    assert lease_of(shop, terms(shop), T, pads) is None
    with pytest.raises(DeliveryError, match="Campaign autumn was handed over at 2026-11-02"):
        expect_unknown(shop, "autumn")
    expect_unknown(shop, "winter")
    keep(shop, look_after(shop, pads), pads)
    keep(shop, look_after(shop, pads), pads)
    assert sample.rows("select campaign_id, problem from delivery.leases") == [
        ("autumn", "its folder is gone")
    ]


def test_expiry_is_counted_from_the_moment_it_was_judged_by(shop: Project, pads: Pads) -> None:
    lease = issue(shop, terms(shop, period="P1M"), datetime(2026, 1, 31), T, "somebody", pads)
    assert lease.expires_at == datetime(2026, 2, 28)


def test_nightly_run_takes_away_what_has_ended_and_looks_after_the_rest(
    shop: Project, pads: Pads, sample: House
) -> None:
    ended, running = hand_over(shop, pads), hand_over(shop, pads, "winter", period="P30D")
    half = shop.settings.leases / ".spring.0123"
    half.mkdir()
    (half / "recipients.csv").write_text("email\nsomebody@example.com\n")
    at = T + WEEK + timedelta(days=1)
    places = {"KIGEN_WAREHOUSE": str(sample.warehouse), "KIGEN_AS_OF": at.isoformat()}
    said = call("run", home=sample.home, **places)
    assert said.returncode == 0, said.stdout + said.stderr
    assert not half.exists()
    assert not path_of(shop.settings, ended).exists()
    # Who was purged, or may not be written to any more since, is in the file that still runs.
    out = set(addresses(path_of(shop.settings, running))) - set(audience(sample))
    assert out
    assert set(addresses(revoke_path(shop.settings, running))) == out
    assert f"warns proof_lease_stale: {1}" in said.stdout
    assert sample.rows(
        "select campaign_id, removed_at, revoked_count, problem from delivery.leases order by 1"
    ) == [("autumn", at, 0, None), ("winter", None, len(out), None)]
