"""A house to live in for one test: a warehouse, a key, and dbt in process, driven through public doors."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest

from orchestration import encryption
from orchestration.keys import digest, ensure_key, read_pads

REPOSITORY = Path(__file__).resolve().parent.parent
PROJECT = REPOSITORY / "dbt_project"

# The raw tables of DESIGN section 4, with their types.
RAW_TABLES: dict[str, dict[str, str]] = {
    "shop.members": {
        "member_id": "bigint", "email": "varchar", "phone": "varchar", "full_name": "varchar",
        "full_name_kana": "varchar", "birth_date": "date", "gender": "varchar", "postal_code": "varchar",
        "prefecture": "varchar", "street_address": "varchar", "status": "varchar", "newsletter_flag": "integer",
        "registered_at": "timestamp", "last_login_at": "timestamp", "withdrawn_at": "timestamp",
        "legacy_customer_id": "bigint", "updated_at": "timestamp",
    },
    "shop.orders": {
        "order_id": "bigint", "member_id": "bigint", "email": "varchar", "recipient_name": "varchar",
        "recipient_phone": "varchar", "postal_code": "varchar", "street_address": "varchar",
        "total_amount": "decimal(12,2)", "ordered_at": "timestamp", "delivered_at": "timestamp", "status": "varchar",
    },
    "shop.consent_events": {
        "event_id": "bigint", "member_id": "bigint", "email": "varchar", "purpose": "varchar", "status": "varchar",
        "occurred_at": "timestamp", "source": "varchar", "evidence": "varchar",
    },
    "shop.erasure_requests": {
        "request_id": "bigint", "member_id": "bigint", "email": "varchar", "kind": "varchar",
        "requested_at": "timestamp", "identity_verified_at": "timestamp", "verification_method": "varchar",
        "closed_at": "timestamp", "outcome": "varchar",
    },
    "legacy_shop.customers": {
        "customer_id": "bigint", "email": "varchar", "name01": "varchar", "name02": "varchar", "status": "varchar",
        "del_flg": "varchar", "mailmaga_flg": "varchar", "create_date": "timestamp", "update_date": "timestamp",
    },
    "mailing.delivery_lists": {
        "list_id": "bigint", "campaign_id": "varchar", "purpose": "varchar", "created_at": "timestamp",
    },
    "mailing.delivery_list_recipients": {
        "list_id": "bigint", "recipient_no": "bigint", "member_id": "bigint", "email": "varchar",
        "full_name": "varchar", "send_status": "varchar",
    },
    "mailing.messages": {
        "message_id": "bigint", "campaign_id": "varchar", "message_class": "varchar", "kind": "varchar",
        "email": "varchar", "sent_at": "timestamp",
    },
    "mailing.bounces": {"message_id": "bigint", "bounced_at": "timestamp"},
    "legal.holds": {
        "hold_id": "bigint", "member_id": "bigint", "email": "varchar", "table_name": "varchar", "reason": "varchar",
        "placed_at": "timestamp", "released_at": "timestamp",
    },
}  # fmt: skip

Rows = list[dict[str, Any]]
_parsed: dict[str, Manifest] = {}


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for a while."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@dataclass(frozen=True)
class House:
    """A folder with a warehouse, and the project that governs it."""

    home: Path
    project: Path = PROJECT
    warehouse_key: Path | None = None

    @property
    def warehouse(self) -> Path:
        return self.home / "warehouse.duckdb"

    def connect(self, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
        """Open the warehouse as a careless hand would: nothing is checked or redacted."""
        if self.warehouse_key is None:
            return duckdb.connect(str(self.warehouse), read_only=read_only)
        connection = duckdb.connect()
        encryption.enter(connection, self.warehouse, self.warehouse_key, read_only=read_only)
        return connection

    def load(self, shop: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """Write raw tables: every table of the shop, also those without rows."""
        self.home.mkdir(parents=True, exist_ok=True)
        with self.connect() as connection:
            connection.execute("begin")
            for table, columns in RAW_TABLES.items():
                connection.execute(f"create schema if not exists {table.split('.')[0]}")
                ddl = ", ".join(f"{name} {kind}" for name, kind in columns.items())
                connection.execute(f"create table if not exists {table} ({ddl})")
                rows = shop.get(table, [])
                if rows:
                    # Thousands of rows by bound values take minutes; by a file, no time at all.
                    file = self.home / "rows.json"
                    file.write_text("\n".join(json.dumps(dict(row), default=str) for row in rows))
                    connection.execute(
                        f"insert into {table} by name select * from read_json(?, format = 'newline_delimited', "
                        f"columns = {columns!r})",
                        [str(file)],
                    )
                    file.unlink()
            connection.execute("commit")

    @property
    def key(self) -> Path:
        return self.home / "keys" / "kigen_key.duckdb"

    def environment(self, as_of: datetime | None = None) -> dict[str, str]:
        key = self.key
        if not key.exists():
            ensure_key(key)
        return {
            "KIGEN_HOME": str(self.home),
            "KIGEN_WAREHOUSE": str(self.warehouse),
            "KIGEN_WAREHOUSE_KEY": str(self.warehouse_key or ""),
            "KIGEN_KEY": str(key),
            "KIGEN_AS_OF": as_of.isoformat() if as_of else "",
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }

    def dbt(self, *arguments: str, as_of: datetime | None = None, run: str = "") -> dbtRunnerResult:
        """Run dbt in process, in this house; the project is parsed once for all houses."""
        target = self.home / "target"
        options = [
            "--quiet", "--no-use-colors", "--project-dir", str(self.project), "--profiles-dir", str(self.project),
            "--target-path", str(target), "--log-path", str(self.home / "logs"),
        ]  # fmt: skip
        with environment(self.environment(as_of) | {"KIGEN_PURGE_RUN": run}):
            if str(self.project) not in _parsed:
                parsed = dbtRunner().invoke(["parse", *options])
                assert parsed.success, parsed.exception
                assert isinstance(parsed.result, Manifest)
                _parsed[str(self.project)] = parsed.result
            try:
                return dbtRunner(manifest=_parsed[str(self.project)]).invoke([*arguments, *options])
            finally:
                # dbt keeps the file open in this process, and nobody else could read it.
                DuckDBConnectionManager.close_all_connections()

    def build(self, as_of: datetime, *arguments: str) -> None:
        """Build everything but the proofs that are judged after a purge; fail on the first error's name."""
        result = self.dbt(
            "build", "--exclude", "config.meta.kigen.gate:after", *arguments, as_of=as_of
        )
        assert result.success, failures(result)

    def allow(self, run: str = "a-run") -> None:
        """Write the guard's verdict for the plan that stands, as the guard does."""
        with self.connect() as connection:
            connection.execute("delete from purge.guard_verdicts")
            ((plan,),) = connection.execute(
                "select coalesce(min(plan_digest), sha256('')) from purge.purge_plan"
            ).fetchall()
            seal = digest(f"verdict\t{plan}\t{run}", read_pads(self.key))
            connection.execute(
                "insert into purge.guard_verdicts values (?, ?, now() at time zone 'UTC', ?)",
                [plan, run, seal],
            )

    def purge(self, as_of: datetime, run: str = "a-run") -> dbtRunnerResult:
        """Apply the plan that stands, with a verdict, as the purge step does."""
        self.allow(run)
        return self.dbt(
            "run", "--select", "+purge_ledger", "--exclude", "purge_plan", as_of=as_of, run=run
        )

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query, read-only."""
        with self.connect(read_only=True) as connection:
            return connection.execute(query).fetchall()

    def execute(self, *statements: str) -> None:
        """Change the warehouse, as an upstream or a careless hand would."""
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement)

    def shop(self) -> dict[str, Rows]:
        """What the raw tables hold now."""
        with self.connect(read_only=True) as connection:
            return {
                table: [
                    dict(zip(columns, row, strict=True))
                    for row in connection.execute(
                        f"select {', '.join(columns)} from {table}"
                    ).fetchall()
                ]
                for table, columns in RAW_TABLES.items()
            }


def failures(result: dbtRunnerResult) -> list[str]:
    """The failed nodes of a dbt run, by name: their messages may hold what a test must not print."""
    if result.exception is not None:
        return [str(result.exception)]
    return [
        f"{each.node.name}: {each.status}"
        for each in result.result
        if each.status not in ("success", "pass", "warn", "no-op")
    ]
