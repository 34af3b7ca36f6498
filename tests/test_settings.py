"""Where things are, and which moment counts."""

from datetime import datetime
from pathlib import Path

import pytest

from orchestration.settings import REPOSITORY, Settings, SettingsError, parse_moment

NOW = datetime(2026, 1, 31, 17, 0, 0, 123456)


def test_defaults_lie_under_the_repository() -> None:
    settings = Settings.from_env({}, now=NOW)
    assert settings.home == REPOSITORY / "data"
    assert settings.warehouse == REPOSITORY / "data" / "warehouse.duckdb"
    assert settings.project == REPOSITORY / "dbt_project"
    assert not settings.is_warehouse_named
    assert (settings.as_of, settings.is_as_of_named) == (NOW, False)


def test_home_moves_the_warehouse_with_it_and_names_none(tmp_path: Path) -> None:
    settings = Settings.from_env({"KIGEN_HOME": str(tmp_path)}, now=NOW)
    assert settings.warehouse == tmp_path / "warehouse.duckdb"
    assert not settings.is_warehouse_named
    assert settings.key == tmp_path / "keys" / "kigen_key.duckdb"


def test_empty_variable_counts_as_not_set() -> None:
    empty = dict.fromkeys(("KIGEN_HOME", "KIGEN_WAREHOUSE", "KIGEN_AS_OF"), "")
    assert Settings.from_env(empty, now=NOW) == Settings.from_env({}, now=NOW)


def test_relative_warehouse_is_told_to_children_as_an_absolute_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_env({"KIGEN_WAREHOUSE": "mine.duckdb"}, now=NOW)
    assert settings.is_warehouse_named
    assert settings.environment()["KIGEN_WAREHOUSE"] == str(tmp_path / "mine.duckdb")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-02-01T02:00:00+09:00", datetime(2026, 1, 31, 17)),
        ("2026-01-31T17:00:00Z", datetime(2026, 1, 31, 17)),
        ("2026-01-31 17:00:00.5", datetime(2026, 1, 31, 17, 0, 0, 500000)),
        ("2024-02-29", datetime(2024, 2, 29)),
    ],
)
def test_as_of_is_kept_in_utc_without_a_zone(text: str, moment: datetime) -> None:
    settings = Settings.from_env({"KIGEN_AS_OF": text}, now=NOW)
    assert (settings.as_of, settings.is_as_of_named) == (moment, True)


def test_child_is_told_t_to_the_microsecond_and_that_telemetry_is_off() -> None:
    told = Settings.from_env({}, now=NOW).environment()
    assert told["KIGEN_AS_OF"] == "2026-01-31T17:00:00.123456"
    assert parse_moment(told["KIGEN_AS_OF"], "KIGEN_AS_OF") == NOW
    assert (told["DBT_SEND_ANONYMOUS_USAGE_STATS"], told["DO_NOT_TRACK"]) == ("false", "1")


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-02-30", "2026-01-31T25:00", "-1", "31/01/2026"]
)
def test_as_of_that_is_no_time_is_refused_by_name_and_value(text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_env({"KIGEN_AS_OF": text}, now=NOW)
    assert str(refused.value) == (
        f"KIGEN_AS_OF is {text!r}, which is no ISO 8601 time; "
        "write, say, 2026-01-31T02:00:00+09:00."
    )


def test_paths_that_are_not_what_they_should_be_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for variables, words in (
        ({"KIGEN_HOME": str(file)}, "KIGEN_HOME is .* a file; name a folder"),
        ({"KIGEN_WAREHOUSE": str(tmp_path)}, "KIGEN_WAREHOUSE is .* a folder; name a DuckDB file"),
        ({"KIGEN_DBT_PROJECT": str(tmp_path)}, "KIGEN_DBT_PROJECT is .* no dbt_project.yml"),
    ):
        with pytest.raises(SettingsError, match=words):
            Settings.from_env(variables, now=NOW)
