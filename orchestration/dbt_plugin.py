"""A plugin of dbt-duckdb: dbt works on an encrypted warehouse as on a plain one.

dbt-duckdb opens the file its profile names, and DuckDB takes a key only where a file is
attached. So where the profile names a key file, dbt-duckdb is sent to an empty database in
memory, and the warehouse is attached there. The key itself stands in no profile.
"""

from pathlib import Path
from typing import Any

import duckdb
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.plugins import BasePlugin

from orchestration import encryption
from orchestration.warehouse import patiently


class Plugin(BasePlugin):
    """Opens the warehouse under its key.

    Its one configuration is `key`, the path of the key file; an empty one leaves the warehouse
    to dbt-duckdb.
    """

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Note the file and its key."""
        self.warehouse = Path(self.creds.path if self.creds else "")
        key = plugin_config.get("key")
        self.key = Path(key) if key else None

    def update_connection_config(self, creds: DuckDBCredentials, config: dict[str, Any]) -> None:
        """Send dbt-duckdb to memory. Raises EncryptionError where file and key do not fit."""
        encryption.check_key(self.warehouse, self.key)
        if self.key:
            creds.path = ":memory:"

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Attach the warehouse, waiting for whoever has it."""
        key = self.key
        if key:
            patiently(self.warehouse, lambda: encryption.enter(conn, self.warehouse, key))

    def configure_cursor(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Take a cursor to the warehouse: it begins where its connection began."""
        if self.key:
            cursor.execute(f"use {encryption.catalog_of(self.warehouse)}")
