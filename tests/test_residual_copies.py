"""Copies of who is gone: in any column that nobody governs, in leases and in what people export."""

from __future__ import annotations

import csv
import gzip
import io
import os
import random
import re
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import openpyxl
import pytest
from openpyxl.comments import Comment

from orchestration import file_copies
from orchestration.declarations import DeclarationError, FileLocation, load
from orchestration.file_copies import FileCopiesError, FileCopy, keep, normalised_email, sweep
from orchestration.keys import Pads, digest, read_pads, rotated, write_pads
from orchestration.leases import expire, issue, path_of, terms_of
from orchestration.project import Project
from tests.conftest import T, copy_of, seen_from
from tests.house import PROJECT, REPOSITORY, House, failures
from tests.kigen import call, files_that_hold
from tests.oracle import normalise

RESIDUAL = "proof_residual_copy"
RED = ["no_copy_of_a_purged_contact_is_left: fail"]
DAY = timedelta(days=1)


def wide(text: str) -> str:
    """The same in full-width letters, as Japanese keyboards leave it."""
    return "".join(chr(ord(each) + 0xFEE0) if "!" <= each <= "~" else each for each in text)


def look(house: House, *more: str) -> list[str]:
    """Build what counts the copies, and its proof; return what failed."""
    built = house.dbt("build", "--select", "residual_copies", RESIDUAL, *more, as_of=T)
    return failures(built)


def found(house: House) -> list[tuple[object, ...]]:
    return house.rows(
        f"select schema_name, table_name, column_name, location, path, place, copy_count from proofs.{RESIDUAL} "
        "order by all"
    )


# Who is gone.


def reason_of(house: House, email: str) -> str | None:
    """Why an address is gone; None where it is not."""
    made = digest(email, read_pads(house.key))
    rows = house.rows(f"select reason from consent.gone_contacts where contact_digest = '{made}'")
    return str(rows[0][0]) if rows else None


@pytest.fixture(scope="module")
def emails(template: House) -> dict[str, str]:
    """The addresses of the sample shop's people, before the purge, by what becomes of them."""

    def one(query: str) -> str:
        return str(template.rows(query)[0][0])

    return {
        "purged": one(
            "select min(contact) from retention.records where table_name = 'shop.members' and state = 'expired' "
            "and deletion_class = 'member_inactive' and contact in "
            "(select contact from consent.subjects group by contact having count(*) = 1)"
        ),
        "staying": one("select min(email) from audiences.audience_newsletter_email"),
        "guest": one(
            "select contact from retention.records where table_name = 'shop.orders' and state = 'expired' "
            "and deletion_class = 'guest_inactive' order by contact limit 1"
        ),
        "withdrawn": one(
            "select min(contact) from consent.subjects anti join (select contact from retention.records where state = "
            "'expired') using (contact) where contact in (select contact from consent.left_mailboxes) and contact "
            "not in (select contact from consent.subjects where not has_left and contact is not null)"
        ),
    }


def test_who_is_gone_and_why(
    template: House, purged_template: House, emails: dict[str, str]
) -> None:
    assert {who: reason_of(template, email) for who, email in emails.items()} == {
        "purged": None, "staying": None, "guest": None, "withdrawn": "withdrawn",
    }  # fmt: skip
    assert {who: reason_of(purged_template, email) for who, email in emails.items()} == {
        "purged": "purged", "staying": None, "guest": "purged", "withdrawn": "withdrawn",
    }  # fmt: skip
    verified = purged_template.rows(
        "select contact from consent.erasure_contacts where verified_at is not null and contact is not null"
    )
    assert {reason_of(purged_template, email) for (email,) in verified} <= {"erased", None}


def test_who_comes_back_is_not_gone(purged: House, emails: dict[str, str]) -> None:
    """By registering again, or, a guest, by an order."""
    back = T + DAY
    purged.execute(
        "insert into shop.members by name select 99001 as member_id, ' ' || upper("
        f"'{emails['purged']}') as email, 'active' as status, timestamp '{back}' as registered_at",
        f"insert into shop.orders by name select 99002 as order_id, '{emails['guest']}' as email, "
        f"timestamp '{back}' as ordered_at, 'placed' as status",
    )
    purged.build(T)
    # By T the order has not happened yet.
    assert reason_of(purged, emails["guest"]) == "purged"
    purged.build(T + 2 * DAY)
    assert reason_of(purged, emails["purged"]) is None
    assert reason_of(purged, emails["guest"]) is None


def test_guest_is_remembered_once_no_record_is_left_and_bars_nobody(
    template: House, purged_template: House, emails: dict[str, str]
) -> None:
    assert template.rows("select count(*) from memory.purged_contacts") == [(0,)]
    pads = read_pads(purged_template.key)
    kept = {
        made
        for (made,) in purged_template.rows("select contact_digest from memory.purged_contacts")
    }
    assert digest(emails["guest"], pads) in kept
    suppressed = {
        made for (made,) in purged_template.rows("select contact_digest from consent.suppressions")
    }
    assert not kept & suppressed
    # A subject's mailbox is suppressed instead, and one with a record left is here still.
    here = purged_template.rows(
        "select contact from consent.subjects where contact is not null union select contact from retention.records "
        "where contact is not null and table_name not in ('mailing.messages', 'shop.erasure_requests', 'legal.holds')"
    )
    assert not kept & {digest(contact, pads) for (contact,) in here}


# Governed tables.


def test_list_row_goes_with_its_member_and_one_that_comes_later_is_in_the_next_plan(
    parsed: Project, sample: House, emails: dict[str, str]
) -> None:
    """Acceptance case 3: also a row without a member's key, with the address spelt differently.

    And a guest who wrote it so is gone, however it is spelt elsewhere.
    """
    mine = "select recipient_no from mailing.delivery_list_recipients where lower(email) = '{}'"
    rows = mine.format(emails["purged"])
    spelt = f"　{wide(emails['guest'].upper())} "
    sample.execute(
        f"update shop.orders set email = '{spelt}' where lower(email) = '{emails['guest']}'",
        "insert into mailing.delivery_lists values (98, 'new', null, timestamp '2026-11-01')",
        f"insert into mailing.delivery_list_recipients values (98, 1, null, '{emails['purged']}', null, null)",
    )
    sample.build(T)
    assert sample.rows(rows) != []
    assert sample.purge(T).success
    assert sample.rows(rows) == []
    sample.build(T)
    assert look(sample) == []
    assert reason_of(sample, emails["guest"]) == "purged"
    shop = seen_from(parsed, sample)
    (shop.settings.home / "exports").mkdir()
    (shop.settings.home / "exports" / "guests.csv").write_text(emails["guest"].title())
    assert len(sweep(shop, read_pads(sample.key), T).copies) == 1

    late = f"　{wide(emails['purged'].upper())} "
    sample.execute(
        "insert into mailing.delivery_list_recipients values "
        f"(98, 2, null, '{late}', null, null), (98, 3, null, '{emails['staying']}', null, null)"
    )
    sample.build(T)
    assert look(sample) == RED
    assert found(sample) == [(None, "mailing.delivery_list_recipients", None, None, None, None, 1)]
    assert sample.rows("select table_name, record_key from purge.purge_plan") == [
        ("mailing.delivery_list_recipients", "98|2")
    ]
    assert sample.purge(T).success
    sample.build(T)
    assert look(sample) == []
    assert sample.rows(
        "select recipient_no from mailing.delivery_list_recipients where list_id = 98"
    ) == [(3,)]


# Columns nobody governs.

COPY_YML = """
models:
  - name: campaign_targets
    description: A copy somebody made for a campaign.
    config: {{materialized: table, schema: marts}}
    columns:
      - name: email
        config: {{meta: {{pii: user.contact.email{more}}}, tags: [pii]}}
      - {{name: cc, config: {{meta: {{pii: user.contact.email}}, tags: [pii]}}}}
      - {{name: note, config: {{meta: {{pii: none, reason: "Free of persons."}}}}}}
"""


def with_mart(home: Path, tmp_path: Path, more: str = "") -> House:
    """A house whose project has a model of a team's own, with two contact columns and one that is none."""
    project = tmp_path / "dbt_project"
    shutil.copytree(
        PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"), dirs_exist_ok=True
    )
    if not (tmp_path / "seeds").exists():
        (tmp_path / "seeds").symlink_to(REPOSITORY / "seeds")
    marts = project / "models" / "marts"
    marts.mkdir(exist_ok=True)
    (marts / "campaign_targets.sql").write_text(
        "select email, ' ' || upper(email) as cc, email as note from {{ source('shop', 'members') }}"
    )
    (marts / "_marts__models.yml").write_text(COPY_YML.format(more=more))
    return House(home, project)


def test_copy_in_a_model_is_counted_by_column_and_its_table_is_read_once(
    sample: House, tmp_path: Path
) -> None:
    house = with_mart(sample.home, tmp_path)
    assert house.dbt("run", "--select", "campaign_targets", as_of=T).success
    addresses = Counter(email for (email,) in house.rows("select email from staging.stg_members"))
    assert house.purge(T).success
    house.build(T, "--exclude", "campaign_targets")
    assert look(house) == RED
    pads = read_pads(house.key)
    gone = {made for (made,) in house.rows("select contact_digest from consent.gone_contacts")}
    count = sum(n for email, n in addresses.items() if email and digest(email, pads) in gone)
    assert found(house) == [
        ("marts", "campaign_targets", column, None, None, None, count) for column in ("cc", "email")
    ]
    (code,) = [
        path.read_text()
        for path in (house.home / "target" / "compiled").rglob("residual_copies.sql")
    ]
    assert len(re.findall(r'"campaign_targets"', code)) == 1
    # Nothing of a value in what is told.
    told = house.rows(f"select message from proofs.{RESIDUAL}")
    assert all("@" not in message for (message,) in told)
    assert f"marts.campaign_targets.email has {count} copies" in " ".join(m for (m,) in told)


def test_exception_holds_until_its_day_and_stays_visible(sample: House, tmp_path: Path) -> None:
    def excepted(until: str, folder: str) -> list[str]:
        more = f', kigen: {{exception: {{reason: "Sent to the auditor.", until: {until}}}}}'
        house = with_mart(sample.home, tmp_path / folder, more)
        return look(house, "--exclude", "campaign_targets")

    for each in ("made", "tomorrow", "today"):
        (tmp_path / each).mkdir()
    house = with_mart(sample.home, tmp_path / "made")
    assert house.dbt("run", "--select", "campaign_targets", as_of=T).success
    assert house.purge(T).success
    house.build(T, "--exclude", "campaign_targets")
    # The other column is not excepted.
    assert excepted(f"{T + DAY:%Y-%m-%d}", "tomorrow") == RED
    assert [row[2] for row in found(sample)] == ["cc"]
    assert sample.rows(
        "select column_name, is_excepted, exception_reason, excepted_until from purge.residual_copies "
        "where schema_name = 'marts' order by all"
    ) == [
        ("cc", False, None, None),
        ("email", True, "Sent to the auditor.", (T + DAY).replace(hour=0)),
    ]  # fmt: skip
    assert excepted(f"{T:%Y-%m-%d}", "today") == RED
    assert [row[2] for row in found(sample)] == ["cc", "email"]


@pytest.mark.parametrize(
    ("kigen", "said"),
    [
        ({"exception": {"reason": "Sent to the auditor."}}, "meta.kigen has no exception.until"),
        ({"exception": {"reason": " ", "until": "2027-01-31"}}, "say in words why they may stay"),
        ({"exception": {"reason": "old list", "until": "soon"}}, "write a day, such as 2027-01-31"),
        (
            {"exception": {"reason": "old list", "until": 20270131}},
            "write a day, such as 2027-01-31",
        ),
        (
            {"exception": {"reason": "old list", "until": "2027-01-31", "by": "me"}},
            "unknown key of meta.kigen 'exception.by'; allowed: reason, until",
        ),
        (
            {"exception": {"reason": "old list", "until": "2027-01-31"}},
            "has an exception, and its table is governed",
        ),
    ],
)
def test_exception_is_checked_at_load(parsed: Project, kigen: object, said: str) -> None:
    members = parsed.manifest["sources"]["source.kigen.shop.members"]
    column = members["columns"]["email"]
    config = {**column["config"], "meta": {**column["config"]["meta"], "kigen": kigen}}
    columns = {**members["columns"], "email": {**column, "config": config}}
    sources = {**parsed.manifest["sources"], members["unique_id"]: {**members, "columns": columns}}
    with pytest.raises(DeclarationError, match=re.escape(said)) as refused:
        load({**parsed.manifest, "sources": sources})
    assert "shop.members: column email" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "kigen", "said"),
    [
        ("share", {"files": []}, "meta.kigen.files is []"),
        ("share", {"files": ["a", " "]}, "an empty path names nothing"),
        ("share", {"files": "a"}, "meta.kigen.files is 'a'"),
        ("share", {}, "meta.kigen has no files"),
        ("share", {"files": ["a"], "file": 1}, "unknown key of meta.kigen 'file'; allowed: exception, files"),
        ("share", {"files": ["a"], "exception": {"reason": "why not"}}, "has no exception.until"),
        ("leases", {"files": ["a"]}, "has the name of another location"),
    ],
)  # fmt: skip
def test_location_is_checked_at_load(parsed: Project, name: str, kigen: object, said: str) -> None:
    exposure = {
        "name": name, "resource_type": "exposure", "original_file_path": "models/_exposures.yml",
        "config": {"meta": {"kigen": kigen}},
    }  # fmt: skip
    exposures = {**parsed.manifest["exposures"], "exposure.team.share": exposure}
    with pytest.raises(DeclarationError, match=re.escape(said)) as refused:
        load({**parsed.manifest, "exposures": exposures})
    assert f"models/_exposures.yml: {name}: " in str(refused.value)


def test_reference_shop_declares_where_people_export_to(parsed: Project) -> None:
    assert parsed.declarations.file_locations == (FileLocation(name="exports", files=("exports",)),)


# Files.


@pytest.fixture(scope="module")
def shop(
    parsed: Project, purged_template: House, tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """One house for all that only reads: what lies in its exports is taken away after each test."""
    return seen_from(parsed, copy_of(purged_template, tmp_path_factory.mktemp("files") / "data"))


@pytest.fixture(scope="module")
def pads(shop: Project) -> Pads:
    return read_pads(shop.settings.key)


@pytest.fixture
def exports(shop: Project) -> Iterator[Path]:
    folder = shop.settings.home / "exports"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def gone(emails: dict[str, str]) -> str:
    return emails["purged"]


def places(shop: Project, pads: Pads) -> list[tuple[str, str | None, int | None, str | None]]:
    return sorted(
        (
            (each.path, each.place, each.copy_count, each.problem)
            for each in sweep(shop, pads, T).copies
        ),
        key=repr,
    )


def test_normalised_email_is_what_the_macro_makes_of_it(template: House, tmp_path: Path) -> None:
    """One rule, in two languages: held together on what people write, and on what nobody would."""
    compiled = template.dbt(
        "compile", "--inline", "select {{ kigen.normalised_email('text') }} as made", as_of=T
    )
    code = compiled.result.results[0].node.compiled_code
    rng = random.Random(7)
    alphabet = "aZ0@.+-_ \t\r\n\xa0\u3000ＡｚＱ０＠．～！ßİıÀé漢ｶ\u200b\x0b'\"\\" + "Ｋ\u212a"
    texts = [
        "",
        " ",
        "\u3000\xa0",
        "Anna@Example.com",
        "\u3000ａｎｎａ＠ｅｘａｍｐｌｅ．ｃｏｍ\xa0 ",
    ]
    texts += ["".join(rng.choices(alphabet, k=rng.randrange(1, 12))) for _ in range(3000)]
    with duckdb.connect() as connection:
        connection.execute("create table given as select unnest(?) as text", [texts])
        rows = connection.execute(
            f"select text, {code.strip().removeprefix('select')} from given"
        ).fetchall()
    assert rows == [(text, normalised_email(text)) for text, _ in rows]
    assert [normalised_email(text) for text in texts] == [normalise(text) for text in texts]


def table(gone: str, staying: str) -> list[list[str]]:
    """What a team exports: a header, somebody who is there, and who is gone, in three spellings."""
    return [
        ["氏名", "連絡先", "備考"],
        ["山田", staying, "x"],
        ["佐藤", f" {wide(gone.upper())}　", "退会"],
        ["鈴木", gone, f"前は {gone.title()}、今は不明"],
    ]


def as_text(rows: list[list[str]], delimiter: str = ",") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp932", "euc_jp"]
)
def test_table_of_text_is_read_in_any_encoding_and_by_any_delimiter(
    shop: Project, pads: Pads, exports: Path, emails: dict[str, str], encoding: str, delimiter: str
) -> None:
    text = as_text(table(emails["purged"], emails["staying"]), delimiter)
    (exports / "list").write_bytes(text.encode(encoding))
    (exports / "list.csv.gz").write_bytes(gzip.compress(text.encode(encoding)))
    assert places(shop, pads) == [
        (path, place, count, None)
        for path in ("exports/list", "exports/list.csv.gz")
        for place, count in (("column 2", 2), ("column 3", 1))
    ]


@pytest.mark.parametrize(
    "text",
    [
        "{0}",
        "<{0}>",
        "'{0}'",
        'say "{0}".',
        "mailto:{0}?subject=x",
        "?email={1}&x=1",
        "{{'mail':'{0}'}}",
        "連絡先は{0}です",
        'a,b\n"never closed,{0}\nx,y',
        "{0},{0}",
        "x" * 300_000 + " {0} " + "y" * 300_000,
        "-----{0}",
        "caf\xe9 {0}",
    ],
)
def test_address_is_found_inside_of_any_text(
    shop: Project, pads: Pads, exports: Path, gone: str, text: str
) -> None:
    written = text.format(gone, gone.replace("@", "%40"))
    encoding = "latin-1" if "\xe9" in text else "utf-8"
    (exports / "notes.txt").write_text(written, encoding=encoding)
    assert [row[0] for row in places(shop, pads)] == ["exports/notes.txt"] * (
        1 + (text == "{0},{0}")
    )
    assert all(problem is None for *_, problem in places(shop, pads))
    (exports / "notes.txt").write_text(
        written.replace(gone.partition("@")[0], "nobody"), encoding=encoding
    )
    assert places(shop, pads) == []


def workbook(path: Path, rows: list[list[str]]) -> None:
    book = openpyxl.Workbook()
    book.active.title = "顧客"
    for row in rows:
        book.active.append([None, *row])
    book.create_sheet("n@example.com").append([rows[2][1], 3, 4.5, True])
    book.create_chartsheet("chart")
    book.save(path)


def test_workbook_is_read_sheet_by_sheet(
    shop: Project, pads: Pads, exports: Path, emails: dict[str, str]
) -> None:
    workbook(exports / "members.xlsx", table(emails["purged"], emails["staying"]))
    shutil.copy(exports / "members.xlsx", exports / "no name says what it is")
    expected = [
        ("sheet (masked), column A", 1), ("sheet 顧客, column C", 2), ("sheet 顧客, column D", 1),
    ]  # fmt: skip
    assert places(shop, pads) == sorted(
        (f"exports/{name}", place, count, None)
        for name in ("members.xlsx", "no name says what it is")
        for place, count in expected
    )


def test_what_a_workbook_keeps_beside_its_cells_is_read_too(
    shop: Project, pads: Pads, exports: Path, gone: str
) -> None:
    book = openpyxl.Workbook()
    book.active["A1"] = "who"
    book.active["A1"].comment = Comment(f"was {gone}", "me")
    book.active["A2"] = "write"
    book.active["A2"].hyperlink = f"mailto:{gone}"
    book.save(exports / "book.xlsx")
    read = [(place, count) for _, place, count, _ in places(shop, pads)]
    assert [count for _, count in read] == [1, 1]
    assert {str(place).rpartition("/")[2] for place, _ in read} == {
        "comment1.xml",
        "sheet1.xml.rels",
    }


def test_open_document_is_read_and_a_locked_one_is_a_finding(
    shop: Project, pads: Pads, exports: Path, gone: str
) -> None:
    text = "xmlns:text='urn:oasis:names:tc:opendocument:xmlns:text:1.0'"
    office = "xmlns:office='urn:oasis:names:tc:opendocument:xmlns:office:1.0'"
    table_ns = "xmlns:table='urn:oasis:names:tc:opendocument:xmlns:table:1.0'"
    content = (
        f"<office:document-content {office} {table_ns} {text}><office:body><office:spreadsheet>"
        "<table:table table:name='one'><table:table-row><table:table-cell office:value-type='string'>"
        f"<text:p>{wide(gone)}</text:p></table:table-cell></table:table-row></table:table>"
        "</office:spreadsheet></office:body></office:document-content>"
    )
    names = "xmlns:manifest='urn:oasis:names:tc:opendocument:xmlns:manifest:1.0'"
    manifest = f"<manifest:manifest {names}>{{}}</manifest:manifest>"
    entry = "<manifest:file-entry manifest:full-path='content.xml'><manifest:encryption-data/></manifest:file-entry>"
    for name, kind, more in (
        ("book.ods", "spreadsheet", ""),
        ("locked.ods", "spreadsheet", entry),
        ("locked.odt", "text", entry),
    ):
        with zipfile.ZipFile(exports / name, "w") as archive:
            archive.writestr("mimetype", f"application/vnd.oasis.opendocument.{kind}")
            archive.writestr("META-INF/manifest.xml", manifest.format(more))
            archive.writestr("content.xml", "nothing" if more else content)
    found = places(shop, pads)
    assert found[0] == ("exports/book.ods", "sheet one, column A", 1, None)
    assert [path for path, *_, problem in found[1:] if problem] == [
        "exports/locked.ods",
        "exports/locked.odt",
    ]


def test_what_file_managers_leave_is_passed_by(
    shop: Project, pads: Pads, exports: Path, gone: str
) -> None:
    for name in (".DS_Store", "Thumbs.db", "._list.xlsx", "~$list.xlsx"):
        (exports / name).write_bytes(b"\0\5\x16\7")
    assert places(shop, pads) == []
    (exports / "._list.csv").write_bytes(b"x\n" * 600_000 + gone.encode())
    assert [row[0] for row in places(shop, pads)] == ["exports/._list.csv"]


def test_parquet_is_read_nested_columns_too(
    shop: Project, pads: Pads, exports: Path, gone: str
) -> None:
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select ? as mail, 1 as n, {{'who': [?]}} as more from range(3)) to '{exports}/a.parquet'",
            [wide(gone), gone],
        )
    shutil.move(exports / "a.parquet", exports / "what [1-3]?*.parquet")
    (exports / "a.gz").write_bytes(gzip.compress((exports / "what [1-3]?*.parquet").read_bytes()))
    assert places(shop, pads) == sorted(
        (f"exports/{name}", place, 3, None)
        for name in ("a.gz", "what [1-3]?*.parquet")
        for place in ("column mail", "column more")
    )


def test_archive_is_read_member_by_member(
    shop: Project, pads: Pads, exports: Path, emails: dict[str, str], tmp_path: Path
) -> None:
    rows = table(emails["purged"], emails["staying"])
    workbook(tmp_path / "in.xlsx", rows)
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.write(tmp_path / "in.xlsx", "in.xlsx")
    with zipfile.ZipFile(exports / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/list.csv", as_text(rows))
        archive.writestr("inner.zip", inner.getvalue())
        archive.writestr("picture.png", b"\x89PNG\r\n\x1a\n....")
        archive.writestr(".DS_Store", b"\0\0\0\1Bud1")
    assert [(path, place) for path, place, _, _ in places(shop, pads)] == [
        ("exports/all.zip/folder/list.csv", "column 2"),
        ("exports/all.zip/folder/list.csv", "column 3"),
        ("exports/all.zip/inner.zip/in.xlsx", "sheet (masked), column A"),
        ("exports/all.zip/inner.zip/in.xlsx", "sheet 顧客, column C"),
        ("exports/all.zip/inner.zip/in.xlsx", "sheet 顧客, column D"),
        ("exports/all.zip/picture.png", None),
    ]


def bomb(folder: Path, content: bytes) -> None:
    for _ in range(5):
        content = gzip.compress(content)
    (folder / "list").write_bytes(content)


def locked(folder: Path, content: bytes) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("list.csv", content)
    # The bit that says a member is encrypted, in both its headers.
    data = bytearray(out.getvalue())
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(mark) + offset] |= 1
    (folder / "list").write_bytes(data)


UNREADABLE: dict[str, Callable[[Path, bytes], object]] = {
    "lies too deep in archives": bomb,
    "broken, encrypted": lambda folder, content: (folder / "list").write_bytes(gzip.compress(content)[:-9]),
    "broken, encrypted, or": locked,
    "broken, encrypted, or closed": lambda folder, _: (folder / "list").write_bytes(b"PAR1 and no more"),
    "broken, encrypted, or closed to": lambda folder, _: (folder / "list").write_bytes(b"PK\3\4 no zip"),
    "broken, encrypted, or closed to this user": lambda folder, _: (folder / "list").write_bytes(
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
    ),
    "of a kind": lambda folder, content: (folder / "list").write_bytes(b"%PDF-1.7\n" + content),
    "of a kind that": lambda folder, content: (folder / "list").write_bytes(bytes(range(256)) * 9 + content),
    "of a kind that cannot": lambda folder, content: (folder / "list").write_bytes(b"x" * 9000 + b"\0" + content),
    "is encrypted": lambda folder, _: (folder / "list").write_text("-----BEGIN PGP MESSAGE-----\nhQEM"),
    "is a link that leads out": lambda folder, _: (folder / "list").symlink_to(folder.parent / "warehouse.duckdb"),
    "is a link that leads nowhere": lambda folder, _: (folder / "list").symlink_to(folder / "nothing"),
    "leads nowhere": lambda folder, _: (folder / "list").symlink_to(folder / "list"),
    "is no file that can be read": lambda folder, _: os.mkfifo(folder / "list"),
    "unpacks to more": lambda folder, _: (folder / "list").write_bytes(gzip.compress(b"x" * 2_000_000)),
}  # fmt: skip


@pytest.mark.parametrize("problem", UNREADABLE)
def test_file_that_cannot_be_read_is_a_finding_by_itself(
    shop: Project, pads: Pads, exports: Path, gone: str, problem: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(file_copies, "_MOST_UNPACKED", 1_000_000)
    UNREADABLE[problem](exports, gone.encode())
    ((path, *_, said),) = [row for row in places(shop, pads) if row[3]]
    assert path.split("/list.csv")[0] == "exports/list"
    assert problem in str(said)
    assert gone not in str(said)


def test_links_inside_are_followed_nowhere_and_nothing_is_read_twice(
    shop: Project, pads: Pads, exports: Path, gone: str
) -> None:
    (exports / "deep").mkdir()
    (exports / "deep" / "list.csv").write_text(gone)
    (exports / "again.csv").symlink_to(exports / "deep" / "list.csv")
    (exports / "deep" / "up").symlink_to(exports)
    os.link(exports / "deep" / "list.csv", exports / "deep" / "other.csv")
    assert len(places(shop, pads)) == 1
    assert sweep(shop, pads, T).files == {"leases": 0, "exports": 1}


def test_locations_are_files_folders_and_globs_anywhere(
    shop: Project, pads: Pads, gone: str, tmp_path: Path
) -> None:
    share = tmp_path / "share"
    (share / "2025").mkdir(parents=True)
    (share / "2025" / f"{gone}.csv").write_text(gone)
    (share / "2025" / "list.txt").write_text(gone)
    (share / "one").write_text(gone)
    (share / "other").write_text(gone)
    files = (f"{share}/**/*.csv", f"{share}/one", "not-there", f"{share}/*/nothing-*")
    declarations = shop.declarations.model_copy(
        update={"file_locations": (FileLocation(name="share", files=files),)}
    )
    swept = sweep(replace(shop, declarations=declarations), pads, T)
    assert sorted(each.path for each in swept.copies) == [
        f"{share}/2025/(masked).csv",
        f"{share}/one",
    ]
    assert swept.files == {"leases": 0, "share": 2}
    home = shop.declarations.model_copy(
        update={"file_locations": (FileLocation(name="all", files=("exports/..",)),)}
    )
    with pytest.raises(FileCopiesError, match="which is KIGEN_HOME itself"):
        sweep(replace(shop, declarations=home), pads, T)
    # A folder above it is a location, and what Kigen keeps is not looked at.
    above = shop.declarations.model_copy(
        update={"file_locations": (FileLocation(name="all", files=(str(tmp_path),)),)}
    )
    assert sweep(replace(shop, declarations=above), pads, T).files == {"leases": 0, "all": 4}


def test_lease_that_runs_is_governed_until_its_end_and_a_copy_of_it_is_not(
    parsed: Project, purged: House, emails: dict[str, str]
) -> None:
    shop = seen_from(parsed, purged)
    pads = read_pads(shop.settings.key)
    newsletter = "audience_newsletter_email"
    terms = terms_of(shop, "autumn", newsletter, "", "csv", "P7D")
    lease = issue(shop, terms, T, T, "somebody", pads)
    path = path_of(shop.settings, lease)
    # Somebody in it leaves, and is purged.
    made = digest(emails["staying"], pads)
    purged.execute(
        f"insert into consent.gone_contacts values ('{made}', 'purged', timestamp '{T}', true, '{pads.key_id}')"
    )
    shutil.copy(path, path.with_name("mine.csv"))
    keep(shop, sweep(shop, pads, T))
    rows = "select path, copy_count, governed_until from delivery.file_copies order by all"
    assert purged.rows(rows) == [
        ("leases/autumn/mine.csv", 1, None),
        ("leases/autumn/recipients.csv", 1, lease.expires_at),
    ]
    assert look(purged) == RED
    assert found(purged) == [(None, None, None, "leases", "leases/autumn/mine.csv", "column 1", 1)]
    path.with_name("mine.csv").unlink()
    keep(shop, sweep(shop, pads, T))
    assert look(purged) == []
    # A file that outlives its lease is a copy like any other.
    assert [each.governed_until for each in sweep(shop, pads, lease.expires_at).copies] == [None]


def test_lease_that_somebody_copied_out_is_reported_before_anybody_in_it_is_gone(
    parsed: Project, sample: House
) -> None:
    """The story's second mail came from a list like this one."""
    shop = seen_from(parsed, sample)
    pads = read_pads(shop.settings.key)
    lease = issue(
        shop, terms_of(shop, "autumn", "audience_newsletter_email", "", "csv", "P7D"), T, T, "somebody", pads
    )  # fmt: skip
    sample.execute("delete from consent.gone_contacts")
    exports = shop.settings.home / "exports"
    exports.mkdir()
    assert sweep(shop, pads, T).copies == ()
    shutil.copy(path_of(shop.settings, lease), exports / "for the agency.csv")
    problem = "is a copy of the lease of campaign autumn"
    left = (FileCopy("exports", "exports/for the agency.csv", problem=problem),)
    assert sweep(shop, pads, T).copies == left
    # Also when the lease itself has long been taken away.
    expire(shop.settings, lease.expires_at, pads)
    keep(shop, sweep(shop, pads, lease.expires_at))
    assert sweep(shop, pads, lease.expires_at).copies == left
    assert look(sample) == RED
    (exports / "for the agency.csv").unlink()
    assert sweep(shop, pads, T).copies == ()


def test_nothing_is_read_while_nobody_is_gone(parsed: Project, purged: House) -> None:
    shop = seen_from(parsed, purged)
    exports = shop.settings.home / "exports"
    exports.mkdir()
    (exports / "list").write_bytes(b"%PDF")
    purged.execute("delete from consent.gone_contacts")
    assert sweep(shop, read_pads(shop.settings.key), T).copies == ()


def test_sweep_with_another_key_than_that_of_the_gone_is_refused(
    parsed: Project, purged: House
) -> None:
    shop = seen_from(parsed, purged)
    pads = read_pads(shop.settings.key)
    write_pads(shop.settings.key, rotated(pads, b"another key"), replaces=True)
    with pytest.raises(FileCopiesError, match="made with another key"):
        sweep(shop, read_pads(shop.settings.key), T)


def test_location_is_excepted_as_a_whole_until_its_day(
    parsed: Project, purged: House, tmp_path: Path, gone: str
) -> None:
    shop = seen_from(parsed, purged)
    keep(shop, file_copies.Swept(
        (FileCopy("exports", "exports/a.csv", "column 1", "purged", 2),
         FileCopy("exports", "exports/b.pdf", problem="is of a kind that cannot be read")), {},
    ))  # fmt: skip
    assert look(purged) == RED
    assert len(found(purged)) == 2
    shutil.copytree(
        PROJECT, tmp_path / "dbt_project", ignore=shutil.ignore_patterns("target", "logs")
    )
    (tmp_path / "seeds").symlink_to(REPOSITORY / "seeds")
    yml = (
        tmp_path
        / "dbt_project"
        / "models"
        / "5_audiences"
        / "shop"
        / "_audiences_shop__exposures.yml"
    )
    until = f"{T + DAY:%Y-%m-%d}"
    said = (
        f"files: [exports], exception: {{reason: 'Moved to the archive in May.', until: {until}}}"
    )
    yml.write_text(yml.read_text().replace("files: [exports]", said))
    house = House(purged.home, tmp_path / "dbt_project")
    assert look(house) == []
    assert house.rows(
        "select distinct is_excepted, exception_reason from purge.residual_copies"
    ) == [(True, "Moved to the archive in May.")]


# By the public door.


def test_export_left_after_a_purge_turns_the_run_red_and_is_named_without_its_addresses(
    template: House, purged_template: House, tmp_path: Path, emails: dict[str, str]
) -> None:
    house = copy_of(purged_template, tmp_path / "data")
    exports = house.home / "exports"
    exports.mkdir()
    gone = wide(emails["purged"]).upper()
    workbook(exports / "members.xlsx", table(emails["purged"], emails["staying"]))
    (exports / f"{emails['guest']}.csv").write_bytes(
        as_text([["氏名", "メール"], ["田中", wide(emails["guest"])]]).encode("cp932")
    )
    told = {"KIGEN_WAREHOUSE": str(house.warehouse), "KIGEN_AS_OF": (T + DAY).isoformat()}
    said = call("run", home=house.home, **told)
    assert said.returncode == 1, said.stdout + said.stderr
    assert f"RED   {RESIDUAL}: 4" in said.stdout
    assert "exports: exports/members.xlsx, sheet 顧客, column C has 2 copies" in said.stdout
    assert "exports: exports/(masked).csv, column 2 has 1 copies" in said.stdout
    values = {emails["purged"], emails["guest"], gone, wide(emails["guest"])}
    assert not any(value in said.stdout + said.stderr for value in values)
    held = files_that_hold(
        values, house.home, but={"warehouse.duckdb", *(path.name for path in exports.iterdir())}
    )
    assert held == {}
    shutil.rmtree(exports)
    again = call("run", home=house.home, **told)
    assert again.returncode == 0, again.stdout + again.stderr
