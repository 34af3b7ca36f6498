"""A labelled set for a scanner of personal data: loads ``tests/scan_set/*.yaml`` and scores findings.

``load`` makes one schema a file, 200 rows a table, always the same ones; ``score`` compares. What is
labelled how, and which marks a column's line may carry, is in ``tests/scan_set/README.md``.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Literal

import duckdb
import yaml

HOME = Path(__file__).parent / "scan_set"
ROWS = 200
TODAY = date(2026, 11, 2)
Split = Literal["dev", "held_out"]
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Labelled:
    """A column with what it holds: a data category, or None where it is not personal data."""

    schema_name: str
    table_name: str
    column_name: str
    language: str
    data_category: str | None
    split: str = "dev"
    # Careful people would differ about the label; see the README.
    doubtful: bool = False

    @property
    def key(self) -> Key:
        return self.schema_name, self.table_name, self.column_name


@dataclass(frozen=True)
class Score:
    """Counts of one comparison, and what follows from them."""

    hits: int
    found: int
    wanted: int

    @property
    def precision(self) -> float:
        return self.hits / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        return self.hits / self.wanted if self.wanted else 0.0

    @property
    def f1(self) -> float:
        both = self.found + self.wanted
        return 2 * self.hits / both if both else 0.0


@dataclass(frozen=True)
class Scores:
    """Personal or not; every category by itself; and the two averages over the categories."""

    binary: Score
    by_category: dict[str, Score]
    micro: Score
    macro_f1: float


@dataclass(frozen=True)
class _Column:
    name: str
    sql_type: str
    data_category: str | None
    spec: str | list[Any]
    doubtful: bool


@dataclass(frozen=True)
class _Table:
    schema_name: str
    name: str
    language: str
    split: str
    columns: list[_Column]


# -- People and places ---------------------------------------------------------------------------


@dataclass(frozen=True)
class _Name:
    native: str
    latin: str
    kana: str


@dataclass(frozen=True)
class _Place:
    city: str
    state: str
    postcode: str
    lat: float
    lon: float


@dataclass(frozen=True)
class _Locale:
    code: str
    male: list[_Name]
    female: list[_Name]
    last: list[_Name]
    places: list[_Place]
    street: list[str]
    phone: list[str]
    country: str
    tld: str
    company: list[str]


def _ascii(text: str) -> str:
    text = text.translate(str.maketrans("łŁßıøØ", "lLsioO"))
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def _name(text: str) -> _Name:
    native, _, rest = text.partition("/")
    latin, _, kana = rest.partition("/")
    return _Name(native, latin or _ascii(native), kana or native)


def _place(text: str) -> _Place:
    city, state, postcode, lat, lon = text.split("/")
    return _Place(city, state, postcode, float(lat), float(lon))


def _yaml(path: Path) -> Any:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(path.read_text(encoding="utf-8"), Loader=loader)


@cache
def _locales(split: str) -> dict[str, _Locale]:
    """The stock of a split: the two share places and patterns, and no name."""
    return {
        code: _Locale(
            code,
            male=[_name(text) for text in raw.get(split, raw)["male"].split()],
            female=[_name(text) for text in raw.get(split, raw)["female"].split()],
            last=[_name(text) for text in raw.get(split, raw)["last"].split()],
            places=[_place(text) for text in raw["places"]],
            **{part: raw[part] for part in ("street", "phone", "country", "tld", "company")},
        )
        for code, raw in _yaml(HOME / "_locales.yaml").items()
    }


@dataclass(frozen=True)
class _Person:
    first: _Name
    last: _Name
    female: bool
    born: date
    place: _Place
    street: str
    digits: int


@dataclass(frozen=True)
class _Cell:
    """Where a value is made: the column's dice, the row's number, its person, and the arguments."""

    dice: Random
    row: int
    who: _Person
    locale: _Locale
    args: list[str]

    def arg(self, at: int, default: str) -> str:
        return self.args[at] if at < len(self.args) else default


def _street(dice: Random, locale: _Locale) -> str:
    numbers = {"n": dice.randint(100, 999), "m": dice.randint(1, 99)}
    return dice.choice(locale.street).format(a=dice.randint(1, 9), b=dice.randint(1, 30), **numbers)


def _person(seed: str, locale: _Locale) -> _Person:
    dice = Random(seed)
    female = dice.random() < 0.5
    last = dice.choice(locale.last)
    if locale.code == "ru":  # The stock holds stems.
        ending = ("ва", "va") if female else ("в", "v")
        last = _Name(last.native + ending[0], last.latin + ending[1], last.native + ending[0])
    return _Person(
        dice.choice(locale.female if female else locale.male),
        last,
        female,
        TODAY - timedelta(days=dice.randint(18 * 366, 88 * 365)),
        dice.choice(locale.places),
        _street(dice, locale),
        dice.randint(1, 999),
    )


# -- Generators ----------------------------------------------------------------------------------

_PATTERN = {
    "#": "0123456789",
    "%": "123456789",
    "@": "ABCDEFGHJKLMNPQRSTUVWXYZ",
    "*": "0123456789abcdef",
}
_GLUED = ("ja", "ko", "zh")


def _fill(dice: Random, pattern: str) -> str:
    return "".join(dice.choice(_PATTERN[c]) if c in _PATTERN else c for c in pattern)


def _digits(dice: Random, count: int) -> str:
    return f"{dice.randrange(10**count):0{count}}"


def _luhn(body: str) -> str:
    total = 0
    for at, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if at % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return body + str(-total % 10)


def _weighted(body: str, weights: Iterable[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(body, weights, strict=True))


def _card(cell: _Cell) -> str:
    dice = cell.dice
    prefix, length = dice.choice([("4", 16), ("51", 16), ("55", 16), ("37", 15), ("3528", 16)])
    number = _luhn(prefix + _digits(dice, length - 1 - len(prefix)))
    glue = {"dash": "-", "space": " "}.get(cell.arg(0, ""), "")
    return glue.join(re.findall(r"\d{1,4}", number)) if glue else number


def _iban(cell: _Cell) -> str:
    country = cell.arg(0, "DE")
    body = {
        "DE": "#" * 18,
        "FR": "#" * 23,
        "ES": "#" * 20,
        "NL": "BANK##########",
        "IT": "@" + "#" * 22,
        "GB": "BANK##############",
        "PL": "#" * 24,
        "PT": "#" * 21,
        "SE": "#" * 20,
        "TR": "#" * 22,
    }[country]
    bban = _fill(cell.dice, body)
    value = int("".join(str(int(c, 36)) for c in bban + country + "00"))
    text = f"{country}{98 - value % 97:02}{bban}"
    return " ".join(re.findall(".{1,4}", text)) if cell.arg(1, "") == "space" else text


def _mynumber(cell: _Cell) -> str:
    body = _digits(cell.dice, 11)
    rest = _weighted(body, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return body + str(0 if rest <= 1 else 11 - rest)


def _mod11(body: str, weights: Iterable[int]) -> str:
    rest = _weighted(body, weights) % 11
    return body + str(0 if rest < 2 else 11 - rest)


def _cpf(cell: _Cell) -> str:
    number = _mod11(_digits(cell.dice, 9), range(10, 1, -1))
    number = _mod11(number, range(11, 1, -1))
    if cell.arg(0, "") == "plain":
        return number
    return f"{number[:3]}.{number[3:6]}.{number[6:9]}-{number[9:]}"


def _cnpj(cell: _Cell) -> str:
    number = _mod11(_digits(cell.dice, 8) + "0001", (5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2))
    number = _mod11(number, (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2))
    return f"{number[:2]}.{number[2:5]}.{number[5:8]}/{number[8:12]}-{number[12:]}"


def _dni(cell: _Cell) -> str:
    number = _digits(cell.dice, 8)
    return number + "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23]


def _nif(cell: _Cell) -> str:
    return _mod11(cell.dice.choice("12") + _digits(cell.dice, 7), range(9, 1, -1))


def _nir(cell: _Cell) -> str:
    who = cell.who
    body = f"{2 if who.female else 1}{who.born:%y%m}{cell.dice.randint(1, 95):02}"
    body += f"{cell.dice.randint(1, 990):03}{who.digits:03}"
    number = body + f"{97 - int(body) % 97:02}"
    return f"{number[0]} {number[1:3]} {number[3:5]} {number[5:7]} {number[7:10]} {number[10:13]} {number[13:]}"


def _steuerid(cell: _Cell) -> str:
    # Ten digits of which just one stands twice, and ISO 7064 mod 11,10.
    ten = cell.dice.sample("123456789", 9)
    ten.insert(cell.dice.randint(1, 8), cell.dice.choice(ten))
    product = 10
    for digit in ten:
        total = (int(digit) + product) % 10 or 10
        product = 2 * total % 11
    return "".join(ten) + str((11 - product) % 10)


def _ssn(cell: _Cell) -> str:
    # 9xx was never given out as a social security number, so these are nobody's.
    dice = cell.dice
    return f"9{dice.randint(0, 49):02}-{dice.randint(1, 49):02}-{dice.randint(1, 9999):04}"


def _pesel(cell: _Cell) -> str:
    born = cell.who.born
    month = born.month + (20 if born.year >= 2000 else 0)
    body = f"{born:%y}{month:02}{born:%d}{_digits(cell.dice, 3)}"
    body += cell.dice.choice("02468" if cell.who.female else "13579")
    return body + str(-_weighted(body, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10)


def _codice_fiscale(cell: _Cell) -> str:
    who = cell.who

    def three(text: str, given: bool) -> str:
        letters = re.sub(r"[^A-Z]", "", _ascii(text).upper())
        consonants = [c for c in letters if c not in "AEIOU"]
        if given and len(consonants) > 3:
            del consonants[1]
        return "".join([*consonants, *(c for c in letters if c in "AEIOU"), *"XXX"])[:3]

    day = who.born.day + (40 if who.female else 0)
    body = three(who.last.native, False) + three(who.first.native, True)
    body += f"{who.born:%y}{'ABCDEHLMPRST'[who.born.month - 1]}{day:02}H{who.digits:03}"
    odd = (
        1,
        0,
        5,
        7,
        9,
        13,
        15,
        17,
        19,
        21,
        2,
        4,
        18,
        20,
        11,
        3,
        6,
        8,
        12,
        14,
        16,
        10,
        22,
        25,
        24,
        23,
    )
    total = 0
    for at, c in enumerate(body):
        value = int(c) if c.isdigit() else ord(c) - ord("A")
        total += odd[value] if at % 2 == 0 else value
    return body + chr(ord("A") + total % 26)


def _bsn(cell: _Cell) -> str:
    while True:
        body = cell.dice.choice("12") + _digits(cell.dice, 7)
        rest = _weighted(body, range(9, 1, -1)) % 11
        if rest < 10:
            return body + str(rest)


def _personnummer(cell: _Cell) -> str:
    body = f"{cell.who.born:%y%m%d}{_digits(cell.dice, 3)}"
    number = _luhn(body)
    return f"{cell.who.born:%Y}{number[2:6]}-{number[6:]}"


def _tckn(cell: _Cell) -> str:
    body = _fill(cell.dice, "%########")
    tenth = (7 * sum(map(int, body[::2])) - sum(map(int, body[1::2]))) % 10
    return f"{body}{tenth}{(sum(map(int, body)) + tenth) % 10}"


def _nik(cell: _Cell) -> str:
    day = cell.who.born.day + (40 if cell.who.female else 0)
    place = cell.dice.choice(["317101", "327301", "357801", "127102"])
    return f"{place}{day:02}{cell.who.born:%m%y}{_digits(cell.dice, 4)}"


def _inn(cell: _Cell) -> str:
    body = _digits(cell.dice, 10)
    body += str(_weighted(body, (7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10)
    return body + str(_weighted(body, (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10)


def _snils(cell: _Cell) -> str:
    body = _fill(cell.dice, "%########")
    check = _weighted(body, range(9, 0, -1)) % 101 % 100
    return f"{body[:3]}-{body[3:6]}-{body[6:]} {check:02}"


def _rrn(cell: _Cell) -> str:
    born, female = cell.who.born, cell.who.female
    body = f"{born:%y%m%d}{(3 if born.year >= 2000 else 1) + female}{_digits(cell.dice, 5)}"
    check = (11 - _weighted(body, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10
    return f"{body[:6]}-{body[6:]}{check}"


def _zhid(cell: _Cell) -> str:
    body = f"{cell.dice.choice(['110101', '310101', '440104', '510104'])}{cell.who.born:%Y%m%d}"
    body += _digits(cell.dice, 3)
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return body + "10X98765432"[_weighted(body, weights) % 11]


def _ean(body: str) -> str:
    return body + str(-_weighted(body, [1, 3] * 6) % 10)


def _corporate_jp(cell: _Cell) -> str:
    body = _digits(cell.dice, 12)
    return f"{9 - _weighted(body, [2, 1] * 6) % 9}{body}"


def _vin(cell: _Cell) -> str:
    letters = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
    return "".join(cell.dice.choice(letters) for _ in range(11)) + _digits(cell.dice, 6)


def _full(cell: _Cell) -> str:
    first, last, style = cell.who.first, cell.who.last, cell.arg(0, "")
    if style == "lf":
        return f"{last.native} {first.native}"
    if style == "comma":
        return f"{last.native}, {first.native}"
    if style == "upper":
        return f"{last.native.upper()} {first.native}"
    if style == "kana":
        return f"{last.kana} {first.kana}"
    if style == "latin":
        return f"{first.latin.title()} {last.latin.title()}"
    if style == "latin_lf":
        return f"{last.latin.title()} {first.latin.title()}"
    if style == "wide":
        return f"{last.native}\u3000{first.native}"
    if style == "initial":
        return f"{first.native[0]}. {last.native}"
    if style == "titanic":
        title = "Miss." if cell.who.female else "Mr."
        return f"{last.native}, {title} {first.native}"
    if style == "glued" or cell.locale.code in ("ko", "zh"):
        return last.native + first.native
    if cell.locale.code == "ja":
        return f"{last.native} {first.native}"
    return f"{first.native} {last.native}"


def _others(cell: _Cell) -> list[_Cell]:
    """One to three other people of the row."""
    drawn = [f"{cell.dice.random()}" for _ in range(cell.dice.randint(1, 3))]
    return [replace(cell, who=_person(seed, cell.locale)) for seed in drawn]


def _latin_user(who: _Person) -> str:
    first, last = (re.sub(r"[^a-z]", "", n.latin.lower()) for n in (who.first, who.last))
    return (
        f"{first}.{last}",
        f"{first[:1]}{last}{who.digits}",
        f"{first}_{who.born.year % 100:02}",
        f"{last}{who.digits}",
    )[who.digits % 4]


def _email(cell: _Cell) -> str:
    host = cell.arg(0, "example." + cell.locale.tld)
    return f"{_latin_user(cell.who)}@{host}"


def _company(cell: _Cell) -> str:
    locale = cell.locale
    stem = cell.dice.choice(locale.last).native + ("в" if locale.code == "ru" else "")
    return cell.dice.choice(locale.company).format(l=stem)


def _address(cell: _Cell) -> str:
    place, street, style = cell.who.place, cell.who.street, cell.arg(0, "")
    if cell.locale.code in _GLUED:
        gap = " " if cell.locale.code == "ko" else ""
        post = f"〒{place.postcode} " if style == "post" else ""
        return f"{post}{place.state}{gap}{place.city}{gap}{street}"
    if style == "lines":
        return f"{street}\n{place.postcode} {place.city}\n{cell.locale.country}"
    return f"{street}, {place.postcode} {place.city}"


def _moment(cell: _Cell, default: str) -> str:
    first, last = (int(cell.arg(at, year)) for at, year in ((0, "2018"), (1, "2026")))
    span = (date(last, 10, 31) - date(first, 1, 1)).days
    moment = datetime(first, 1, 1) + timedelta(
        days=cell.dice.randint(0, span), seconds=cell.dice.randint(0, 86399)
    )
    return _dated(moment, cell.arg(2, default))


def _dated(moment: date, form: str) -> str:
    if form == "wareki":
        era, start = ("昭和", 1925) if moment.year < 1989 else ("平成", 1988)
        return f"{era}{moment.year - start}年{moment.month}月{moment.day}日"
    return moment.strftime(form.replace("_", " "))


def _age(who: _Person) -> int:
    return (TODAY - who.born).days // 365


def _band(cell: _Cell) -> str:
    ten = _age(cell.who) // 10 * 10
    return f"{ten}{cell.args[0]}" if cell.args else f"{ten}-{ten + 9}"


def _sex(cell: _Cell) -> str:
    words = " ".join(cell.args).split(";")
    if len(words) > 2 and cell.dice.random() < 0.08:
        return words[2]
    return words[1 if cell.who.female else 0]


def _number(cell: _Cell) -> str:
    low, high = float(cell.arg(0, "0")), float(cell.arg(1, "100"))
    return f"{cell.dice.uniform(low, high):.{int(cell.arg(2, '2'))}f}"


def _uuid(cell: _Cell) -> str:
    return _fill(cell.dice, "********-****-4***-a***-************")


def _user_agent(cell: _Cell) -> str:
    system = cell.dice.choice(
        [
            "Windows NT 10.0; Win64; x64",
            "Macintosh; Intel Mac OS X 10_15_7",
            "X11; Linux x86_64",
            "iPhone; CPU iPhone OS 17_4 like Mac OS X",
            "Linux; Android 14; Pixel 8",
        ]
    )
    major = cell.dice.randint(98, 131)
    return f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{major}.0.0.0 Safari/537.36"


def _address_ip(cell: _Cell) -> str:
    if cell.arg(0, "4") == "6":
        return "2001:db8:" + _fill(cell.dice, "****:****::***")
    net = cell.dice.choice(["192.0.2", "198.51.100", "203.0.113", "10.20.3", "172.16.8"])
    return f"{net}.{cell.dice.randint(1, 254)}"


_ITEMS = "Desk Lamp;Blue Kettle;Walnut Chair;Trail Backpack;USB-C Cable;Green Tea 200g;Wool Scarf;Garden Hose"
_TEXT = (
    "please ring the bell twice;Called again about the invoice, wants a refund;all good, thanks!;"
    "Moved house in June and never got the parcel;Very kind staff, will come back;n/a;"
    "I have been waiting since Monday. My daughter is ill."
)
_THINGS = (
    "Robust build for daily use;Fits most models, see table;Discontinued, replaced by a newer one;"
    "Part of the spring range;Dry clean only;Ships in two boxes"
)

_Make = Callable[[_Cell], str | int | float]
_MAKERS: dict[str, _Make] = {
    "serial": lambda c: int(c.arg(0, "1")) + c.row,
    "int": lambda c: c.dice.randint(int(c.arg(0, "0")), int(c.arg(1, "100"))),
    "num": _number,
    "pat": lambda c: _fill(c.dice, c.args[0].replace("_", " ")),
    "code": lambda c: c.args[0] + f"{c.row + 1:0{int(c.arg(1, '5'))}}",
    "date": lambda c: _moment(c, "%Y-%m-%d"),
    "ts": lambda c: _moment(c, "%Y-%m-%d %H:%M:%S"),
    "epoch": lambda c: c.dice.randint(1_600_000_000, 1_790_000_000),
    "bool": lambda c: c.dice.choice(["true", "false"]),
    "flag": lambda c: c.dice.choice(["0", "1"]),
    "first": lambda c: c.who.first.native,
    "last": lambda c: c.who.last.native,
    "first_kana": lambda c: c.who.first.kana,
    "last_kana": lambda c: c.who.last.kana,
    "first_latin": lambda c: c.who.first.latin,
    "last_latin": lambda c: c.who.last.latin,
    "full": _full,
    "people": lambda c: ", ".join(_full(c) for c in _others(c)),
    "middle": lambda c: c.dice.choice(c.locale.male).native[0] + ".",
    "patronymic": lambda c: (
        c.dice.choice(["Иван", "Петр", "Павл"]) + ("овна" if c.who.female else "ович")
    ),
    "sex": _sex,
    "dob": lambda c: _dated(c.who.born, c.arg(0, "%Y-%m-%d")),
    "birthyear": lambda c: c.who.born.year,
    "age": lambda c: _age(c.who),
    "band": _band,
    "email": _email,
    "user": lambda c: _latin_user(c.who).replace(".", "_"),
    "phone": lambda c: _fill(
        c.dice, c.args[0].replace("_", " ") if c.args else c.dice.choice(c.locale.phone)
    ),
    "city": lambda c: c.who.place.city,
    "state": lambda c: c.who.place.state,
    "zip": lambda c: c.who.place.postcode,
    "street": lambda c: c.who.street,
    "country": lambda c: c.locale.country,
    "addr": _address,
    "lat": lambda c: f"{c.who.place.lat + c.dice.uniform(-0.09, 0.09):.5f}",
    "lon": lambda c: f"{c.who.place.lon + c.dice.uniform(-0.09, 0.09):.5f}",
    "latlon": lambda c: (
        f"{c.who.place.lat + c.dice.random() / 9:.5f},{c.who.place.lon + c.dice.random() / 9:.5f}"
    ),
    "company": _company,
    "orgmail": lambda c: (
        f"{c.dice.choice(['info', 'kontakt', 'office', 'sales'])}@shop{c.row}.example.{c.locale.tld}"
    ),
    "site": lambda c: f"https://www.shop{c.row}.example.{c.locale.tld}/",
    "profile": lambda c: f"https://social.example.com/{_latin_user(c.who)}",
    "image": lambda c: f"https://cdn.example.net/img/{_digits(c.dice, 6)}.jpg",
    "path": lambda c: (
        f"/{c.dice.choice(['shop', 'blog', 'cart', 'account'])}/{c.dice.randint(1, 900)}"
    ),
    "card": _card,
    "iban": _iban,
    "mynumber": _mynumber,
    "cpf": _cpf,
    "cnpj": _cnpj,
    "dni": _dni,
    "nif": _nif,
    "nir": _nir,
    "steuerid": _steuerid,
    "ssn": _ssn,
    "pesel": _pesel,
    "cf": _codice_fiscale,
    "bsn": _bsn,
    "personnummer": _personnummer,
    "tckn": _tckn,
    "nik": _nik,
    "inn": _inn,
    "snils": _snils,
    "rrn": _rrn,
    "zhid": _zhid,
    "luhn": lambda c: _luhn(_digits(c.dice, int(c.arg(0, "16")) - 1)),
    "imei": lambda c: _luhn("35" + _digits(c.dice, 12)),
    "ean": lambda c: _ean(c.arg(0, "40") + _digits(c.dice, 12 - len(c.arg(0, "40")))),
    "isbn": lambda c: _ean("978" + _digits(c.dice, 9)),
    "siret": lambda c: _luhn(_digits(c.dice, 13)),
    "siren": lambda c: _luhn(_digits(c.dice, 8)),
    "corp": _corporate_jp,
    "vin": _vin,
    "ip": _address_ip,
    "mac": lambda c: _fill(c.dice, "02:**:**:**:**:**"),
    "uuid": _uuid,
    "sha256": lambda c: hashlib.sha256(f"{c.row}{c.dice.random()}".encode()).hexdigest(),
    "emailhash": lambda c: hashlib.sha256(_email(c).encode()).hexdigest(),
    "md5": lambda c: hashlib.sha256(f"{c.row}{c.dice.random()}".encode()).hexdigest()[:32],
    "bcrypt": lambda c: "$2b$12$" + _fill(c.dice, "@*@*@*@*@*" * 5) + "abc",
    "version": lambda c: ".".join(str(c.dice.randint(0, 20)) for _ in range(int(c.arg(0, "3")))),
    "ua": _user_agent,
    "item": lambda c: (
        c.dice.choice(_ITEMS.split(";")) + f" {c.dice.choice('ABCX')}{c.dice.randint(1, 99)}"
    ),
    "text": lambda c: c.dice.choice(_TEXT.split(";")),
    "prose": lambda c: c.dice.choice(_THINGS.split(";")),
}
_WIDE = str.maketrans({chr(c): chr(c + 0xFEE0) for c in range(0x21, 0x7F)})
_HALF = {
    unicodedata.normalize("NFKC", chr(c)): chr(c) for c in (*range(0xFF66, 0xFF9E), 0xFF9E, 0xFF9F)
}
_JUNK = ("-", "n/a", "?", "unknown", "", "xxx", "0", "TEST")


def _half(text: str) -> str:
    parts = unicodedata.normalize("NFD", text)
    marks = {"\u3099": "\uff9e", "\u309a": "\uff9f"}
    return "".join(marks.get(c, _HALF.get(c, c)) for c in parts)


def _hiragana(text: str) -> str:
    return "".join(chr(ord(c) - 0x60) if "\u30a1" <= c <= "\u30f6" else c for c in text)


def _wrapped(value: str, wraps: list[list[str]], dice: Random) -> str | None:
    for wrap, *args in wraps:
        if wrap == "null":
            if dice.random() < float(args[0]):
                return None
        elif wrap == "junk":
            if dice.random() < float(args[0]):
                return dice.choice(_JUNK)
        elif wrap == "digits":
            value = re.sub(r"\D", "", value)
        elif wrap == "no0":
            value = re.sub(r"\D", "", value).lstrip("0")
        elif wrap == "pre":
            value = args[0].replace("_", " ") + value
        elif wrap == "suf":
            value += args[0].replace("_", " ")
        else:
            value = _WRAPS[wrap](value)
    return value


_WRAPS: dict[str, Callable[[str], str]] = {
    "upper": str.upper,
    "lower": str.lower,
    "wide": lambda text: text.translate(_WIDE),
    "half": _half,
    "hira": _hiragana,
    "mask": lambda text: "*" * max(len(text) - 4, 0) + text[-4:],
}


def _values(table: _Table, column: _Column) -> list[str | None]:
    """The values of a column: literal ones are drawn from, a generator is called once a row."""
    seed, spec = f"{table.schema_name}/{table.name}", column.spec
    dice = Random(f"{seed}/{column.name}")
    if isinstance(spec, list):
        return [None if v is None else str(v) for v in dice.choices(spec, k=ROWS)]
    head, *tail = (part.split() for part in spec.split(" > "))
    wraps = list(tail)
    if head[0].startswith("="):
        texts = " ".join(head)[1:].split(";")
        return [_wrapped(dice.choice(texts), wraps, dice) for _ in range(ROWS)]
    called, _, other = head[0].partition("~")
    called, _, which = called.partition("@")
    locale = _locales(table.split)[other or table.language]
    make = _MAKERS[called]
    return [
        _wrapped(
            str(
                make(
                    _Cell(
                        dice,
                        row,
                        _who(seed, row, which, locale.code, table.split),
                        locale,
                        head[1:],
                    )
                )
            ),
            wraps,
            dice,
        )
        for row in range(ROWS)
    ]


@cache
def _who(seed: str, row: int, which: str, code: str, split: str) -> _Person:
    """The row's person, so that name, e-mail and birthday of a row agree."""
    return _person(f"{seed}/{row}/{which}/{code}", _locales(split)[code])


# -- The set -------------------------------------------------------------------------------------


def files() -> list[Path]:
    """The files of the set; the name of a file is that of its schema."""
    return sorted(path for path in HOME.glob("*.yaml") if not path.name.startswith("_"))


def _tables(only: str | None) -> Iterator[_Table]:
    for path in files():
        document = _yaml(path)
        if only not in (None, document["split"], path.stem):
            continue
        for raw in document["tables"]:
            columns = [
                _Column(str(name), sql_type, label, spec, bool(marks))
                for name, sql_type, label, spec, *marks in raw["columns"]
            ]
            yield _Table(path.stem, str(raw["name"]), raw["language"], document["split"], columns)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _joined(values: list[str | None]) -> str:
    return "\x1e".join("\x1f" if value is None else value for value in values)


def labels(only: str | None = None) -> list[Labelled]:
    """The labels alone, of both splits, of one ('dev', 'held_out'), or of one file."""
    return [
        Labelled(
            table.schema_name,
            table.name,
            column.name,
            table.language,
            column.data_category,
            table.split,
            column.doubtful,
        )
        for table in _tables(only)
        for column in table.columns
    ]


def load(connection: duckdb.DuckDBPyConnection, only: str | None = None) -> list[Labelled]:
    """Create the tables of the set, or of a split or a file of it, and return their labels."""
    for table in _tables(only):
        whole = f"{_quoted(table.schema_name)}.{_quoted(table.name)}"
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_quoted(table.schema_name)}")
        picked = ", ".join(
            f"CAST(nullif(unnest(string_split(?, chr(30))), chr(31)) AS {column.sql_type})"
            f" AS {_quoted(column.name)}"
            for column in table.columns
        )
        connection.execute(
            f"CREATE OR REPLACE TABLE {whole} AS SELECT {picked}",
            # One text a column: DuckDB takes its time over every value bound by itself.
            [_joined(_values(table, column)) for column in table.columns],
        )
    _who.cache_clear()
    return labels(only)


def _agrees(found: str, wanted: str, match: str) -> bool:
    if found == wanted:
        return True
    return match == "prefix" and (found.startswith(wanted + ".") or wanted.startswith(found + "."))


def score(
    found: Mapping[Key, str | None],
    labels: Iterable[Labelled],
    *,
    match: Literal["exact", "prefix"] = "exact",
    doubtful: bool = True,
) -> Scores:
    """Compare what a scanner says by (schema, table, column) with the labels.

    A column that is not in ``found``, or is None there, was found not personal. ``match="prefix"``
    counts a category that is above or below the wanted one as right; ``doubtful=False`` leaves out
    the columns about which careful people differ. A hit of a category counts for the wanted one.
    """
    hits: dict[str, int] = defaultdict(int)
    said: dict[str, int] = defaultdict(int)
    wanted: dict[str, int] = defaultdict(int)
    both = 0
    for label in labels:
        if label.doubtful and not doubtful:
            continue
        right, got = label.data_category, found.get(label.key)
        if right is not None:
            wanted[right] += 1
        if right is not None and got is not None:
            both += 1
            if _agrees(got, right, match):
                hits[right] += 1
                got = right
        if got is not None:
            said[got] += 1
    by_category = {
        name: Score(hits[name], said[name], wanted[name]) for name in sorted({*said, *wanted})
    }
    total_said, total_wanted = sum(said.values()), sum(wanted.values())
    judged = [one.f1 for name, one in by_category.items() if wanted[name]]
    return Scores(
        Score(both, total_said, total_wanted),
        by_category,
        Score(sum(hits.values()), total_said, total_wanted),
        sum(judged) / len(judged) if judged else 0.0,
    )
