"""What a table is about: by its name, by what its columns are called, and by what stands in them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from orchestration.scan.fits import fits
from orchestration.scan.names import Named, is_row_a_person, table_is_about, words_of
from orchestration.scan.values import Profile, are_given_names, are_names

_TELLING: Final = frozenset(
    {
        "user.name.first", "user.name.last", "user.demographic.date_of_birth", "user.government_id.national_identification_number",
        "user.authorization.password", "user.government_id.passport_number", "user.demographic",
    }
)  # fmt: skip
"""What only a table of persons has."""

_HINTING: Final = frozenset(
    {
        "user.contact.email", "user.demographic.gender", "user.demographic.age_range", "user.demographic.marital_status",
        "user.account.username", "user.job_title", "user.health_and_medical", "user.financial",
        "user.demographic.religious_belief", "user.demographic.race_ethnicity",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """What a table's name and its columns together say of its rows."""

    about: str
    names_a_person: bool
    """Whether by the table's name a row is a person."""
    tells: int
    hints: int
    is_of_companies: bool
    """Its rows are companies with whom one deals: customers that are firms."""
    has_key_of_person: bool
    """A column of it says by a key whose the rest of the row is."""

    @property
    def is_row_a_person(self) -> bool:
        """Whether a row is a person."""
        return self.names_a_person or (self.about == "unknown" and self.tells >= 2)

    @property
    def is_of_persons(self) -> bool:
        """Whether its rows are persons, or what one person did."""
        if self.about == "persons":
            return True
        if self.about == "things":
            return self.tells >= 2
        return self.tells >= 1 or self.hints >= 2

    @property
    def is_of_things(self) -> bool:
        """Whether its rows are organisations, places or things."""
        return self.about == "things" and self.tells < 2


def context_of(
    table: str, readings: Mapping[str, tuple[Named, ...]], profiles: Mapping[str, Profile]
) -> Table:
    """Return what a table is about, by its name and by what its columns are called."""
    tells: set[str] = set()
    hints: set[str] = set()
    for name, named in readings.items():
        for each in named:
            if not fits(each.category, profiles[name]):
                continue
            if each.strength != "person" and not each.is_of_organisation:
                if each.category in _TELLING:
                    tells.add(each.category)
                elif each.category in _HINTING or (
                    each.category == "user.name" and _OWN_NAME.search(each.phrase)
                ):
                    hints.add(each.category)
            elif _is_named(each, profiles[name]):
                tells.add(each.category)
            elif each.category.startswith("user.demographic.") and each.category not in (
                "user.demographic.language",
                "user.demographic.political_opinion",
            ):
                hints.add(each.category)
            break
    return Table(
        table_is_about(table),
        is_row_a_person(table),
        len(tells),
        len(hints),
        any(
            _names_companies(name, named, profiles[name], tells) for name, named in readings.items()
        ),
        any(
            each.category.startswith(_KEYS_OF_PERSONS) and each.strength == "sure"
            for named in readings.values()
            for each in named[:1]
        ),
    )


def _is_named(named: Named, values: Profile) -> bool:
    """Return whether a name that may be anything's is that of the row, and a person's by its values."""
    if not named.is_whole or _IN_COMPANY.search(named.phrase):
        return False
    if named.category == "user.name":
        return are_names(values)
    return named.category.startswith("user.name.") and are_given_names(values)


_KEYS_OF_PERSONS: Final = ("user.unique_id", "user.device.device_id", "user.device.cookie_id")
"""What says whose the rest of a row is."""


def _names_companies(
    name: str, readings: tuple[Named, ...], values: Profile, tells: set[str]
) -> bool:
    """Return whether a column names the companies that a table's rows are."""
    if _COMPANY.search(" ".join(words_of(name))):
        return not tells and values.share("company") > 0.4
    return (
        bool(readings)
        and readings[0].category == "user.name"
        and readings[0].strength != "role"
        and not _IN_COMPANY.search(name.casefold())
        and values.share("company") > 0.4
    )


_IN_COMPANY: Final = re.compile("contact|kontakt|ansprech|contat|連絡|担当|联系|담당")
"""Words for the person one talks to in a company."""


_OWN_NAME: Final = re.compile(
    "full|compl|vollst|passenger|patient|employee|student|customer|member|lengkap|фио|성명|soyad|氏名|姓名|shimei|client|guest"
)
"""Phrases for the name of whom a row is about, and not of somebody it mentions."""

_COMPANY: Final = re.compile(
    "company|firma|firm|unternehmen|organi[sz]ation|entreprise|societe|raison sociale|empresa|razon social|razao social|"
    "azienda|ragione sociale|bedrijf|foretag|sirket|perusahaan|会社|法人|企業|事業者|商号|公司|회사|компания|business"
)
