"""The sample shop: its times move with T, it is loaded once, and its page tells every case."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest

from orchestration.sample import TABLES, SampleError, load_sample, shift

REPOSITORY = Path(__file__).resolve().parent.parent
SAMPLE = REPOSITORY / "seeds" / "sample"
PAGE = REPOSITORY / "docs" / "sample-shop.md"
AS_OF = datetime(2026, 11, 24, 4, 5, 6)
PAGE_HEADER = ["record", "case", "state", "class", "newsletter", "notice", "plan"]
NOTHING = "\u2013"
"""A dash on the page: not applicable, or nothing planned."""
STATES = {
    "expired", "held", "floored", "in_grace", "notice_due", "unclocked", "active", "unclassed",
}  # fmt: skip


class PageRow(NamedTuple):
    """A line of the page: what a record must be right after loading."""

    record: str
    case: str
    state: str
    deletion_class: str
    newsletter: str
    notice: str
    plan: str


def page_rows() -> list[PageRow]:
    """Every line of the page's tables of records; a bar inside a cell is written ``\\|``."""
    rows = []
    is_records = False
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            is_records = False
            continue
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells == PAGE_HEADER:
            is_records = True
        elif is_records and set(line) - set("|-"):
            rows.append(PageRow(*cells))
    return rows


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


@pytest.fixture(scope="module")
def loaded() -> Iterator[duckdb.DuckDBPyConnection]:
    """The sample at T, to be read only."""
    with duckdb.connect() as connection:
        load_sample(connection, AS_OF, SAMPLE)
        yield connection


def write_sample(folder: Path, table: str = "", column: str = "", cell: str = "") -> Path:
    """Files with headers only, but for one row of one table with one cell."""
    for name, columns in TABLES.items():
        lines = [",".join(columns)]
        if name == table:
            lines.append(",".join(cell if each == column else "" for each in columns))
        path = folder / f"{name.replace('.', '__')}.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def table_names(connection: duckdb.DuckDBPyConnection) -> set[str]:
    return {
        table
        for (table,) in connection.execute(
            "select table_schema || '.' || table_name from information_schema.tables"
        ).fetchall()
    }


class TestTimes:
    @pytest.mark.parametrize(
        ("cell", "expected"),
        [
            ("T", AS_OF),
            ("2016-02-29 10:00:00", datetime(2016, 2, 29, 10)),
            ("1988-02-29", datetime(1988, 2, 29)),
            ("T-P30D", AS_OF - timedelta(days=30)),
            ("T-PT1S", AS_OF - timedelta(seconds=1)),
            ("T+P2D", AS_OF + timedelta(days=2)),
            ("T-P2W", AS_OF - timedelta(days=14)),
            ("T-P3Y+P2D", datetime(2023, 11, 26, 4, 5, 6)),
            ("T-P1M+PT1M", datetime(2026, 10, 24, 4, 6, 6)),
            ("T-P1Y2M3W4DT5H6M7S", datetime(2025, 8, 29, 22, 58, 59)),
        ],
    )
    def test_a_cell_is_a_time_or_t_moved_by_periods(self, cell: str, expected: datetime) -> None:
        assert shift(cell, AS_OF) == expected

    @pytest.mark.parametrize(
        ("cell", "as_of", "expected"),
        [
            ("T-P3Y", datetime(2028, 2, 29), datetime(2025, 2, 28)),
            ("T-P1M", datetime(2026, 3, 31), datetime(2026, 2, 28)),
            ("T+P1M", datetime(2028, 1, 31), datetime(2028, 2, 29)),
            # From left to right: cut first, then moved.
            ("T-P1M+P1D", datetime(2026, 3, 31), datetime(2026, 3, 1)),
            ("T+P1D-P1M", datetime(2026, 3, 31), datetime(2026, 3, 1)),
            ("T-P1M-P1D", datetime(2026, 3, 31), datetime(2026, 2, 27)),
        ],
    )
    def test_a_period_never_runs_past_a_months_end(
        self, cell: str, as_of: datetime, expected: datetime
    ) -> None:
        assert shift(cell, as_of) == expected

    def test_t_with_a_zone_is_taken_in_utc(self) -> None:
        tokyo = timezone(timedelta(hours=9))
        assert shift("T", datetime(2026, 1, 1, 3, tzinfo=tokyo)) == datetime(2025, 12, 31, 18)
        assert shift("T", AS_OF.replace(tzinfo=UTC)) == AS_OF

    @pytest.mark.parametrize(
        "cell",
        [
            "", " ", "t-P3Y", "TP3Y", "T-", "T-P", "T-PT", "T-P1DT", "T-P3", "T--P3Y", "T-P3Y ",
            "T -P3Y", "T-P1D2Y", "T-PT1D", "T-P1.5D", "T-P-1D", "P3Y", "now", "2016-02-30",
            "2016-02-29T10:00:00", "2016-02-29 10:00", "16-02-29", "2016-02-29 10:00:00+09:00",
            "T-P9999Y", "T+P99999999999D", "T-P\u0663Y", "T-P3Y\n",
        ],
    )  # fmt: skip
    def test_any_other_cell_is_refused(self, cell: str) -> None:
        with pytest.raises(SampleError):
            shift(cell, AS_OF)

    def test_a_refusal_does_not_show_the_cell(self) -> None:
        with pytest.raises(SampleError) as refusal:
            shift("hanako@example.com", AS_OF)
        assert "hanako" not in str(refusal.value)


class TestLoading:
    def test_every_row_of_every_file_is_loaded_and_counted(
        self, warehouse: duckdb.DuckDBPyConnection
    ) -> None:
        counts = load_sample(warehouse, AS_OF, SAMPLE)
        assert counts == {
            table: warehouse.execute(f"select count(*) from {table}").fetchall()[0][0]
            for table in TABLES
        }
        assert all(counts.values())
        assert {path.stem.replace("__", ".") for path in SAMPLE.iterdir()} == set(TABLES)

    def test_the_columns_have_the_types_of_the_design(
        self, loaded: duckdb.DuckDBPyConnection
    ) -> None:
        kinds = {
            (f"{schema}.{table}", column): kind.lower()
            for schema, table, column, kind in loaded.execute(
                "select table_schema, table_name, column_name, data_type "
                "from information_schema.columns"
            ).fetchall()
        }
        for (table, column), kind in kinds.items():
            if column == "newsletter_flag":
                assert kind == "integer"
            elif column == "total_amount":
                assert kind == "decimal(12,2)"
            elif column == "birth_date":
                assert kind == "date"
            elif column.endswith("_at") or column in ("create_date", "update_date"):
                assert kind == "timestamp"
            elif column == "recipient_no" or (column.endswith("_id") and column != "campaign_id"):
                assert kind == "bigint"
            else:
                assert kind == "varchar", (table, column)

    def test_an_empty_cell_is_null_and_a_time_is_moved_to_t(
        self, loaded: duckdb.DuckDBPyConnection
    ) -> None:
        (member,) = loaded.execute(
            "select last_login_at, withdrawn_at, birth_date "
            "from shop.members where member_id = 1012"
        ).fetchall()
        assert member == (datetime(2026, 10, 24, 4, 5, 6), None, date(1988, 2, 29))
        assert not any(
            loaded.execute(f"select count(*) from {table} where {column} = ''").fetchall()[0][0]
            for table, columns in TABLES.items()
            for column, kind in columns.items()
            if kind == "varchar"
        )

    def test_a_second_load_is_refused(self, warehouse: duckdb.DuckDBPyConnection) -> None:
        counts = load_sample(warehouse, AS_OF, SAMPLE)
        warehouse.execute("delete from shop.members where member_id = 1048")
        with pytest.raises(SampleError, match=r"shop\.members.* already"):
            load_sample(warehouse, AS_OF, SAMPLE)
        (remaining,) = warehouse.execute("select count(*) from shop.members").fetchall()
        assert remaining == (counts["shop.members"] - 1,)

    @pytest.mark.parametrize("table", TABLES)
    def test_one_table_that_is_there_is_enough_to_refuse(
        self, warehouse: duckdb.DuckDBPyConnection, table: str
    ) -> None:
        warehouse.execute(f"create schema {table.split('.')[0]}")
        warehouse.execute(f"create table {table} (something varchar)")
        with pytest.raises(SampleError, match=re.escape(table)):
            load_sample(warehouse, AS_OF, SAMPLE)
        assert table_names(warehouse) == {table}

    @pytest.mark.parametrize(
        ("table", "column", "cell"),
        [
            ("shop.members", "registered_at", "hanako@example.com"),
            ("shop.members", "birth_date", "1988-02-30"),
            ("shop.members", "member_id", "hanako"),
            ("shop.members", "member_id", "9223372036854775808"),
            ("shop.members", "newsletter_flag", "2147483648"),
            ("shop.orders", "total_amount", "hanako"),
            ("shop.orders", "total_amount", "10000000000.00"),
            ("shop.orders", "total_amount", "1.005"),
            ("shop.orders", "total_amount", "NaN"),
            ("legal.holds", "placed_at", "T-P9999Y"),
        ],
    )
    def test_a_bad_cell_is_named_by_its_place_and_never_shown(
        self,
        warehouse: duckdb.DuckDBPyConnection,
        tmp_path: Path,
        table: str,
        column: str,
        cell: str,
    ) -> None:
        with pytest.raises(SampleError) as refusal:
            load_sample(warehouse, AS_OF, write_sample(tmp_path, table, column, cell))
        message = str(refusal.value)
        assert f"{table.replace('.', '__')}.csv, row 1, column {column}: " in message
        assert cell not in message
        assert refusal.value.__cause__ is None
        assert refusal.value.__suppress_context__
        assert not table_names(warehouse)

    def test_a_missing_file_a_wrong_header_and_a_short_row_are_refused(
        self, warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
    ) -> None:
        holds = write_sample(tmp_path) / "legal__holds.csv"
        header = holds.read_text(encoding="utf-8")
        for content, complaint in [
            (None, "No such file"),
            ("", "the header must be hold_id,"),
            (header.replace("reason", "why"), "the header must be hold_id,"),
            (header + "1,2\n", "row 1: has 2 cells, not 7"),
            (header + '"hanako', "is not CSV"),
        ]:
            holds.unlink(missing_ok=True)
            if content is not None:
                holds.write_text(content, encoding="utf-8")
            with pytest.raises(SampleError, match=complaint) as refusal:
                load_sample(warehouse, AS_OF, tmp_path)
            assert "legal__holds.csv" in str(refusal.value)
            assert "hanako" not in str(refusal.value)
        assert not table_names(warehouse)


class TestShop:
    def test_it_has_sixty_to_a_hundred_and_twenty_members(
        self, loaded: duckdb.DuckDBPyConnection
    ) -> None:
        ((members,),) = loaded.execute("select count(*) from shop.members").fetchall()
        assert 60 <= members <= 120

    def test_every_address_is_on_an_example_domain(self, loaded: duckdb.DuckDBPyConnection) -> None:
        wide = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
        addresses = {
            email.translate(wide).strip().lower()
            for table, columns in TABLES.items()
            if "email" in columns
            for (email,) in loaded.execute(
                f"select email from {table} where email is not null"
            ).fetchall()
        } - {""}
        assert len(addresses) > 100
        strange = {
            address
            for address in addresses
            if not re.fullmatch(r"[a-z0-9.]+@example\.(com|net|org)", address)
        }
        assert not strange

    def test_no_number_rings_and_no_street_is_real(self, loaded: duckdb.DuckDBPyConnection) -> None:
        people = loaded.execute(
            "select phone, postal_code, street_address from shop.members union all "
            "select recipient_phone, postal_code, street_address from shop.orders "
            "where recipient_phone is not null"
        ).fetchall()
        for phone, postal_code, street_address in people:
            assert re.fullmatch(r"(03|090)-0000-\d{4}", phone)
            assert re.fullmatch(r"000-\d{4}", postal_code)
            assert street_address.startswith("架空町")

    def test_no_hold_covers_everything(self, loaded: duckdb.DuckDBPyConnection) -> None:
        tables = loaded.execute(
            "select table_name from legal.holds where member_id is null and email is null"
        ).fetchall()
        assert tables
        assert all(table in TABLES for (table,) in tables)

    def test_the_sample_can_be_loaded_for_any_day(self) -> None:
        for as_of in (
            datetime(2024, 2, 29, 23, 59, 59), datetime(2027, 2, 28), datetime(2028, 2, 29, 12),
            datetime(2028, 3, 31), datetime(2026, 6, 1), datetime(2026, 12, 31, 23, 59, 59, 999999),
        ):  # fmt: skip
            with duckdb.connect() as connection:
                assert sum(load_sample(connection, as_of, SAMPLE).values()) > 300


class TestPage:
    def test_it_lists_every_member_once_and_nothing_that_is_not_there(
        self, loaded: duckdb.DuckDBPyConnection
    ) -> None:
        listed = Counter(row.record for row in page_rows())
        assert not [record for record, count in listed.items() if count > 1]
        members = {
            f"shop.members {member_id}"
            for (member_id,) in loaded.execute("select member_id from shop.members").fetchall()
        }
        assert members <= set(listed)
        keys = {
            table: next(iter(columns))
            if table != "mailing.delivery_list_recipients"
            else "list_id || '|' || recipient_no"
            for table, columns in TABLES.items()
        }
        there = {
            f"{table} {key}"
            for table, column in keys.items()
            for (key,) in loaded.execute(f"select {column} from {table}").fetchall()
        }
        assert set(listed) <= there

    def test_its_words_are_those_of_the_tables(self) -> None:
        for row in page_rows():
            assert row.state in STATES
            assert bool(row.deletion_class) == (row.state != "unclassed")
            planned = ("delete", "anonymise") if row.state == "expired" else (NOTHING,)
            assert row.plan in planned, row.record
            is_member = row.record.startswith("shop.members ")
            is_written_to = is_member or row.record.startswith("shop.orders ")
            assert re.fullmatch(r"yes|no: [a-z_]+" if is_member else NOTHING, row.newsletter)
            assert re.fullmatch(r"yes|no" if is_written_to else NOTHING, row.notice)

    def test_every_state_and_every_deletion_class_is_on_it(self) -> None:
        rows = page_rows()
        assert {row.state for row in rows} == STATES
        assert {row.deletion_class for row in rows} - {""} == {
            "member_provisional", "member_withdrawn", "member_inactive", "member_unreachable",
            "guest_inactive", "order_personal_data", "order_ledger", "consent_proof",
            "delivery_list", "legacy_customer", "message_log", "request_record", "hold_record",
            "erasure_request",
        }  # fmt: skip
