"""How much of a table may go, or change, at once before somebody has to look."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

EVERY_TABLE: Final = "*"
"""The name of the row of ``policy_purge_limits.csv`` for tables without a row of their own."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One row of ``policy_purge_limits.csv``; shares are percents of the rows of the table."""

    max_share_percent: float = 5
    max_rows: int = 500
    """Exceeded where more than this many rows and more than that share are meant."""
    max_share_percent_of_small: float = 50
    small_table_rows: int = 20
    """Exceeded, too, where more than this share of a table with more than that many rows is."""

    def excess(self, count: int, rows: int) -> str | None:
        """Return in words how `count` of `rows` rows exceed the limit, or None."""
        share = 100 * count / rows if rows else 0.0
        if count > self.max_rows and share > self.max_share_percent:
            return (
                f"{count} of {rows} rows ({share:.1f} %), more than {self.max_rows} rows and "
                f"{self.max_share_percent:g} % at once"
            )
        if rows > self.small_table_rows and share > self.max_share_percent_of_small:
            return (
                f"{count} of {rows} rows ({share:.1f} %), more than "
                f"{self.max_share_percent_of_small:g} % at once"
            )
        return None


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of all tables."""

    by_table: Mapping[str, Limit]

    def of(self, table: str) -> Limit:
        """Return the limit of a table: its own, else that of every table."""
        return self.by_table.get(table) or self.by_table.get(EVERY_TABLE) or Limit()
