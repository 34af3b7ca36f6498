"""What stands to leak, as a page: personal values held, how many past use, and the trend of both.

One file with nothing from elsewhere. Counts and names only; no row of a person is read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from orchestration.durable import write_whole
from orchestration.pages import templates
from orchestration.project import Project
from orchestration.warehouse import connect, has_table

PAGE: Final = "exposure.html"

AGES: Final = ("under_1_year", "1_to_3_years", "3_to_5_years", "5_years_and_more", "unknown")
"""The ages of records, as the model `exposure` names them."""

_WIDTH: Final = 720
_HEIGHT: Final = 180


@dataclass(frozen=True, slots=True)
class Held:
    """The values of a data category in a table, by age, and how many of them are past use."""

    table: str
    category: str
    by_age: Mapping[str, int]
    past_use: int

    @property
    def values(self) -> int:
        """All of them."""
        return sum(self.by_age.values())


@dataclass(frozen=True, slots=True)
class Day:
    """What was held on the day of a T."""

    judged_on: date
    values: int
    past_use: int


def write_exposure(project: Project) -> tuple[Path, ...]:
    """Write the page into the documents, where the warehouse has been built. Raises WarehouseError."""
    if not project.settings.warehouse.exists():
        return ()
    with connect(project.settings, read_only=True) as connection:
        schema = "retention"
        if not all(has_table(connection, schema, name) for name in ("exposure", "exposure_trend")):
            return ()
        rows = connection.execute(
            "select table_name, data_category, age_band, value_count, past_use_count "
            f"from {project.relation('exposure')} order by table_name, data_category"
        ).fetchall()
        trend = connection.execute(
            "select judged_on, cast(sum(value_count) as bigint), cast(sum(past_use_count) as bigint) "
            f"from {project.relation('exposure_trend')} group by judged_on order by judged_on"
        ).fetchall()
    path = project.settings.documents / PAGE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, page(_held(rows), [Day(*row) for row in trend]))
    return (path,)


def page(held: Sequence[Held], trend: Sequence[Day]) -> str:
    """Return the page, in Japanese and English side by side."""
    most = max((day.values for day in trend), default=0)
    return (
        templates(autoescape=True)
        .get_template("exposure.html.jinja")
        .render(
            held=held,
            trend=trend,
            ages=AGES,
            width=_WIDTH,
            height=_HEIGHT,
            most=most,
            lines={
                "values": _line(trend, [day.values for day in trend], most),
                "past": _line(trend, [day.past_use for day in trend], most),
            },
        )
    )


def _held(rows: Sequence[tuple[str, str, str, int, int]]) -> list[Held]:
    ages: dict[tuple[str, str], dict[str, int]] = {}
    past: dict[tuple[str, str], int] = {}
    for table, category, age, values, past_use in rows:
        ages.setdefault((table, category), {})[age] = values
        past[(table, category)] = past.get((table, category), 0) + past_use
    return [Held(*place, by_age, past[place]) for place, by_age in ages.items()]


def _line(trend: Sequence[Day], values: Sequence[int], most: int) -> str:
    """Return the points of a line in the picture: days to the right, in scale, from 0 upwards."""
    if not trend:
        return ""
    days = max((trend[-1].judged_on - trend[0].judged_on).days, 1)
    return " ".join(
        f"{_WIDTH * (day.judged_on - trend[0].judged_on).days / days:.1f},"
        f"{_HEIGHT - _HEIGHT * value / max(most, 1):.1f}"
        for day, value in zip(trend, values, strict=True)
    )
