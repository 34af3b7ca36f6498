"""Where things are and which moment counts, read from the environment in one place."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, overload
from urllib.parse import quote

REPOSITORY: Final = Path(__file__).resolve().parent.parent


PAGES_PORT: Final = 3001
PAGES_URL: Final = f"http://127.0.0.1:{PAGES_PORT}"


class SettingsError(ValueError):
    """An environment variable that cannot be used as it is."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One run's places and its T; every path is absolute."""

    home: Path
    warehouse: Path
    is_warehouse_named: bool
    """Whether KIGEN_WAREHOUSE names the file: then no made-up people ever get into it."""
    as_of: datetime
    """T, in UTC without a zone: the moment the run judges by."""
    is_as_of_named: bool
    project: Path
    """The folder of the dbt project."""
    warehouse_key: Path | None
    """The file of the key the warehouse is encrypted with; None where it is not encrypted."""
    pages_url: str = PAGES_URL
    """Where the pages are served that Dagster links to."""

    @classmethod
    def from_env(
        cls, environment: Mapping[str, str] | None = None, now: datetime | None = None
    ) -> "Settings":
        """Read the settings from `environment` (default: the process's own).

        `now` (naive, UTC) is T where KIGEN_AS_OF is not set. An empty variable counts as not
        set. Raises SettingsError naming the variable, its value and what to do.
        """
        variables = os.environ if environment is None else environment
        home = _path(variables, "KIGEN_HOME", REPOSITORY / "data")
        if home.exists() and not home.is_dir():
            raise SettingsError(f"KIGEN_HOME is {str(home)!r}, which is a file; name a folder.")
        warehouse = _path(variables, "KIGEN_WAREHOUSE", home / "warehouse.duckdb")
        if warehouse.is_dir():
            raise SettingsError(
                f"KIGEN_WAREHOUSE is {str(warehouse)!r}, which is a folder; name a DuckDB file."
            )
        project = _path(variables, "KIGEN_DBT_PROJECT", REPOSITORY / "dbt_project")
        if not (project / "dbt_project.yml").is_file():
            raise SettingsError(
                f"KIGEN_DBT_PROJECT is {str(project)!r}, where there is no dbt_project.yml; "
                "name the folder of a dbt project."
            )
        if variables.get("KIGEN_SEEDS", "").startswith("/"):
            raise SettingsError(
                f"KIGEN_SEEDS is {variables['KIGEN_SEEDS']!r}, an absolute path, and dbt would write "
                "over what lies there; name the folder as seen from the dbt project, such as seeds."
            )
        moment = variables.get("KIGEN_AS_OF", "")
        return cls(
            home=home,
            warehouse=warehouse,
            is_warehouse_named=bool(variables.get("KIGEN_WAREHOUSE")),
            as_of=parse_moment(moment, "KIGEN_AS_OF") if moment else now or utc_now(),
            is_as_of_named=bool(moment),
            project=project,
            warehouse_key=_path(variables, "KIGEN_WAREHOUSE_KEY", None),
            pages_url=(variables.get("KIGEN_PAGES_URL") or PAGES_URL).rstrip("/"),
        )

    @property
    def key(self) -> Path:
        """The file of the HMAC pads (mode 0600)."""
        return self.home / "keys" / "kigen_key.duckdb"

    @property
    def dagster_home(self) -> Path:
        """Dagster's own storage."""
        return self.home / "dagster"

    @property
    def target(self) -> Path:
        """Dbt's artifacts: the manifest, compiled SQL and run results of the last child."""
        return self.home / "target"

    @property
    def erasure_record(self) -> Path:
        """What was erased last, and since when something is deleted and not yet erased."""
        return self.home / "erasure.json"

    @property
    def leases(self) -> Path:
        """What was handed over, a folder per campaign."""
        return self.home / "leases"

    @property
    def breaches(self) -> Path:
        """What was answered after a leak, and whom to tell, a folder per answer."""
        return self.home / "breaches"

    @property
    def disclosures(self) -> Path:
        """What was disclosed to the people it is about, a folder per request."""
        return self.home / "disclosures"

    @property
    def documents(self) -> Path:
        """What is made for people: the record of processing, the lineage."""
        return self.home / "documents"

    def page_url(self, *parts: str) -> str:
        """Return where `kigen ui` serves a file of KIGEN_HOME, by default."""
        return "/".join((self.pages_url, *map(quote, parts)))

    @property
    def sample(self) -> Path:
        """The made-up shop."""
        return REPOSITORY / "seeds" / "sample"

    def environment(self, as_of: datetime | None = None) -> dict[str, str]:
        """Return what a child process is told: the places, T, and that telemetry is off."""
        search_path = [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
        return {
            "KIGEN_HOME": str(self.home),
            "KIGEN_WAREHOUSE": str(self.warehouse),
            "KIGEN_WAREHOUSE_KEY": str(self.warehouse_key or ""),
            "KIGEN_KEY": str(self.key),
            "KIGEN_AS_OF": format_moment(as_of or self.as_of),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DBT_USE_COLORS": "false",
            "DO_NOT_TRACK": "1",
            "PYTHONPATH": os.pathsep.join(part for part in search_path if part),
        }


def utc_now() -> datetime:
    """Return this moment in UTC, without a zone, as the warehouse keeps its times."""
    return datetime.now(UTC).replace(tzinfo=None)


def parse_moment(text: str, name: str) -> datetime:
    """Read an ISO 8601 time; without a zone it is UTC. Returns it in UTC, without a zone.

    `name` is what the time was given as, for the message. Raises SettingsError.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise SettingsError(
            f"{name} is {text!r}, which is no ISO 8601 time; write, say, 2026-01-31T02:00:00+09:00."
        ) from None


def format_moment(moment: datetime) -> str:
    """Write a naive UTC moment as ``YYYY-MM-DDTHH:MM:SS.ffffff``."""
    return moment.isoformat(timespec="microseconds")


@overload
def _path(variables: Mapping[str, str], name: str, default: Path) -> Path: ...


@overload
def _path(variables: Mapping[str, str], name: str, default: None) -> Path | None: ...


def _path(variables: Mapping[str, str], name: str, default: Path | None) -> Path | None:
    value = variables.get(name)
    # Not resolved: a symbolic link keeps its own name, and dbt names the catalog after it.
    return Path(value).expanduser().absolute() if value else default
