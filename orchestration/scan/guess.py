"""What the values of a column say by themselves, where its name says nothing."""

import re
from dataclasses import dataclass

from orchestration.scan.context import Table
from orchestration.scan.names import OPAQUE, Named, table_is_about, words_of
from orchestration.scan.values import (
    Profile,
    are_names,
    has_given_name,
    has_iban_length,
    is_card,
    is_given_name,
    is_international_phone,
    is_japanese_given_name,
    is_japanese_surname,
    is_national_number,
    national_phones,
)

Guess = tuple[str, float, str]
"""Category, confidence, evidence."""

_NATIONAL = "user.government_id.national_identification_number"


@dataclass(frozen=True, slots=True)
class _Column:
    words: tuple[str, ...]
    values: Profile
    table: Table
    is_read: bool
    """Whether its name says something, which its values do not fit."""
    is_of_organisation: bool

    @property
    def is_opaque(self) -> bool:
        """Whether its name is a letter, a number or `column`."""
        bare = [re.sub(r"\d+$", "", word) for word in self.words]
        return all(word in OPAQUE or len(word) <= 1 for word in bare)


def guess(
    name: str, readings: tuple[Named, ...], values: Profile, table: Table
) -> tuple[str | None, float, str]:
    """Return what the values of a column say by themselves."""
    if values.is_empty:
        return None, 0.0, "nothing in its name, and no values"
    column = _Column(
        words_of(name),
        values,
        table,
        bool(readings),
        any(named.is_of_organisation for named in readings) or table_is_about(name) == "things",
    )
    for rule in (_reach, _numbers_with_checks, _national_numbers, _address, _name):
        if said := rule(column):
            return said
    if column.is_opaque and (said := _where_no_name_helps(column)):
        return said
    return None, 0.0, "nothing in its name, and nothing in its values"


def _reach(column: _Column) -> Guess | None:
    values = column.values
    if values.share("email") >= 0.6:
        if values.share("role_mail") > 0.6 or (column.is_of_organisation and not column.is_opaque):
            return "user.contact.email", 0.3, "its values are mailboxes of offices"
        return "user.contact.email", 0.9, "its values have the shape of e-mail addresses"
    if values.share("mail_inside") >= 0.5 and not column.is_of_organisation:
        return "user.contact.email", 0.7, "its values have e-mail addresses in them"
    if (
        values.share("ip") >= 0.8
        and values.share("small_ip") < 0.9
        and not set(column.words)
        & {"version", "ver", "release", "firmware", "build", "section", "oid"}
    ):
        return "user.device.ip_address", 0.75, "its values have the shape of IP addresses"
    if _are_phones(column):
        return "user.contact.phone_number", 0.7, "its values are telephone numbers of one country"
    return None


def _are_phones(column: _Column) -> bool:
    values, table = column.values, column.table
    if (
        column.is_of_organisation
        or table.is_of_things
        or values.share("phone") < 0.8
        or values.share("date", "national", "ip") > 0.3
        or not 8 <= values.digit_count <= 15
    ):
        return False
    is_written = values.share("phone_written") > 0.6
    if not column.is_opaque and column.is_read:
        return False
    if values.passing(is_international_phone) > 0.8:
        return True
    if column.is_opaque and is_written:
        return values.share("national") < 0.5
    return (
        (is_written or (column.is_opaque and table.is_of_persons))
        and values.distinct > 4
        and values.passing(is_national_number) < 0.5
        and national_phones(values) > 0.8
    )


def _numbers_with_checks(column: _Column) -> Guess | None:
    values = column.values
    if (
        values.share("iban") >= 0.7
        and values.passing(has_iban_length) >= 0.8
        and not column.is_of_organisation
        and not column.table.is_of_things
    ):
        why = "its values have the shape and the length of an IBAN"
        return "user.financial.bank_account", 0.9, why
    if values.share("card") >= 0.8 and values.passing(is_card) >= 0.9 and column.is_opaque:
        return "user.financial.credit_card", 0.85, "an issuer's digits and the Luhn check hold"
    return None


def _national_numbers(column: _Column) -> Guess | None:
    values, table = column.values, column.table
    if values.share("dated_number") >= 0.9 and not table.is_of_things:
        return _NATIONAL, 0.8, "its values have a birth date where a national number has it"
    if not column.is_opaque and not table.is_of_persons:
        return None
    if values.share("national") >= 0.8 and values.passing(is_national_number) >= 0.8:
        return _NATIONAL, 0.8, "the check digits of a national number hold"
    if values.share("ssn") >= 0.8:
        return _NATIONAL, 0.7, "its values have the shape of a social security number"
    return None


def _address(column: _Column) -> Guess | None:
    values, table = column.values, column.table
    if (
        values.share("japanese_address") >= 0.6
        and values.length > 6
        and not column.is_of_organisation
        and (table.is_of_persons or (column.is_opaque and not table.is_of_things))
    ):
        return "user.contact.address", 0.75, "its values begin with a prefecture and go on"
    return None


def _name(column: _Column) -> Guess | None:
    values, table = column.values, column.table
    if column.is_of_organisation or table.is_of_things:
        return None
    if values.share("patronymic") > 0.5 and values.words >= 2:
        return "user.name", 0.75, "its values have a patronymic"
    if (
        not column.is_opaque
        and not column.is_read
        and table.about != "things"
        and values.passing(has_given_name) > 0.75
        and values.share("names") > 0.8
        and values.distinct > 15
    ):
        return "user.name", 0.6, "its values are names of persons"
    return None


def _where_no_name_helps(column: _Column) -> Guess | None:
    values, table = column.values, column.table
    if not table.is_of_things:
        if values.share("street") >= 0.7 and values.words >= 2:
            return "user.contact.address.street", 0.65, "its values have a street and a number"
        if are_names(values):
            return "user.name", 0.7, "its values are names of persons"
        if part := _part_of_japanese_name(values):
            return f"user.name.{part}", 0.65, "its values are names of persons"
    if values.distinct > 8:
        if values.share("katakana", "hiragana") > 0.9 and 1.8 < values.words < 2.3:
            return "user.name", 0.6, "its values are two words in kana"
        if values.share("word") > 0.9 and values.passing(is_given_name) > 0.6:
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
    return None


def _part_of_japanese_name(values: Profile) -> str | None:
    if values.share("cjk_name") <= 0.9 or values.distinct <= 8:
        return None
    surnames, given = (
        values.passing(check) for check in (is_japanese_surname, is_japanese_given_name)
    )
    if max(surnames, given) <= 0.8:
        return None
    return "last" if surnames >= given else "first"
