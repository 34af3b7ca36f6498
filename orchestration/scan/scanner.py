"""Names and values weighed: is a column personal, which category, how sure, and why.

A name that says something is held against the values: a flag is no address, a count no telephone
number. What is personal only of persons (a name, a city, a telephone number) is so in a table of
persons, told by the table's name or by what else stands in it. A name that says nothing leaves it
to the values, which must say it by themselves: by a shape nothing else has, or by check digits.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import duckdb

from orchestration.scan.names import Named, is_row_a_person, read_column, table_is_about, words_of
from orchestration.scan.values import (
    Profile,
    has_given_name,
    is_card,
    is_given_name,
    is_iban,
    is_japanese_given_name,
    is_japanese_name,
    is_japanese_surname,
    is_national_number,
    profile,
)

THRESHOLD: Final = 0.5
"""The confidence from which a column counts as personal."""

_OPAQUE: Final = frozenset(
    [
        "c",
        "col",
        "column",
        "field",
        "f",
        "attr",
        "attribute",
        "var",
        "variable",
        "v",
        "val",
        "value",
        "x",
        "y",
        "z",
        "data",
        "text",
        "txt",
        "str",
        "item",
        "info",
        "raw",
        "misc",
        "entry",
        "kol",
        "kolom",
        "dato",
        "dane",
        "поле",
        "字段",
        "항목",
        "필드",
        "zmienna",
        "merkmal",
        "attribut",
        "kolumna",
        "spalte",
        "feld",
        "campo",
        "coluna",
        "colonne",
        "champ",
        "列",
        "項目",
        "unnamed",
        "untitled",
        "extra",
        "custom",
        "param",
        "arg",
        "tmp",
    ]
)

_OF_ANYBODY: Final = frozenset(
    {
        "user.contact.email", "user.contact.phone_number", "user.contact.fax_number", "user.financial.bank_account",
        "user.contact.address", "user.contact.url", "user.government_id",
    }
)  # fmt: skip
"""What organisations have, too."""

_PUBLIC_OF_THINGS: Final = (
    "user.demographic.r", "user.job_title", "user.financial", "user.biometric", "user.demographic.language",
)  # fmt: skip
"""What is said of places and jobs, too: a country's religion, a vacancy's salary."""

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
class Finding:
    """What the scanner says of a column: a row of ``tags.scan_findings``."""

    schema_name: str
    table_name: str
    column_name: str
    data_category: str | None
    """A fideslang key; None where nothing was found."""
    confidence: float
    """0 to 1."""
    evidence: str
    """In words; never a value."""
    is_personal: bool


@dataclass(frozen=True, slots=True)
class _Table:
    about: str
    is_row_a_person: bool
    tells: int
    hints: int
    is_of_companies: bool
    """Its rows are companies with whom one deals: customers that are firms."""

    @property
    def is_of_persons(self) -> bool:
        if self.about == "persons":
            return True
        if self.about == "things":
            return self.tells >= 2
        return self.tells >= 1 or self.hints >= 2

    @property
    def is_of_things(self) -> bool:
        return self.about == "things" and self.tells < 2


def scan_table(
    connection: duckdb.DuckDBPyConnection, schema: str, table: str, columns: Mapping[str, str]
) -> tuple[Finding, ...]:
    """Scan a table of the warehouse; `columns` are its types, by name."""
    # With the catalog: a schema may have the name of the file.
    catalog = str(connection.execute("select current_database()").fetchall()[0][0])
    relation = ".".join('"' + part.replace('"', '""') + '"' for part in (catalog, schema, table))
    profiles = profile(connection, relation, columns)
    readings = {name: read_column(name) for name in columns}
    context = _context(table, readings, profiles)
    return tuple(
        Finding(schema, table, name, *_weigh(name, readings[name], profiles[name], context))
        for name in columns
    )


def scan_schema(
    connection: duckdb.DuckDBPyConnection,
    schema: str,
    on_table: Callable[[str], None] = lambda table: None,
) -> tuple[Finding, ...]:
    """Scan every table of a schema, views among them, in the order of their names."""
    tables: dict[str, dict[str, str]] = {}
    for table, column, data_type in connection.execute(
        "select table_name, column_name, data_type from duckdb_columns() "
        "where database_name = current_database() and schema_name = ? and not internal "
        "order by table_name, column_index",
        [schema],
    ).fetchall():
        tables.setdefault(table, {})[column] = data_type
    found: list[Finding] = []
    for table, columns in tables.items():
        found += scan_table(connection, schema, table, columns)
        on_table(table)
    return tuple(found)


def _context(
    table: str, readings: Mapping[str, tuple[Named, ...]], profiles: Mapping[str, Profile]
) -> _Table:
    tells: set[str] = set()
    hints: set[str] = set()
    for name, named in readings.items():
        for each in named:
            if not _fits(each.category, profiles[name]):
                continue
            if each.strength == "sure" and not each.is_of_organisation:
                if each.category in _TELLING:
                    tells.add(each.category)
                elif each.category in _HINTING or (
                    each.category == "user.name" and _OWN_NAME.search(each.phrase)
                ):
                    hints.add(each.category)
            elif each.category.startswith("user.demographic.") and each.category not in (
                "user.demographic.language",
                "user.demographic.political_opinion",
            ):
                hints.add(each.category)
            break
    is_of_companies = not tells and any(
        words_of(name)
        and _COMPANY.search(" ".join(words_of(name)))
        and profiles[name].share("company") > 0.4
        for name in readings
    )
    return _Table(
        table_is_about(table), is_row_a_person(table), len(tells), len(hints), is_of_companies
    )


_OWN_NAME: Final = re.compile(
    "full|compl|vollst|passenger|patient|employee|student|customer|member|lengkap|фио|성명|soyad|氏名|姓名|shimei|client|guest"
)
"""Phrases for the name of whom a row is about, and not of somebody it mentions."""

_COMPANY: Final = re.compile(
    "company|firma|firm|unternehmen|organi[sz]ation|entreprise|societe|raison sociale|empresa|razon social|razao social|"
    "azienda|ragione sociale|bedrijf|foretag|sirket|perusahaan|会社|法人|企業|事業者|商号|公司|회사|компания|business"
)


def _weigh(
    name: str, readings: tuple[Named, ...], values: Profile, table: _Table
) -> tuple[str | None, float, str, bool]:
    """Return category, confidence, evidence and the verdict on one column."""
    for named in readings:
        if not _fits(named.category, values):
            continue
        said = _by_name(named, values, table)
        if said is not None:
            confidence, why = said
            return named.category, confidence, why, confidence >= THRESHOLD
    category, confidence, why = _by_values(name, readings, values, table)
    if category is None:
        return None, 0.0, why, False
    return category, confidence, why, confidence >= THRESHOLD


def _by_name(named: Named, values: Profile, table: _Table) -> tuple[float, str] | None:
    """Return how sure a reading of a name is, and why; None lets the next reading speak."""
    why = f"its name says {named.category} ({named.phrase})"
    seen = "; it is empty" if values.is_empty else "; its values agree"
    if (
        table.is_of_companies
        and not named.is_of_person
        and (
            named.category.startswith("user.contact.address")
            or named.category in (*_OF_ANYBODY, "user.workplace", "user.unique_id")
        )
        and not (named.category == "user.contact.email" and values.share("role_mail") < 0.3)
    ):
        return 0.35, f"{why}, but its rows are companies"
    if named.strength == "sure":
        if named.category in _OF_ANYBODY and (named.is_of_organisation or table.is_of_things):
            if (
                named.category == "user.contact.email"
                and not named.is_of_organisation
                and values.share("role_mail") < 0.3
                and not values.is_empty
            ):
                return 0.6, f"{why}{seen}, and most are no mailbox of an office"
            return 0.3, f"{why}, but of an organisation or a thing"
        if (
            table.is_of_things
            and named.category.startswith(_PUBLIC_OF_THINGS)
            and "contact" not in named.phrase
        ):
            return 0.3, f"{why}, but of an organisation or a thing"
        if named.is_of_organisation and not named.is_of_person and not named.is_whole:
            return 0.35, f"{why}, but of an organisation or a thing"
        if named.category == "user.contact.email" and values.share("role_mail") > 0.8:
            return 0.3, f"{why}, but its values are mailboxes of offices"
        if named.category == "user.name" and values.share("company") > 0.5:
            return 0.2, f"{why}, but its values are names of companies"
        return (0.97 if named.is_whole else 0.9), why + seen
    if named.category == "user.unique_id":
        if table.is_row_a_person and not table.is_of_things:
            return 0.75, "it is the key of a table of persons"
        return 0.1, "it is a key"
    if (
        named.category.startswith(("user.biometric", "user.location"))
        and not table.is_row_a_person
        and table.tells + table.hints < 2
    ):
        return 0.3, f"{why}, but not of a person here"
    if named.is_of_organisation and not named.is_of_person:
        return 0.2, f"{why}, but of an organisation or a thing"
    if named.category == "user.name" and values.share("company") > 0.4:
        return 0.2, f"{why}, but its values are names of companies"
    if named.is_of_person and not table.is_of_things:
        return 0.88, f"{why}, of a person{seen}"
    if table.is_of_persons:
        if (
            named.category == "user.workplace"
            and values.share("company") < 0.2
            and not values.is_empty
        ):
            return 0.4, f"{why}, but its values do not"
        return 0.85, f"{why}, in a table of persons{seen}"
    if named.category == "user.name":
        if not table.is_of_things and _looks_like_names(values):
            return 0.75, f"{why}, and its values are names of persons"
        if table.is_of_things and values.distinct > 15 and values.passing(has_given_name) > 0.8:
            return 0.6, f"{why}, and its values are names of persons"
    if named.is_of_person:
        return 0.6, f"{why}, of a person{seen}"
    return 0.3, f"{why}, but not of a person here"


def _by_values(
    name: str, readings: tuple[Named, ...], values: Profile, table: _Table
) -> tuple[str | None, float, str]:
    """Return what the values say by themselves."""
    if values.is_empty:
        return None, 0.0, "nothing in its name, and no values"
    words = words_of(name)
    is_opaque = not words or all(
        word.isdigit()
        or re.sub(r"\d+$", "", word) in _OPAQUE
        or len(re.sub(r"\d+$", "", word)) <= 1
        for word in words
    )
    organisation = (
        any(named.is_of_organisation for named in readings) or table_is_about(name) == "things"
    )
    if values.share("email") >= 0.6:
        if values.share("role_mail") > 0.6 or (organisation and not is_opaque):
            return "user.contact.email", 0.3, "its values are mailboxes of offices"
        return "user.contact.email", 0.9, "its values have the shape of e-mail addresses"
    if (
        values.share("iban") >= 0.7
        and values.passing(is_iban) >= 0.8
        and not organisation
        and not table.is_of_things
    ):
        return "user.financial.bank_account", 0.9, "the check digits of an IBAN hold"
    if (
        values.share("ip") >= 0.8
        and (values.share("small_ip") < 0.9)
        and not set(words) & {"version", "ver", "release", "firmware", "build", "section", "oid"}
    ):
        return "user.device.ip_address", 0.75, "its values have the shape of IP addresses"
    if values.share("card") >= 0.8 and values.passing(is_card) >= 0.9 and is_opaque:
        return "user.financial.credit_card", 0.85, "an issuer's digits and the Luhn check hold"
    if (
        values.share("national") >= 0.8
        and values.passing(is_national_number) >= 0.8
        and (is_opaque or table.is_of_persons)
    ):
        return (
            "user.government_id.national_identification_number",
            0.8,
            "the check digits of a national number hold",
        )
    if values.share("ssn") >= 0.8 and (is_opaque or table.is_of_persons):
        return (
            "user.government_id.national_identification_number",
            0.7,
            "its values have the shape of a social security number",
        )
    if (
        values.share("japanese_address") >= 0.6
        and values.length > 6
        and not organisation
        and (table.is_of_persons or (is_opaque and not table.is_of_things))
    ):
        return "user.contact.address", 0.75, "its values begin with a prefecture and go on"
    if is_opaque:
        if (
            values.share("phone") >= 0.8
            and values.share("phone_written") >= 0.6
            and 8 <= values.digit_count <= 15
            and values.share("date") < 0.2
            and values.share("national") < 0.5
        ):
            return (
                "user.contact.phone_number",
                0.7,
                "its values are written as telephone numbers are",
            )
        if values.share("street") >= 0.7 and values.words >= 2 and not table.is_of_things:
            return "user.contact.address.street", 0.65, "its values have a street and a number"
        if _looks_like_names(values) and not table.is_of_things:
            return "user.name", 0.7, "its values are names of persons"
        if values.share("cjk_name") > 0.9 and values.distinct > 8 and not table.is_of_things:
            surnames, given = (
                values.passing(check) for check in (is_japanese_surname, is_japanese_given_name)
            )
            if max(surnames, given) > 0.8:
                part = "last" if surnames >= given else "first"
                return f"user.name.{part}", 0.65, "its values are names of persons"
        if (
            values.share("katakana", "hiragana") > 0.9
            and 1.8 < values.words < 2.3
            and values.distinct > 8
        ):
            return "user.name", 0.6, "its values are two words in kana"
        if (
            values.share("word") > 0.9
            and values.passing(is_given_name) > 0.6
            and values.distinct > 8
        ):
            return "user.name.first", 0.65, "its values are given names"
        if (
            values.share("gender") > 0.95
            and 2 <= values.distinct <= 4
            and values.share("boolean") < 0.5
            and values.share("number") < 0.2
            and values.share("word") > 0.9
            and table.is_of_persons
        ):
            return "user.demographic.gender", 0.6, "its values are the words for genders"
    elif (
        table.about != "things"
        and not organisation
        and not readings
        and values.passing(has_given_name) > 0.75
        and values.share("names") > 0.8
        and values.distinct > 15
    ):
        return "user.name", 0.6, "its values are names of persons"
    return None, 0.0, "nothing in its name, and nothing in its values"


def _looks_like_names(values: Profile) -> bool:
    if values.share("company") > 0.3 or values.distinct < 8:
        return False
    if values.share("names", "upper_names") > 0.7:
        return values.passing(has_given_name) > 0.45
    if values.share("cjk_name") > 0.8 and values.length <= 9:
        return values.passing(is_japanese_name) > 0.5
    return False


# Whether values can be of a category.


def _text(values: Profile) -> bool:
    return (
        not values.is_boolean
        and not values.is_time
        and not values.is_number
        and values.share("number") < 0.5
    )


def _fits(category: str, values: Profile) -> bool:
    """Return whether values can be of a category; no values can."""
    if values.is_empty:
        return not values.is_boolean and (
            not values.is_time or category == "user.demographic.date_of_birth"
        )
    check = _FITS.get(category)
    if check is None:
        for parent, fits in _FITS.items():
            if category.startswith(parent + "."):
                check = fits
                break
    return check(values) if check else not values.is_time


_FITS: Final[Mapping[str, Callable[[Profile], bool]]] = {
    "user.contact.email": lambda v: (
        v.share("email") > 0.3 or (v.share("letters") < 0.2 and v.share("email") > 0.1)
    ),
    "user.contact.phone_number": lambda v: (
        not v.is_time
        and not v.is_boolean
        and v.share("uuid") < 0.5
        and (
            (v.share("phone") > 0.4 and v.share("ip", "date") < 0.6)
            or (v.share("digits") > 0.6 and 6 <= v.length <= 15)
            or (v.digit_count >= 4 and 6 <= v.length <= 24 and v.share("number") < 0.5)
            or (
                v.share("digits") > 0.9
                and 2 <= v.length <= 5
                and v.data_type == "VARCHAR"
                and v.distinct > 20
            )
        )
    ),
    "user.contact.fax_number": lambda v: (
        v.share("phone") > 0.4
        or (v.share("digits") > 0.6 and 6 <= v.length <= 15)
        or 6 <= v.digit_count <= 15
    ),
    "user.name": _text,
    "user.contact.address.street": lambda v: (
        not v.is_boolean and not v.is_time and (not v.is_number or v.length < 6)
    ),
    "user.contact.address.city": lambda v: _text(v),
    "user.contact.address.state": lambda v: (
        _text(v) or (v.share("digits") > 0.9 and v.length <= 2.2)
    ),
    "user.contact.address.country": _text,
    "user.contact.address.postal_code": lambda v: (
        not v.is_boolean and not v.is_time and 3 <= v.length <= 11 and v.digit_count >= 2
    ),
    "user.contact.address": lambda v: _text(v) and v.length > 4,
    "user.contact.url": lambda v: _text(v),
    "user.demographic.date_of_birth": lambda v: (
        v.is_time
        or v.share("date", "year") > 0.5
        or (v.digit_count >= 2 and v.length >= 4 and not v.is_number)
        or (
            v.is_number
            and v.least is not None
            and v.least > 1850
            and v.most is not None
            and v.most < 2035
        )
        or (
            v.share("number") > 0.9
            and v.least is not None
            and v.least >= 1
            and v.most is not None
            and v.most <= 12
            and v.distinct > 6
        )
    ),
    "user.demographic.gender": lambda v: (
        not v.is_time
        and v.distinct <= 9
        and v.length < 14
        and (
            v.share("gender") > 0.5
            or v.share("letters") > 0.8
            or (v.is_number and v.distinct <= 4 and v.most is not None and v.most <= 9)
        )
    ),
    "user.demographic.age_range": lambda v: (
        not v.is_time
        and not v.is_boolean
        and (
            v.share("number") < 0.5
            or (
                v.least is not None
                and v.most is not None
                and v.least >= 0
                and v.most <= 125
                and v.most >= 12
            )
        )
    ),
    "user.demographic.marital_status": lambda v: not v.is_time and v.distinct <= 14,
    "user.demographic.language": lambda v: _text(v) and v.length < 20,
    "user.demographic.political_opinion": _text,
    "user.demographic.race_ethnicity": lambda v: not v.is_time and v.distinct <= 40,
    "user.demographic.religious_belief": lambda v: not v.is_time and v.distinct <= 40,
    "user.government_id": lambda v: (
        not v.is_time and not v.is_boolean and v.length >= 5 and v.digit_count >= 4
    ),
    "user.financial.bank_account": lambda v: (
        not v.is_time
        and not v.is_boolean
        and v.length >= 3
        and (v.digit_count >= 3 or v.share("code", "word") > 0.5)
    ),
    "user.financial.credit_card": lambda v: (
        not v.is_time
        and not v.is_boolean
        and (
            v.share("card", "masked_card") > 0.5
            or (2 <= v.length <= 8 and v.share("code") < 0.5 and v.share("letters") < 0.5)
        )
    ),
    "user.financial": lambda v: (
        not v.is_time
        and not v.is_boolean
        and (v.is_number or v.share("number") > 0.5 or v.digit_count >= 1.5)
    ),
    "user.device.ip_address": lambda v: v.share("ip") > 0.4,
    "user.device.device_id": lambda v: not v.is_time and not v.is_boolean and v.length >= 10,
    "user.device.cookie_id": lambda v: not v.is_time and not v.is_boolean and v.length >= 6,
    "user.device": lambda v: _text(v) and v.length > 3,
    "user.account.username": lambda v: not v.is_time and not v.is_boolean and not v.is_number,
    "user.authorization": lambda v: not v.is_time and not v.is_boolean and v.length > 3,
    "user.unique_id.pseudonymous": lambda v: (
        not v.is_time and v.length >= 8 and (v.share("hash", "uuid") > 0.5 or v.length >= 12)
    ),
    "user.unique_id": lambda v: not v.is_time and not v.is_boolean and v.words < 1.5,
    "user.location.precise": lambda v: not v.is_time and (v.digit_count >= 3),
    "user.job_title": lambda v: _text(v) and v.length < 60,
    "user.workplace": _text,
    "user.health_and_medical": lambda v: not v.is_time,
    "user.biometric.health": lambda v: (
        not v.is_time and not v.is_boolean and (v.share("number") > 0.5 or v.digit_count >= 1)
    ),
    "user.content.self_image": lambda v: _text(v) and v.length > 6,
    "user.content.private": lambda v: _text(v) and (v.words >= 2 or v.length > 6),
    "user.criminal_history": lambda v: not v.is_time,
}
