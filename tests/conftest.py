"""Fixtures: one template warehouse a session, the sample shop built and not yet purged, copied per test."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from orchestration.keys import Pads, read_pads
from orchestration.project import Project, read
from orchestration.sample import load_sample
from orchestration.settings import Settings
from tests.house import REPOSITORY, House, environment, failures

# The day of the template. That the sample holds on any day is a test of its own.
T = datetime(2026, 11, 2, 3, 0, 0)


def sample_house(home: Path, as_of: datetime) -> House:
    """A house with the sample shop in it, loaded for a moment, and nothing built yet."""
    house = House(home)
    home.mkdir(parents=True)
    with duckdb.connect(str(house.warehouse)) as connection:
        load_sample(connection, as_of, REPOSITORY / "seeds" / "sample")
    return house


def copy_of(house: House, home: Path) -> House:
    """A copy of a house, to be harmed; what dbt wrote beside it stays behind."""
    shutil.copytree(house.home, home, ignore=shutil.ignore_patterns("target", "logs"))
    return House(home)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> House:
    """The sample shop, built at T."""
    house = sample_house(tmp_path_factory.mktemp("template") / "data", T)
    house.build(T)
    return house


@pytest.fixture
def sample(template: House, tmp_path: Path) -> House:
    """A copy of the template, to be harmed."""
    return copy_of(template, tmp_path / "data")


@pytest.fixture(scope="session")
def purged_template(template: House, tmp_path_factory: pytest.TempPathFactory) -> House:
    """The sample shop, purged at T and built again."""
    house = copy_of(template, tmp_path_factory.mktemp("purged") / "data")
    purge = house.purge(T)
    assert purge.success, failures(purge)
    house.build(T)
    return house


@pytest.fixture
def purged(purged_template: House, tmp_path: Path) -> House:
    """A copy of the purged sample shop, to be harmed."""
    return copy_of(purged_template, tmp_path / "data")


@pytest.fixture
def house(tmp_path: Path) -> House:
    """An empty house."""
    return House(tmp_path / "data")


@pytest.fixture(scope="session")
def parsed(template: House) -> Project:
    """The project as Python reads it; `seen_from` gives it the places of another house."""
    with environment(template.environment(T)):
        return read(Settings.from_env())


def seen_from(parsed: Project, house: House, as_of: datetime = T) -> Project:
    """The project with the places of a house: its manifest says the same of every house."""
    with environment(house.environment(as_of)):
        return replace(parsed, settings=Settings.from_env())


@pytest.fixture
def shop(parsed: Project, sample: House) -> Project:
    """The project with the places of a copy of the template."""
    return seen_from(parsed, sample)


@pytest.fixture
def pads(shop: Project) -> Pads:
    """The key of that house."""
    return read_pads(shop.settings.key)
