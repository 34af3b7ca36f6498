"""Requests of people: what became of each, by when; and everything held on one verified person, for that person."""

from __future__ import annotations

import json
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from orchestration import disclosures
from orchestration.declarations import DeclarationError, load
from orchestration.disclosures import (
    Disclosure,
    DisclosureError,
    RequestName,
    close,
    disclosure_of,
    expire,
    folder_of,
    issue,
    request_named,
)
from orchestration.keys import Pads, read_pads, rotated
from orchestration.leases import issue as hand_over
from orchestration.leases import terms_of
from orchestration.pages_server import server
from orchestration.project import Project
from orchestration.seals import tidy
from orchestration.summary import summarise
from orchestration.warehouse import connect
from tests.conftest import T, copy_of, seen_from
from tests.house import RAW_TABLES, House, failures
from tests.kigen import call, files_that_hold

TABLE = "shop.erasure_requests"
DAY = timedelta(days=1)
MAILBOX = "douwa.hikari@example.com"
NAME = "童話 <script>alert('ひかり')</script>"
FULL_WIDTH = "ＤＯＵＷＡ．ｈｉｋａｒｉ＠ｅｘａｍｐｌｅ．ｃｏｍ"


def row(table: str, **values: object) -> str:
    """A row of a raw table; columns that are not given are null."""
    told = ", ".join(
        f"timestamp '{value}' as {name}"
        if isinstance(value, datetime)
        else f"{value} as {name}"
        if isinstance(value, int)
        else "'" + str(value).replace("'", "''") + f"' as {name}"
        for name, value in values.items()
    )
    return f"insert into {table} by name select {told}"


def request(request_id: int, **values: object) -> str:
    """A request to disclose, made four days before T."""
    asked = {"kind": "disclose", "requested_at": T - 4 * DAY}
    return row(TABLE, request_id=request_id, **{**asked, **values})


VERIFIED = {"identity_verified_at": T - DAY, "verification_method": "copy of an identity card"}

# 1011 has a member row, an order, a consent event, a row of the old site and one on a list. The rest stands here.
PLANTED = [
    f"update shop.members set full_name = '{NAME.replace(chr(39), chr(39) * 2)}' where member_id = 1011",
    row("shop.orders", order_id=8001, email=FULL_WIDTH, recipient_name="童話 客", ordered_at=T - 9 * DAY),
    row("shop.orders", order_id=8002, member_id=1011, email="gift@example.com", ordered_at=T - 8 * DAY),
    row("mailing.messages", message_id=8003, email=f" {MAILBOX.upper()} ", kind="newsletter", sent_at=T - DAY),
    row("mailing.delivery_list_recipients", list_id=2, recipient_no=801, email=MAILBOX, full_name="童話 ひかり"),
    row("legal.holds", hold_id=801, member_id=1011, table_name="shop.orders", reason="a dispute", placed_at=T - DAY),
    # Another account was made from the same row of the old site as 1012; and mailbox family1 is that of two.
    "update shop.members set legacy_customer_id = 302 where member_id = 1014",
    row("shop.orders", order_id=8004, email="family1@example.org", recipient_name="名無 客", ordered_at=T - 9 * DAY),
    row("mailing.messages", message_id=8005, email="family1@example.org", kind="newsletter", sent_at=T - DAY),
    row("legacy_shop.customers", customer_id=8006, email="family1@example.org", name01="見本"),
    "update shop.members set legacy_customer_id = 8006 where member_id = 1037",
    # Two rows with one key, one of them 1011's and one of nobody known.
    row("shop.orders", order_id=8007, email=MAILBOX, ordered_at=T - 9 * DAY),
    row("shop.orders", order_id=8007, email="stranger@example.net", ordered_at=T - 9 * DAY),
    # Two rows with one key, both of an account: each is its own account's.
    row("shop.orders", order_id=8008, member_id=1011, recipient_name="童話", ordered_at=T - 9 * DAY),
    row("shop.orders", order_id=8008, member_id=1010, recipient_name="絵本", ordered_at=T - 9 * DAY),
    request(101, member_id=1011, **VERIFIED),
    request(102, member_id=1011),
    request(103, member_id=1011, identity_verified_at=T + DAY),
    request(104, member_id=1011, **VERIFIED, closed_at=T - DAY, outcome="refused"),
    request(105, member_id=1011, **VERIFIED, closed_at=T + DAY, outcome="refused"),
    f"insert into {TABLE} by name select 106 as request_id, 1011 as member_id, 'disclose' as kind, "
    f"timestamp 'infinity' as requested_at, timestamp '{T - DAY}' as identity_verified_at",
    request(107, member_id=1011, **VERIFIED),
    request(107, member_id=1010, **VERIFIED),
    request(108, **VERIFIED),
    request(109, member_id=9001, **VERIFIED),
    request(110, member_id=1036, **VERIFIED),
    request(111, member_id=1036, email="Family1@example.org", **VERIFIED),
    request(112, member_id=1010, email="family1@example.org", **VERIFIED),
    request(113, email="family1@example.org", **VERIFIED),
    request(114, email="guest.asks@example.com", **VERIFIED),
    request(115, member_id=1012, **VERIFIED),
    request(116, member_id=1011, kind="stop_use", **VERIFIED),
    request(117, member_id=1011, requested_at=T + DAY),
    request(118, member_id=99118, **VERIFIED),
    row("shop.members", member_id=99118, email="twice@example.com", status="active", registered_at=T - 9 * DAY),
    row("shop.members", member_id=99118, email="thrice@example.com", status="active", registered_at=T - 9 * DAY),
]  # fmt: skip


@pytest.fixture(scope="module")
def asked_template(template: House, tmp_path_factory: pytest.TempPathFactory) -> House:
    """The sample shop with requests to disclose, built at T."""
    house = copy_of(template, tmp_path_factory.mktemp("asked") / "data")
    house.execute(*PLANTED)
    house.build(T)
    return house


@pytest.fixture
def asked(asked_template: House, tmp_path: Path) -> House:
    return copy_of(asked_template, tmp_path / "data")


@pytest.fixture
def shop(parsed: Project, asked: House) -> Project:
    return seen_from(parsed, asked)


def disclose(shop: Project, pads: Pads, key: int) -> Disclosure:
    return issue(shop, request_named(shop, str(key)), T, "somebody", pads)


def folder(shop: Project, key: int) -> Path:
    return folder_of(shop.settings, request_named(shop, str(key)))


def document(shop: Project, key: int) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder(shop, key) / "disclosure.json").read_bytes())
    return read


def plain(value: object) -> object:
    """A raw value as JSON has it, said a second time here."""
    if isinstance(value, datetime):
        return str(value).replace(" ", "T")
    return str(value) if isinstance(value, date | Decimal) else value


def raw(house: House, table: str, where: str) -> list[dict[str, object]]:
    columns = RAW_TABLES[table]
    rows = house.rows(f"select {', '.join(columns)} from {table} where {where} order by all")
    return [dict(zip(columns, map(plain, each), strict=True)) for each in rows]


def by_text(rows: list[dict[str, object]]) -> list[str]:
    return sorted(json.dumps(each, sort_keys=True) for each in rows)


def told(shop: Project, key: int) -> dict[str, list[str]]:
    return {
        table["table"]: by_text([record["values"] for record in table["records"]])
        for table in document(shop, key)["tables"]
    }


# What is found.


def test_disclosure_holds_every_row_of_the_person_and_no_other(
    shop: Project, pads: Pads, asked: House
) -> None:
    made = disclose(shop, pads, 101)
    expected = {
        table: by_text(raw(asked, table, where))
        for table, where in {
            "shop.members": "member_id = 1011",
            # 8007 stands twice, and the other row is somebody else's.
            "shop.orders": f"member_id = 1011 or (order_id = 8001 and email = '{FULL_WIDTH}')",
            "shop.consent_events": "member_id = 1011",
            TABLE: "member_id = 1011",
            "legacy_shop.customers": "customer_id = 301",
            "mailing.delivery_list_recipients": f"member_id = 1011 or email = '{MAILBOX}'",
            "mailing.messages": f"lower(trim(email)) = '{MAILBOX}'",
            "legal.holds": "member_id = 1011",
        }.items()
    }
    assert told(shop, 101) == expected
    assert all(expected.values())
    assert made.records == {table: len(rows) for table, rows in expected.items()}
    assert made.left_out == {"a key that stands twice": 1}
    # Of everybody else there is no name, address or mailbox in it.
    text = (folder(shop, 101) / "disclosure.json").read_text()
    others = asked.rows(
        "select full_name, full_name_kana, email, street_address, phone from shop.members where member_id <> 1011"
    )
    own = set(map(str, asked.rows("from shop.members where member_id = 1011")[0]))
    named = {str(value) for each in others for value in each if value} - own
    assert [value for value in named if f'"{value}"' in text] == []


def test_record_says_what_it_is_and_until_when_it_is_kept(shop: Project, pads: Pads) -> None:
    disclose(shop, pads, 101)
    found = document(shop, 101)
    tables = {table["table"]: table for table in found["tables"]}
    members = tables["shop.members"]
    assert members["description"].startswith("The member register")
    assert members["columns"]["birth_date"]["data_category"] == "user.demographic.date_of_birth"
    assert members["columns"]["birth_date"]["words"] == {"ja": "生年月日", "en": "date of birth"}
    assert members["columns"]["status"]["data_category"] is None
    (member,) = members["records"]
    (kept,) = member["classes"]
    assert (kept["deletion_class"], kept["state"], kept["is_held"]) == (
        "member_inactive",
        "active",
        False,
    )
    assert kept["deadline_at"] > found["as_of"] > kept["clock_at"]
    assert kept["legal_basis"]["en"].startswith("APPI art. 22")
    ways = {
        record["record_key"]: record["found_by"]
        for table in found["tables"]
        for record in table["records"]
    }
    assert (ways["1011"], ways["301"], ways["8003"]) == ("account", "former account", "contact")
    assert found["person"] == {"subject_key": "1011", "contacts": [MAILBOX]}
    marketing = [
        each
        for each in found["purposes"]
        if each["in_audiences"] and each["message_class"] == "marketing"
    ]
    assert [each["purpose"] for each in found["purposes"]] == list(shop.declarations.purposes)
    # Whoever asked to stop (116) is in no audience, and the digest of that is told in words.
    assert marketing == []
    assert {each["reason"] for each in found["suppressions"]} == {"stop_use"}
    assert [each["table"] for each in found["not_searched"]] == []


def test_nothing_of_a_third_person_in_a_shared_mailbox_is_disclosed(
    shop: Project, pads: Pads, asked: House
) -> None:
    """By the account alone: nothing that only the mailbox leads to. By both: as an erasure would reach."""
    made = disclose(shop, pads, 110)
    assert {table: len(rows) for table, rows in told(shop, 110).items()} == {
        "shop.members": 1, "shop.consent_events": 1, TABLE: 2,
    }  # fmt: skip
    assert made.left_out == {"a mailbox others are registered with": 4}
    assert document(shop, 110)["suppressions"] == []

    both = disclose(shop, pads, 111)
    found = told(shop, 111)
    assert found["shop.orders"] == by_text(raw(asked, "shop.orders", "order_id = 8004"))
    assert found["mailing.messages"] == by_text(raw(asked, "mailing.messages", "message_id = 8005"))
    # The old site's row with that mailbox is the other account's.
    assert "legacy_shop.customers" not in found
    assert both.left_out == {"the former row of another account": 1}
    # A record in that mailbox is told without dates: its clock may be an act of the other account, and what is
    # remembered of the mailbox may be of it, too.
    assert document(shop, 111)["suppressions"] == document(shop, 111)["memory"] == []
    shared = [
        each
        for table in document(shop, 111)["tables"]
        for record in table["records"]
        if record["is_in_shared_mailbox"]
        for each in record["classes"]
    ]
    assert {each["deletion_class"] for each in shared} >= {"guest_inactive", "consent_proof"}
    assert {(each["clock_at"], each["deadline_at"]) for each in shared} == {(None, None)}
    for key in (110, 111):
        text = (folder(shop, key) / "disclosure.json").read_text()
        assert "見本" not in text
        assert "1037" not in text


def test_former_row_that_two_accounts_name_is_left_out(shop: Project, pads: Pads) -> None:
    made = disclose(shop, pads, 115)
    assert "legacy_shop.customers" not in told(shop, 115)
    assert made.left_out == {"the former row of another account": 1}


def test_guest_gets_what_carries_the_mailbox(shop: Project, pads: Pads, asked: House) -> None:
    disclose(shop, pads, 114)
    found = told(shop, 114)
    assert found["shop.orders"] == by_text(
        raw(asked, "shop.orders", "email = 'guest.asks@example.com'")
    )
    assert len(found[TABLE]) == 2


def test_what_a_purge_remembers_is_told(parsed: Project, purged: House) -> None:
    """1106 was erased, and is kept out by the digest of the mailbox."""
    purged.execute(request(101, member_id=1106, email="ehon.ichiro@example.net", **VERIFIED))
    purged.build(T)
    shop = seen_from(parsed, purged)
    disclose(shop, read_pads(shop.settings.key), 101)
    found = document(shop, 101)
    assert "shop.members" not in {table["table"] for table in found["tables"]}
    assert {each["reason"] for each in found["suppressions"]} >= {"purge", "erase"}
    remembered = {table["table"]: table["rows"] for table in found["memory"]}
    assert remembered["memory.left_mailboxes"] == [{"left_at": plain(T)}]
    assert "digest" not in json.dumps(remembered)


def test_campaigns_the_person_was_handed_over_for_are_told(
    shop: Project, pads: Pads, asked: House
) -> None:
    asked.execute(
        f"insert into audiences.audience_newsletter_email values ('{MAILBOX}', 1011, timestamp '{T}')"
    )
    terms = terms_of(shop, "autumn", "audience_newsletter_email", "", "csv", "P7D")
    hand_over(shop, terms, T, T, "somebody", pads)
    disclose(shop, pads, 101)
    (told_of,) = document(shop, 101)["deliveries"]
    assert (told_of["campaign"], told_of["as_of"]) == ("autumn", "2026-11-02T03:00:00")
    disclose(shop, pads, 114)
    assert document(shop, 114)["deliveries"] == []


# Who is refused, before anything is read of the person.


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (99, "There is no such request"),
        (102, "is not verified by T"),
        (103, "is not verified by T"),
        (104, "is closed"),
        (105, "is closed"),
        (106, "has a value that cannot be read"),
        (107, "stands 2 times"),
        (108, "names neither an account nor a contact point"),
        (109, "finds nobody"),
        (112, "is that of another account"),
        (113, "is that of an account it does not name"),
        (116, "is none to disclose"),
        (117, "does not exist at T"),
        (118, "stands twice in its register"),
        (2, "is none to disclose"),
        (8, "is not verified by T"),
    ],
)
def test_request_that_may_not_be_disclosed_is_refused(
    shop: Project, pads: Pads, asked: House, key: int, said: str
) -> None:
    before = asked.rows(f"from {TABLE} order by all")
    with pytest.raises(DisclosureError, match=said) as refused:
        disclose(shop, pads, key)
    assert "@" not in str(refused.value)
    assert not shop.settings.disclosures.exists()
    assert asked.rows(f"from {TABLE} order by all") == before


def test_without_a_verified_identity_no_other_table_is_read(
    shop: Project, pads: Pads, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(disclosures, "find_person", never)
    monkeypatch.setattr(disclosures, "held_on", never)
    for key in (102, 103, 8):
        with pytest.raises(DisclosureError, match="not verified"):
            disclose(shop, pads, key)


def test_identity_that_will_be_verified_is_none(shop: Project, pads: Pads) -> None:
    later = datetime.now(UTC).replace(tzinfo=None) + DAY
    with pytest.raises(DisclosureError, match="later than now"):
        issue(shop, request_named(shop, "101"), later, "somebody", pads)


@pytest.mark.parametrize("typed", ["", " ", f"{TABLE}:"])
def test_request_without_a_key_is_refused(shop: Project, typed: str) -> None:
    with pytest.raises(DisclosureError, match="Name the key"):
        request_named(shop, typed)


def test_request_is_named_by_its_table_where_several_hold_requests(parsed: Project) -> None:
    assert str(request_named(parsed, f"{TABLE}:12")) == str(request_named(parsed, "12"))
    governed = dict(parsed.declarations.governed)
    governed["shop.orders"] = governed["shop.orders"].model_copy(
        update={"requests": governed[TABLE].requests}
    )
    two = replace(
        parsed, declarations=parsed.declarations.model_copy(update={"governed": governed})
    )
    assert str(request_named(two, f"{TABLE}:12")) == f"{TABLE}:12"
    with pytest.raises(DisclosureError, match="write the table, too"):
        request_named(two, "12")
    with pytest.raises(DisclosureError, match="no column closed_at, outcome"):
        request_named(two, "shop.orders:12")


def test_columns_of_a_request_are_declared_and_checked(parsed: Project) -> None:
    def declared(requests: object) -> dict[str, Any]:
        manifest: dict[str, Any] = json.loads(json.dumps(parsed.manifest))
        source = manifest["sources"]["source.kigen.shop.erasure_requests"]
        for holder in (source, source["config"]):
            if "kigen" in holder.get("meta", {}):
                holder["meta"]["kigen"]["requests"] = requests
        return manifest

    columns = load(declared({"closed_at": "requested_at"})).governed[TABLE].requests
    assert columns is not None
    assert (columns.closed_at, columns.outcome) == ("requested_at", "outcome")
    assert load(declared(False)).governed[TABLE].requests is None
    with pytest.raises(DeclarationError, match=r"unknown requests.closed_at column 'done_at'"):
        load(declared({"closed_at": "done_at"}))
    with pytest.raises(DeclarationError, match=r"unknown key of meta.kigen 'requests.done'"):
        load(declared({"done": "closed_at"}))


# The files.


def test_files_are_whole_for_their_owner_alone_and_under_a_seal(
    shop: Project, pads: Pads, asked: House
) -> None:
    made = disclose(shop, pads, 101)
    place = folder(shop, 101)
    assert place == asked.home / "disclosures" / f"{TABLE}-101"
    assert {path.name for path in place.iterdir()} == {
        "disclosure.json", "disclosure.html", "record.json",
    }  # fmt: skip
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()} == {0o600}
    assert made.expires_at == T + timedelta(days=30)
    assert "童話" not in (place / "record.json").read_text()
    assert disclosure_of(shop.settings, request_named(shop, "101"), T, pads) == made
    # A rotated key reads it, and another hand does not write it.
    assert (
        disclosure_of(shop.settings, request_named(shop, "101"), T, rotated(pads, b"new")) == made
    )
    record = place / "record.json"
    record.write_text(record.read_text().replace("2026-12-02", "2036-12-02"))
    with pytest.raises(DisclosureError, match="is not the record"):
        disclosure_of(shop.settings, request_named(shop, "101"), T, pads)


def test_page_shows_values_as_text(shop: Project, pads: Pads) -> None:
    disclose(shop, pads, 101)
    page = (folder(shop, 101) / "disclosure.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(" in page
    assert "生年月日" in page
    assert "date of birth" in page
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.parametrize("key", ["../../etc", "a/b", "日本", "x" * 300, ".hidden", "-x"])
def test_folder_of_a_request_lies_where_it_should(shop: Project, key: str) -> None:
    name = RequestName(request_named(shop, "1").table, key)
    place = folder_of(shop.settings, name)
    assert place.parent == shop.settings.disclosures
    assert place.name.isascii()
    assert len(place.name) < 100
    assert not place.name.startswith(".")
    assert place != folder_of(shop.settings, replace(name, key=key + "_"))


def test_half_a_disclosure_is_none_and_is_taken_away(
    shop: Project, pads: Pads, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(disclosures, "write_sealed", dies)
    monkeypatch.setattr(disclosures.shutil, "rmtree", lambda *_, **__: None)
    with pytest.raises(KeyboardInterrupt):
        disclose(shop, pads, 101)
    monkeypatch.undo()
    assert disclosure_of(shop.settings, request_named(shop, "101"), T, pads) is None
    assert tidy(shop.settings.disclosures) == 1
    assert list(shop.settings.disclosures.iterdir()) == []


def test_altered_file_is_not_given_back(shop: Project, pads: Pads) -> None:
    disclose(shop, pads, 101)
    (folder(shop, 101) / "disclosure.html").write_text("somebody else")
    with pytest.raises(DisclosureError, match=r"disclosure.html is not the file"):
        disclosure_of(shop.settings, request_named(shop, "101"), T, pads)


def test_only_the_two_columns_of_the_request_are_written(shop: Project, asked: House) -> None:
    before = asked.shop()
    assert close(shop, request_named(shop, "101"), T)
    after = asked.shop()
    (closed,) = [each for each in after[TABLE] if each["request_id"] == 101]
    assert (closed["closed_at"], closed["outcome"]) == (T, "disclosed")
    for each in after[TABLE]:
        if each["request_id"] == 101:
            each.update(closed_at=None, outcome=None)
    assert after == before
    # What was closed, by whomever, stays as it was said.
    assert not close(shop, request_named(shop, "104"), T)
    assert not close(shop, request_named(shop, "105"), T)
    assert asked.shop()[TABLE][-1] == after[TABLE][-1]


def test_files_go_when_their_time_is_up_and_the_record_stays(shop: Project, pads: Pads) -> None:
    disclose(shop, pads, 101)
    disclose(shop, pads, 114)
    end = T + timedelta(days=30)
    assert expire(shop.settings, end - DAY, pads) == ()
    gone = expire(shop.settings, end, pads)
    assert [(each.request_key, each.removed_at) for each in gone] == [("101", end), ("114", end)]
    assert {path.name for path in folder(shop, 101).iterdir()} == {"record.json"}
    with pytest.raises(DisclosureError, match="lay there until 2026-12-02"):
        disclosure_of(shop.settings, request_named(shop, "101"), end, pads)
    # A file that is put back goes, too; a record nobody can read stops no other, and is told.
    (folder(shop, 101) / "disclosure.json").write_text("{}")
    (folder(shop, 114) / "record.json").write_text("{}")
    with pytest.raises(DisclosureError, match="is not the record"):
        expire(shop.settings, end + DAY, pads)
    assert {path.name for path in folder(shop, 101).iterdir()} == {"record.json"}


def test_how_long_they_lie_there_is_policy(shop: Project, pads: Pads) -> None:
    settings = {**shop.declarations.settings, "disclosure_period": "P1W"}
    shorter = replace(
        shop, declarations=shop.declarations.model_copy(update={"settings": settings})
    )
    assert disclose(shorter, pads, 101).expires_at == T + timedelta(days=7)


@pytest.fixture
def pages(shop: Project) -> Iterator[str]:
    with server(shop.settings, "127.0.0.1", 0) as served:
        thread = Thread(target=served.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{served.server_address[1]}"
        served.shutdown()


def test_no_page_of_kigen_serves_a_disclosure(shop: Project, pads: Pads, pages: str) -> None:
    disclose(shop, pads, 101)
    shop.settings.documents.mkdir()
    (shop.settings.documents / "page.html").write_text("a page")
    (shop.settings.documents / "linked").symlink_to(folder(shop, 101))
    assert urllib.request.urlopen(f"{pages}/documents/page.html").status == 200
    for path in (
        f"disclosures/{TABLE}-101/disclosure.html",
        f"documents/../disclosures/{TABLE}-101/disclosure.json",
        f"documents/%2e%2e/disclosures/{TABLE}-101/disclosure.json",
        "disclosures/",
    ):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{pages}/{path}")


# By the public door.


def test_kigen_discloses_once_and_says_no_value(shop: Project, asked: House) -> None:
    places = {"KIGEN_WAREHOUSE": str(asked.warehouse), "KIGEN_AS_OF": T.isoformat()}
    refused = call("disclose", "102", home=asked.home, **places)
    assert refused.returncode == 1
    assert "Refused: The identity behind request shop.erasure_requests:102" in refused.stdout
    typed = call("disclose", MAILBOX, home=asked.home, **places)
    assert typed.returncode == 1
    assert "There is no such request in shop.erasure_requests." in typed.stderr
    assert not shop.settings.disclosures.exists()

    said = call("disclose", "101", "--by", "the help desk", home=asked.home, **places)
    assert said.returncode == 0, said.stdout + said.stderr
    place = folder(shop, 101)
    count = sum(len(rows) for rows in told(shop, 101).values())
    assert f"{place}: {count} records of 8 tables, until 2026-12-02T03:00:00" in said.stdout
    assert "Left out, for they may be another's: 1: a key that stands twice." in said.stdout
    closed = asked.rows(f"select closed_at, outcome from {TABLE} where request_id = 101")
    assert closed == [(T, "disclosed")]

    # Killed between the files and the row: asking again gives the same files, and closes it.
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in place.iterdir()}
    asked.execute(f"update {TABLE} set closed_at = null, outcome = null where request_id = 101")
    again = call("disclose", f"{TABLE}:101", home=asked.home, **places)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "disclosed before, the same" in again.stdout
    assert before == {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in place.iterdir()
    }
    assert asked.rows(f"select closed_at, outcome from {TABLE} where request_id = 101") == closed

    values = {NAME, "童話", MAILBOX, "03-0000-1011", "架空町4-11", "gift@example.com", "ヒカリ"}
    spoken = [refused, typed, said, again]
    assert not any(v in each.stdout + each.stderr for v in values for each in spoken)
    held = files_that_hold(
        values, asked.home, but={"warehouse.duckdb", "disclosure.json", "disclosure.html"}
    )
    assert held == {}


# What became of each request.

STANDINGS = {
    "1": "waiting_for_identity", "2": "due", "3": "closed", "4": "erased", "5": "stopped",
    "6": "stopped", "7": "stopped", "8": "waiting_for_identity", "9": "waiting_for_identity",
    "10": "kept", "11": "due", "12": "waiting_for_identity", "13": "due", "14": "erased",
    "15": "closed", "16": "waiting_for_identity", "17": "closed",
}  # fmt: skip
AFTER_PURGE = {"2": "kept", "11": "erased", "13": "kept"}


def standings(house: House) -> dict[str, str]:
    return dict(house.rows("select request_key, standing from retention.request_standings"))


def outcomes(house: House) -> dict[str, list[str]]:
    return dict(
        house.rows(
            "select request_key, list(standing order by change_no) from retention.request_outcomes group by all"
        )
    )


def overdue(house: House) -> set[str]:
    return {key for (key,) in house.rows("select request_key from proofs.proof_request_overdue")}


def test_standing_of_each_request_of_the_sample(template: House, purged_template: House) -> None:
    assert standings(template) == STANDINGS
    assert standings(purged_template) == STANDINGS | AFTER_PURGE
    kept = "select request_key, kept_until, record_count from retention.request_standings where standing = 'kept'"
    # 10 is held, so nobody can say until when; of 2 and 13 a proof of consent is the last to go.
    assert sorted(purged_template.rows(kept)) == [
        ("10", None, 2), ("13", datetime(2028, 11, 2, 3), 1), ("2", datetime(2028, 11, 2, 3), 2),
    ]  # fmt: skip
    for house in (template, purged_template):
        assert house.rows("from retention.request_standings where is_overdue") == []


def test_change_of_a_standing_is_written_down_once(purged: House) -> None:
    expected = {key: [standing] for key, standing in STANDINGS.items()}
    for key, standing in AFTER_PURGE.items():
        expected[key].append(standing)
    assert outcomes(purged) == expected
    purged.build(T)
    purged.build(T + DAY)
    assert outcomes(purged) == expected
    # Not even `--full-refresh` makes the record anew.
    purged.execute(
        f"update {TABLE} set closed_at = timestamp '{T + DAY}', outcome = 'by phone' where request_id = 1",
        f"delete from {TABLE} where request_id = 3",
    )
    built = purged.dbt("run", "--full-refresh", "--select", "+request_outcomes", as_of=T + DAY)
    assert built.success, failures(built)
    expected["1"].append("closed")
    del expected["3"]
    assert outcomes(purged) == expected
    assert purged.rows(
        "select decided_at from retention.request_outcomes where request_key = '1' order by change_no"
    ) == [(T,), (T + DAY,)]
    # A past T, by which most requests do not exist yet, and one to come ask what if: nothing is added or forgotten.
    for what_if in (T - 30 * DAY, T + 36500 * DAY):
        assert purged.dbt("run", "--select", "+request_outcomes", as_of=what_if).success
        assert standings(purged) != expected
        assert outcomes(purged) == expected


def test_request_that_is_not_answered_in_time_turns_its_proof_red(sample: House) -> None:
    old = {"requested_at": T - 40 * DAY}
    sample.execute(
        request(201, member_id=1001, kind="erase", **old),
        request(202, member_id=1001, **old, **VERIFIED),
        request(203, member_id=1001, **old),
        # Verified late, and the purge has not been there yet.
        request(204, member_id=1002, kind="erase", **old, **VERIFIED),
        # Without any date: at once.
        row(TABLE, request_id=205, member_id=1001, kind="disclose"),
        # Nobody can read when, or tell which of two.
        f"insert into {TABLE} by name select 206 as request_id, 1001 as member_id, 'erase' as kind, "
        f"timestamp '{T - 40 * DAY}' as requested_at, timestamp 'infinity' as closed_at",
        # The account it names stands twice: no purge takes it.
        request(207, member_id=99207, kind="erase", **old, **VERIFIED),
        row("shop.members", member_id=99207, email="a@example.com", registered_at=T - 90 * DAY),
        row("shop.members", member_id=99207, email="b@example.com", registered_at=T - 90 * DAY),
        # In time, done, or in no need of anybody.
        request(208, member_id=1001),
        request(209, member_id=1001, **old, closed_at=T - DAY),
        request(210, member_id=1001, kind="stop_use", **old),
        request(211, member_id=1001, kind="unsubscribe", **old),
        request(212, member_id=99212, kind="erase", **old, **VERIFIED),
    )
    sample.build(T)
    asked = sample.dbt("build", "--select", "proof_request_overdue", as_of=T)
    assert asked.success, failures(asked)  # It warns.
    assert overdue(sample) == {"201", "202", "203", "204", "205", "206", "207"}
    now = standings(sample)
    assert {key: now[str(key)] for key in range(201, 213)} == {
        201: "waiting_for_identity", 202: "to_be_disclosed", 203: "waiting_for_identity", 204: "due",
        205: "waiting_for_identity", 206: "unclear", 207: "set_aside", 208: "waiting_for_identity",
        209: "closed", 210: "stopped", 211: "stopped", 212: "erased",
    }  # fmt: skip
    assert sample.purge(T).success
    sample.build(T)
    assert overdue(sample) == {"201", "202", "203", "205", "206", "207"}


def test_summary_of_a_run_counts_the_requests(parsed: Project, template: House) -> None:
    shop = seen_from(parsed, template)
    with connect(shop.settings, read_only=True) as connection:
        counts = summarise(connection, shop, 0, None, T).requests
    said = {standing: list(STANDINGS.values()).count(standing) for standing in STANDINGS.values()}
    assert counts == said | {"overdue": 0}


def test_time_to_answer_is_policy_or_a_month(sample: House) -> None:
    due = (
        "select due_at from retention.request_standings where request_key in ('1', '8', '5') "
        "order by cast(request_key as integer)"
    )
    asked = [T - 3 * DAY, T - 5 * DAY, T - 4 * DAY]
    month = [datetime(2026, 11, 30, 3), asked[1], datetime(2026, 11, 29, 3)]
    assert sample.rows(due) == [(each,) for each in month]
    sample.execute(
        "update policy.policy_settings set value = 'P1W' where setting = 'request_due_erase'"
    )
    sample.execute(
        "update policy.policy_settings set value = 'P2D' where setting = 'request_due_disclose'"
    )
    assert sample.dbt("run", "--select", "request_standings", as_of=T).success
    assert sample.rows(due) == [(asked[0] + 7 * DAY,), (asked[1],), (asked[2] + 2 * DAY,)]
    late = "select request_key from retention.request_standings where is_overdue"
    assert {key for (key,) in sample.rows(late)} == {"8", "9", "11", "13"}
    sample.execute("delete from policy.policy_settings where setting like 'request_due_%'")
    assert sample.dbt("run", "--select", "request_standings", as_of=T).success
    assert sample.rows(due) == [(each,) for each in month]


def test_stopping_needs_no_identity_and_erasing_does(purged_template: House) -> None:
    """What acceptance 6 says of two people, said of every request of the sample."""
    unverified = purged_template.rows(
        "select standing, subject_key, contact from retention.request_standings "
        "where verified_at is null and standing in ('stopped', 'waiting_for_identity') and kind <> 'disclose'"
    )
    assert {standing for standing, _, _ in unverified} == {"stopped", "waiting_for_identity"}
    members = {str(key) for (key,) in purged_template.rows("select member_id from shop.members")}
    mailed = {
        str(key)
        for (key,) in purged_template.rows(
            "select member_id from audiences.audience_newsletter_email"
        )
    }
    # 1110 has said yes since.
    assert {key for _, key, _ in unverified if key in mailed} == {"1110"}
    assert {key for _, key, _ in unverified if key} <= members
    assert purged_template.rows(
        "select count(*) from retention.record_states where deletion_class = 'erasure_request' "
        "and (clock_at is null or clock_at > timestamp '2026-11-02 03:00:00') and clock_source = 'identity_verified_at'"
    ) == [(0,)]
