"""What a name says: of a column, which category; of a table, whether it is about persons.

The dictionary is `names.yml`, and `words.yml` has the words around it. A name is cut into words at case changes, digits and signs, accents
go, full-width letters become ASCII; scripts without spaces are searched for inside the name.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

import yaml

Strength = Literal["sure", "person", "role"]
"""Personal anywhere; personal in a table of persons; a word for a person, whose name it is alone."""

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SIGNS: Final = re.compile(
    r"[^0-9a-z\u0370-\u03ff\u0400-\u04ff\u05d0-\u05ea\u0620-\u064a\u0900-\u097f\u3005-\u30ff\u3400-\u9fff\uac00-\ud7af]+"
)
_NO_SPACES: Final = re.compile(r"[\u3005-\u30ff\u3400-\u9fff\uac00-\ud7af]")


@dataclass(frozen=True, slots=True)
class Named:
    """What the name of a column says."""

    category: str
    strength: Strength
    phrase: str
    """What of the dictionary was found in it."""
    is_whole: bool
    """Whether nothing else stands in the name."""
    is_of_person: bool
    """Whether another word of it says that a person is meant, as in `customer_city`."""
    is_of_organisation: bool


def words_of(name: str) -> tuple[str, ...]:
    """Return the words of a name."""
    plain = unicodedata.normalize("NFKC", name)
    spaced = _CAMEL.sub(" ", plain)
    folded = "".join(
        letter
        for letter in unicodedata.normalize(
            "NFD",
            spaced.casefold()
            .replace("ß", "ss")
            .replace("ı", "i")
            .replace("ł", "l")
            .replace("ø", "o"),
        )
        # Marks on Latin letters go; those of kana belong to them.
        if not unicodedata.combining(letter) or letter in "\u3099\u309a\u0306"
    )
    folded = unicodedata.normalize("NFC", folded)
    return tuple(word for word in _SIGNS.sub(" ", folded).split() if word)


def _load(name: str) -> dict[str, Any]:
    """Read a data file of this package."""
    text = files("orchestration.scan").joinpath(name).read_text("utf-8")
    loaded: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    return loaded


_WORDS: Final = _load("words.yml")
_ABOUT_SOMETHING, _ASKS, _KEYS, _NUMBERS, _LISTS, _TRANSACTIONS = (
    frozenset(_WORDS[name].split())
    for name in ("about_something", "asks", "keys", "numbers", "lists", "transactions")
)
OPAQUE: Final = frozenset(_WORDS["opaque"].split())
"""Names of columns that say nothing."""
_ONLY_WHOLE: Final = frozenset((word,) for word in _WORDS["only_whole"].split())
_PERSON_WORDS, _ORGANISATION_WORDS, _PERSON_TABLES, _ORGANISATION_TABLES = (
    frozenset("".join(words_of(word)) for word in _WORDS[name].split())
    for name in ("of_persons", "of_organisations", "persons", "things")
)
_STEMS: Final = tuple(_WORDS["stems"].split())
_PERSON_INSIDE: Final = tuple(word for word in _PERSON_WORDS if _NO_SPACES.search(word))
_ORGANISATION_INSIDE: Final = tuple(word for word in _ORGANISATION_WORDS if _NO_SPACES.search(word))
_PERSON_NOUNS: Final = (
    (_PERSON_TABLES | frozenset(_WORDS["persons_in_short"].split()))
    - _TRANSACTIONS
    - frozenset(["contact", "contacts"])
)
_OWN_KEYS: Final = frozenset(_WORDS["own_keys"].split())
_OF: Final = frozenset(_WORDS["of"].split())
_AFTER_CJK: Final = ("番号", "コード", "編号", "编号", "번호", "id", "no", "号")
_WITH_NUMBERS: Final = (
    "user.contact.phone_number",
    "user.contact.fax_number",
    "user.contact.address.street",
    "user.contact.address.postal_code",
    "user.government_id",
    "user.financial.bank_account",
    "user.financial.credit_card",
)
_REACH: Final = ("user.contact.email", "user.contact.phone_number", "user.contact.fax_number")


def _is_of(word: str, nouns: frozenset[str]) -> bool:
    return word in nouns or word + "s" in nouns or word.rstrip("s") in nouns


def _is_person(word: str) -> bool:
    """Return whether a word is a noun for persons, in one of its forms."""
    return _is_of(word, _PERSON_NOUNS) or any(
        word.startswith(stem) and len(word) <= len(stem) + 4 for stem in _STEMS
    )


@dataclass(frozen=True, slots=True)
class _Dictionary:
    phrases: dict[tuple[str, ...], tuple[str, Strength]]
    inside: list[tuple[str, str, Strength]]
    """Phrases of scripts without spaces, longest first."""
    joined: dict[str, tuple[str, Strength]]
    """The others, written in one word."""
    roles: frozenset[str]
    """Words for a person, by what the person is to the row."""


@cache
def _dictionary() -> _Dictionary:
    phrases: dict[tuple[str, ...], tuple[str, Strength]] = {}
    inside: list[tuple[str, str, Strength]] = []
    joined: dict[str, tuple[str, Strength]] = {}
    roles: set[str] = set()
    for category, by_strength in _load("names.yml").items():
        for strength, lines in by_strength.items():
            for phrase in (each for line in lines for each in str(line).split("|")):
                words = words_of(phrase)
                if not words:
                    continue
                phrases.setdefault(words, (category, strength))
                one = "".join(words)
                if _NO_SPACES.search(one):
                    inside.append((one, category, strength))
                else:
                    joined.setdefault(one, (category, strength))
                if strength == "role":
                    roles.add(one)
    inside.sort(key=lambda each: -len(each[0]))
    return _Dictionary(phrases, inside, joined, frozenset(roles))


def read_columns(table: str, names: Iterable[str]) -> dict[str, tuple[Named, ...]]:
    """Return what the names of a table's columns say, the best reading of each first.

    Where a name says nothing, it may begin with letters of its table: `ssex`, of students.
    """
    words = {name: words_of(name) for name in names}
    prefix = _prefix(table, ["".join(each) for each in words.values()])
    return {name: read_column(name) or _without(each, prefix) for name, each in words.items()}


def _prefix(table: str, names: list[str]) -> str:
    """Return the letters before what most of a table's columns are called otherwise, or none."""
    table_words = words_of(table)
    known = _dictionary().joined
    best = ("", 0)
    for size in range(1, 6):
        for start in sorted({name[:size] for name in names}):
            begun = [name[size:] for name in names if name.startswith(start)]
            hits = sum(rest in known or rest in _NUMBERS for rest in begun)
            wanted = 2 if any(word.startswith(start) for word in table_words) else 3
            if hits >= wanted and hits * 2 >= len(begun) and hits > best[1]:
                best = (start, hits)
    return best[0]


def _without(words: tuple[str, ...], prefix: str) -> tuple[Named, ...]:
    """Return what a name says without the letters its table puts before it."""
    if not prefix or not words or not "".join(words).startswith(prefix):
        return ()
    rest = "".join(words)[len(prefix) :]
    if rest in _NUMBERS:
        return (_key(rest, "person"),)
    return tuple(each for each in read_column(rest) if each.is_whole) if len(rest) > 2 else ()


def read_column(name: str) -> tuple[Named, ...]:
    """Return what a column's name says, the best reading first; () where it says nothing."""
    words = _unglued(words_of(name))
    if not words:
        return ()
    dictionary = _dictionary()
    one = "".join(words)
    if words not in dictionary.phrases and one not in dictionary.joined:
        if key := _key_of_person(words):
            return (key,)
        if len(words) > 1 and (words[-1] in _ABOUT_SOMETHING or words[0] in _ASKS):
            return _numbered(words) if words[0] in _NUMBERS else ()
        if one in _PERSON_TABLES - _TRANSACTIONS and not one.endswith("s"):
            return (Named("user.name", "role", one, True, False, False), _key(one))
    found = _in_words(words) + _at_end(words)
    if _NO_SPACES.search(one):
        found += _inside(one)
    others = [each for each in found if each.named.strength != "role"]
    if others and len(others) < len(found):
        # Of a recipient's telephone the telephone is told, and the recipient says whose it is.
        found = [replace(each, named=replace(each.named, is_of_person=True)) for each in others]
    found.sort(key=lambda each: each.rank)
    readings = tuple(each.named for each in found)
    if readings and readings[0].strength == "role" and readings[0].is_whole:
        return (*readings, _key(one))
    return readings


def _key(phrase: str, strength: Strength = "sure") -> Named:
    return Named("user.unique_id", strength, phrase, True, False, False)


def _numbered(words: tuple[str, ...]) -> tuple[Named, ...]:
    """Return what a name says that begins with a word for numbers: `num_telefono`, not `num_sons`."""
    return tuple(
        each
        for each in read_column("_".join(words[1:]))
        if each.category.startswith(_WITH_NUMBERS) and each.strength != "role"
    )


@dataclass(frozen=True, slots=True)
class _Found:
    named: Named
    is_last: bool
    """Whether it ends the name."""
    is_inside: bool = False
    """Whether it stands in a script whose last word is what the name is about."""

    @property
    def rank(self) -> tuple[bool, bool, int, bool]:
        """Return what puts the best reading first."""
        size = len(self.named.phrase.replace(" ", ""))
        return (
            self.named.category not in _REACH,
            self.is_inside and not self.is_last,
            -size * (3 if self.is_inside else 1),
            not self.is_last,
        )


def _unglued(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return words with those cut that are two of ours written in one: `billingcity`."""
    return tuple(part for word in words for part in _parts(word))


def _parts(word: str) -> tuple[str, ...]:
    known = _dictionary().joined
    if word in known or word in _ABOUT_SOMETHING or _is_person(word) or not word.isalpha():
        return (word,)
    for size in range(len(word) - 3, 1, -1):
        head, tail = word[:size], word[size:]
        if size > 2 and (
            head in _PERSON_WORDS or head in _ORGANISATION_WORDS or _is_of(head, _PERSON_NOUNS)
        ):
            if tail in known or tail in _NUMBERS:
                return (head, tail)
        # The other way round: idcliente, namasiswa.
        elif (
            len(tail) > 4
            and tail in _PERSON_NOUNS
            and (head in _NUMBERS or (size > 2 and head in known))
        ):
            return (head, tail)
    return (word,)


def _in_words(words: tuple[str, ...]) -> list[_Found]:
    """Return the phrases of the dictionary that stand in a name as words of it."""
    dictionary = _dictionary()
    found: list[_Found] = []
    for length in range(min(len(words), 5), 0, -1):
        for start in range(len(words) - length + 1):
            part = words[start : start + length]
            hit = dictionary.phrases.get(part) or dictionary.phrases.get(
                (*part[:-1], part[-1].rstrip("0123456789"))
            )
            joined = "".join(part)
            if not hit and len(joined) > 3:
                hit = dictionary.joined.get(joined)
            after = words[start + length :]
            rest = words[:start] + after
            if not hit or (part in _ONLY_WHOLE and not _stands_alone(hit[0], rest)):
                continue
            if after and after[-1] in _KEYS and not hit[0].startswith(_KEEPS_KEY):
                continue
            found.append(_Found(_named(*hit, " ".join(part), rest), not after))
    return found


def _stands_alone(category: str, rest: tuple[str, ...]) -> bool:
    """Return whether beside a common word there is nothing, or whose name it is: `ogrenci_ad`."""
    return not rest or (category.startswith("user.name") and all(map(_is_person, rest)))


_KEEPS_KEY: Final = ("user.unique_id", "user.name", "user.government_id", "user.health_and_medical")
"""What is still itself with a word for keys after it: `passport_code`, `diagnosis_code`."""


def _named(category: str, strength: Strength, phrase: str, rest: tuple[str, ...]) -> Named:
    roles = _dictionary().roles
    return Named(
        category,
        strength,
        phrase,
        not rest,
        any(word in _PERSON_WORDS or word in roles or _is_person(word) for word in rest),
        any(word in _ORGANISATION_WORDS or word in _ORGANISATION_TABLES for word in rest),
    )


def _at_end(words: tuple[str, ...]) -> list[_Found]:
    """Return what ends a name that is written in one word: `dateofbirth`, `custlastname`."""
    known = _dictionary().joined
    if len(words) > 1 or words[0] in known:
        return []
    one = words[0]
    for size in range(len(one) - 1, 5, -1):
        if (hit := known.get(one[-size:])) and hit[1] != "role":
            return [_Found(_named(*hit, one[-size:], (one[:-size],)), True)]
    return []


def _inside(one: str) -> list[_Found]:
    """Return the phrases that stand anywhere in a name without spaces."""
    found: list[_Found] = []
    for phrase, category, strength in _dictionary().inside:
        at = one.find(phrase)
        # One letter, and what begins with "name of", say something only alone.
        if at < 0 or (phrase != one and (len(phrase) == 1 or phrase[0] == "名")):
            continue
        rest = one[:at] + " " + one[at + len(phrase) :]
        named = Named(
            category,
            strength,
            phrase,
            phrase == one,
            any(word in rest for word in _PERSON_INSIDE),
            any(word in rest for word in _ORGANISATION_INSIDE),
        )
        found.append(_Found(named, one.rstrip("0123456789").endswith(phrase), True))
    return found


def _key_of_person(words: tuple[str, ...]) -> Named | None:
    """Return the reading of a name that is a noun for persons and a word for keys: `cust_no`."""
    one = "".join(words)
    if one in _OWN_KEYS:
        return Named("user.unique_id", "person", one, True, False, True)
    if len(words) > 2 and (key := _key_of_person(words[-2:])):
        return key
    if words[:2] == ("number", "of"):
        return None
    nouns = [word for word in words if word not in _NUMBERS and word not in _OF]
    is_numbered = any(word in _NUMBERS for word in words)
    roles = _dictionary().roles
    if (
        is_numbered
        and len(words) <= 4
        and nouns
        and all(_is_person(word) or word in roles or word in _PERSON_WORDS for word in nouns)
        and any(_is_person(word) or word in roles for word in nouns)
    ):
        return _key(" ".join(words))
    for number in _AFTER_CJK if _NO_SPACES.search(one) else ():
        noun = one.removesuffix(number)
        if noun != one and noun in _PERSON_NOUNS:
            return _key(one)
    for number in ("nummer", "number", "nr", "id", "no") if len(words) == 1 else ():
        noun = one.removesuffix(number)
        if noun != one and _is_of(noun, _PERSON_NOUNS):
            return _key(one)
    return None


def is_row_a_person(table: str) -> bool:
    """Return whether a row of a table is a person, by the table's name."""
    words = words_of(table)
    return table_is_about(table) == "persons" and not any(word in _TRANSACTIONS for word in words)


def table_is_about(name: str) -> Literal["persons", "things", "unknown"]:
    """Return what a table's name says its rows are; the last word that says something decides."""
    words = words_of(name)
    one = "".join(words)
    telling = [word for word in words if word not in _LISTS and not word.isdigit()]
    for place, word in enumerate(reversed(telling)):
        for each in (word, word.rstrip("s"), word + "s"):
            if each in _PERSON_TABLES:
                return "persons"
            # Before another word it may only say whose: bank_marketing.
            if each in _ORGANISATION_TABLES and place == 0:
                return "things"
    if _NO_SPACES.search(one):
        best: tuple[int, Literal["persons", "things"]] | None = None
        for tables, said in ((_PERSON_TABLES, "persons"), (_ORGANISATION_TABLES, "things")):
            for word in tables:
                if (
                    _NO_SPACES.search(word)
                    and (at := one.rfind(word)) >= 0
                    and (best is None or at > best[0])
                ):
                    best = (at, "persons" if said == "persons" else "things")
        if best:
            return best[1]
    for size in range(len(one), 4, -1):
        if one[-size:] in _PERSON_TABLES:
            return "persons"
        if one[-size:] in _ORGANISATION_TABLES:
            return "things"
    return "unknown"
