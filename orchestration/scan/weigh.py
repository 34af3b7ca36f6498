"""Names and values weighed: is a column personal, which category, how sure, and why.

A name that says something is held against the values: a flag is no address, a count no telephone
number. What is personal only of persons (a name, a city, a telephone number) is so in a table of
persons, told by the table's name or by what else stands in it. A name that says nothing leaves it
to the values, which must say it by themselves: by a shape nothing else has, or by check digits.
"""

import re
from typing import Final

from orchestration.scan.context import Table
from orchestration.scan.fits import fits
from orchestration.scan.guess import guess
from orchestration.scan.names import Named
from orchestration.scan.values import (
    Profile,
    are_given_names,
    are_names,
    has_given_name,
    is_given_name,
)

THRESHOLD: Final = 0.5
"""The confidence from which a column counts as personal."""

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

_MAY_BE_MAILBOXES: Final = ("user.contact.email", "user.account", "user.unique_id")
"""What an e-mail address may stand for."""

_DEALT_WITH: Final = re.compile(
    "cust|clie|kund|klant|klient|顧客|得意先|客户|고객|musteri|pelanggan|kupac|ugyfel"
)
"""Words for whom one deals with, a person or a company."""


def weigh(
    name: str, readings: tuple[Named, ...], values: Profile, table: Table
) -> tuple[str | None, float, str, bool]:
    """Return category, confidence, evidence and the verdict on one column."""
    for named in readings:
        if not fits(named.category, values):
            continue
        is_about_else = not named.category.startswith(_MAY_BE_MAILBOXES)
        if is_about_else and values.share("email") > 0.9:
            # A note, a name, a remark, of mailboxes throughout: the values say what it is.
            break
        said = _by_name(named, values, table)
        if said is not None:
            confidence, why = said
            if is_about_else and confidence < THRESHOLD and values.share("mail_inside") >= 0.5:
                break
            return named.category, confidence, why, confidence >= THRESHOLD
    category, confidence, why = guess(name, readings, values, table)
    if category is None:
        return None, 0.0, why, False
    return category, confidence, why, confidence >= THRESHOLD


def _by_name(named: Named, values: Profile, table: Table) -> tuple[float, str] | None:
    """Return how sure a reading of a name is, and why; None lets the next reading speak."""
    why = f"its name says {named.category} ({named.phrase})"
    seen = "; it is empty" if values.is_empty else "; its values agree"
    if table.is_of_companies and _is_of_company(named, values):
        return 0.35, f"{why}, but its rows are companies"
    if named.strength != "person":
        if named.strength == "role" and not _may_be_names(named, values, table):
            return None
        if against := _against(named, values, table):
            return 0.3, f"{why}, but {against}"
        if named.category == "user.contact.email" and table.is_of_things and not values.is_empty:
            return 0.6, f"{why}{seen}, and most are no mailbox of an office"
        return (0.97 if named.is_whole else 0.9), why + seen
    if named.category == "user.unique_id":
        if table.is_row_a_person and not table.is_of_things:
            return 0.75, "it is the key of a table of persons"
        return 0.1, "it is a key"
    if _is_of_nobody_here(named, table):
        return 0.3, f"{why}, but not of a person here"
    if named.is_of_organisation and not named.is_of_person:
        return 0.2, f"{why}, but of an organisation or a thing"
    if named.category == "user.name" and values.share("company") > 0.4:
        return 0.2, f"{why}, but its values are names of companies"
    if named.is_of_person and not table.is_of_things:
        return 0.88, f"{why}, of a person{seen}"
    if table.is_of_persons:
        if _contradicts(named, values):
            return 0.4, f"{why}, but its values do not"
        return 0.85, f"{why}, in a table of persons{seen}"
    if table.has_key_of_person and named.category.startswith(_OF_WHOM_A_KEY_NAMES):
        return 0.6, f"{why}, beside the key of a person{seen}"
    if named.category.startswith("user.name") and _are_names_of_persons(named, values, table):
        return 0.7, f"{why}, and its values are names of persons"
    if named.is_of_person:
        return 0.6, f"{why}, of a person{seen}"
    return 0.3, f"{why}, but not of a person here"


def _is_of_company(named: Named, values: Profile) -> bool:
    """Return whether a reading is about the company where the rows of a table are companies."""
    if named.category == "user.contact.email":
        return values.share("role_mail") >= 0.3
    return (
        named.category.startswith("user.contact.address")
        or named.category in (*_OF_ANYBODY, "user.workplace", "user.financial")
        or (named.category == "user.unique_id" and bool(_DEALT_WITH.search(named.phrase)))
    )


def _against(named: Named, values: Profile, table: Table) -> str | None:
    """Return what speaks against a reading that is personal anywhere else."""
    of_thing = "of an organisation or a thing"
    is_mail = named.category == "user.contact.email"
    if named.category in _OF_ANYBODY and (named.is_of_organisation or table.is_of_things):
        is_office = named.is_of_organisation or values.share("role_mail") >= 0.3 or values.is_empty
        return of_thing if not is_mail or is_office else None
    if (
        table.is_of_things
        and named.category.startswith(_PUBLIC_OF_THINGS)
        and "contact" not in named.phrase
    ):
        return of_thing
    if named.is_of_organisation and not named.is_of_person and not named.is_whole:
        return of_thing
    if is_mail and values.share("role_mail") > 0.8:
        return "its values are mailboxes of offices"
    if named.category == "user.name" and values.share("company") > 0.5:
        return "its values are names of companies"
    return None


def _is_of_nobody_here(named: Named, table: Table) -> bool:
    """Return whether a measure or a place is that of a thing, for all a table says."""
    if table.has_key_of_person and named.category.startswith("user.location"):
        return False
    return (
        named.category.startswith(("user.biometric", "user.location"))
        and not table.is_row_a_person
        and table.tells + table.hints < 2
    )


def _contradicts(named: Named, values: Profile) -> bool:
    """Return whether values are no names where a name may be that of something else."""
    if values.is_empty:
        return False
    if named.category == "user.workplace":
        return values.share("company") < 0.2
    if named.category == "user.name" and values.distinct <= 3 and values.rows >= 50:
        return True
    return (
        named.category == "user.name"
        and not named.is_whole
        and values.passing(has_given_name) < 0.1
        and values.share("cjk_name", "katakana", "hiragana", "patronymic") < 0.5
    )


def _are_names_of_persons(named: Named, values: Profile, table: Table) -> bool:
    """Return whether values are names of persons, whatever the table is."""
    if named.category != "user.name":
        return not table.is_of_things and are_given_names(values)
    if table.is_of_things:
        return values.distinct > 15 and values.passing(has_given_name) > 0.8
    return are_names(values)


_OF_WHOM_A_KEY_NAMES: Final = (
    "user.location.precise", "user.content", "user.device", "user.contact.phone_number",
)  # fmt: skip
"""What is of the person whose key stands in the row."""


def _may_be_names(named: Named, values: Profile, table: Table) -> bool:
    """Return whether the values beside a word for a person can be that person's name."""
    if values.is_empty:
        return True
    if values.digit_count > 1:
        return False
    if named.is_whole and table.is_of_persons:
        return True
    if values.share("names", "upper_names") > 0.5:
        return table.is_of_persons or values.passing(has_given_name) > 0.1
    return values.share("cjk_name", "katakana", "hiragana") > 0.5 or (
        values.share("word") > 0.5 and (table.is_of_persons or values.passing(is_given_name) > 0.2)
    )
