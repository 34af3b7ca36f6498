"""What a name says: of a column, which category; of a table, whether it is about persons.

The dictionary is `names.yml`, and `words.yml` has the words around it. A name is cut into words at case changes, digits and signs, accents
go, full-width letters become ASCII; scripts without spaces are searched for inside the name.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

import yaml

Strength = Literal["sure", "person"]

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SIGNS: Final = re.compile(r"[^0-9a-z\u0400-\u04ff\u3005-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
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
_ONLY_WHOLE: Final = frozenset((word,) for word in _WORDS["only_whole"].split())
_PERSON_WORDS, _ORGANISATION_WORDS, _PERSON_TABLES, _ORGANISATION_TABLES = (
    frozenset("".join(words_of(word)) for word in _WORDS[name].split())
    for name in ("of_persons", "of_organisations", "persons", "things")
)
_PERSON_INSIDE: Final = tuple(word for word in _PERSON_WORDS if _NO_SPACES.search(word))
_ORGANISATION_INSIDE: Final = tuple(word for word in _ORGANISATION_WORDS if _NO_SPACES.search(word))
_PERSON_NOUNS: Final = (
    (_PERSON_TABLES | frozenset(_WORDS["persons_in_short"].split()))
    - _TRANSACTIONS
    - frozenset(["contact", "contacts"])
)


@cache
def _dictionary() -> tuple[
    dict[tuple[str, ...], tuple[str, Strength]],
    list[tuple[str, str, Strength]],
    dict[str, tuple[str, Strength, str]],
]:
    """Return phrases by their words, phrases without spaces longest first, and phrases in one word."""
    loaded = _load("names.yml")
    phrases: dict[tuple[str, ...], tuple[str, Strength]] = {}
    inside: list[tuple[str, str, Strength]] = []
    joined: dict[str, tuple[str, Strength, str]] = {}
    for category, by_strength in loaded.items():
        for strength, lines in by_strength.items():
            for phrase in (each.strip() for line in lines for each in str(line).split("|")):
                words = words_of(phrase)
                if not words:
                    continue
                phrases.setdefault(words, (category, strength))
                one = "".join(words)
                if _NO_SPACES.search(one):
                    inside.append((one, category, strength))
                else:
                    joined.setdefault(one, (category, strength, phrase))
    inside.sort(key=lambda each: -len(each[0]))
    return phrases, inside, joined


def read_column(name: str) -> tuple[Named, ...]:
    """Return what a column's name says, the best reading first; () where it says nothing."""
    words = words_of(name)
    if not words:
        return ()
    if key := _key_of_person(words):
        return (key,)
    phrases, inside, joined = _dictionary()
    one = "".join(words)
    found: list[tuple[int, int, Named]] = []

    def add(
        category: str, strength: Strength, phrase: str, rest: tuple[str, ...], last: bool
    ) -> None:
        named = Named(
            category,
            strength,
            phrase,
            not rest,
            any(word in _PERSON_WORDS for word in rest),
            any(word in _ORGANISATION_WORDS or word in _ORGANISATION_TABLES for word in rest),
        )
        found.append((len(phrase.replace(" ", "")), int(last), named))

    if (
        len(words) > 1
        and (words[-1] in _ABOUT_SOMETHING or words[0] in _ASKS)
        and words not in phrases
    ):
        return ()
    for length in range(min(len(words), 5), 0, -1):
        for start in range(len(words) - length + 1):
            part = words[start : start + length]
            if part in _ONLY_WHOLE and length < len(words):
                continue
            if hit := phrases.get(part) or phrases.get((*part[:-1], part[-1].rstrip("0123456789"))):
                rest = words[:start] + words[start + length :]
                after = words[start + length :]
                if after and after[-1] in _KEYS and hit[0] not in ("user.unique_id", "user.name"):
                    continue
                add(*hit, " ".join(part), rest, start + length == len(words))
    if one in joined:
        category, strength, phrase = joined[one]
        add(category, strength, one, (), True)
    else:
        # dateofbirth, custlastname: the end of a name written in one word.
        for size in range(len(one) - 1, 5, -1):
            if (end := joined.get(one[-size:])) and len(words) == 1:
                head = one[:-size]
                add(end[0], end[1], one[-size:], (head,), True)
                break
    if _NO_SPACES.search(one):
        for phrase, category, strength in inside:
            at = one.find(phrase)
            # One letter, and what begins with "name of", say something only alone.
            if at < 0 or (phrase != one and (len(phrase) == 1 or phrase[0] == "名")):
                continue
            rest_text = one[:at] + " " + one[at + len(phrase) :]
            named = Named(
                category,
                strength,
                phrase,
                phrase == one,
                any(word in rest_text for word in _PERSON_INSIDE),
                any(word in rest_text for word in _ORGANISATION_INSIDE),
            )
            found.append((len(phrase) * 3, int(one.endswith(phrase)), named))
    found.sort(key=lambda each: (-each[0], -each[1]))
    return tuple(named for *_, named in found)


def _key_of_person(words: tuple[str, ...]) -> Named | None:
    """Return the reading of a name that is a noun for persons and a word for keys: `cust_no`."""
    one = "".join(words)
    if len(words) == 1 and one in ("hostname", "filename", "tablename", "schemaname", "domainname"):
        return Named("user.unique_id", "person", one, True, False, True)
    if 2 <= len(words) <= 3 and any(
        word in _NUMBERS or word in ("номер", "編号") for word in words
    ):
        nouns = [
            word
            for word in words
            if word not in _NUMBERS
            and word not in ("номер",)
            and word not in ("do", "de", "di", "del", "the", "main", "parent")
        ]
        if len(nouns) == 1 and (nouns[0] in _PERSON_NOUNS or nouns[0] + "s" in _PERSON_NOUNS):
            return Named("user.unique_id", "sure", " ".join(words), True, False, False)
    if _NO_SPACES.search(one):
        for number in ("番号", "コード", "編号", "编号", "번호", "id", "no", "号"):
            noun = one.removesuffix(number)
            if noun != one and noun in _PERSON_NOUNS:
                return Named("user.unique_id", "sure", one, True, False, False)
    if len(words) == 1:
        for number in ("nummer", "number", "nr", "id", "no"):
            noun = one.removesuffix(number)
            if noun != one and (noun in _PERSON_NOUNS or noun + "s" in _PERSON_NOUNS):
                return Named("user.unique_id", "sure", one, True, False, False)
        if one == "id":
            return Named("user.unique_id", "person", "id", True, False, False)
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
