"""What stands in a column: shares of shapes, counted in the warehouse, and check digits, tried here.

`profile` reads a sample of one table in one query. Shapes are regular expressions of DuckDB (RE2)
over the trimmed text; only shares, counts and extremes come out, and for the few columns whose
shape calls for it some distinct values, whose check digits are tried and which are then dropped.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.resources import files
from typing import Any, Final

import duckdb

SAMPLE: Final = 200
"""Rows of a table that are looked at."""

_CANDIDATES: Final = 40
"""Distinct values of a column whose check digits are tried."""

_STREET_WORDS: Final = (
    r"street|st|road|rd|avenue|ave|lane|ln|drive|dr|blvd|boulevard|court|way|close|terrace|strasse|straße|str|weg|platz|allee|gasse|"
    r"ring|damm|ufer|rue|chemin|impasse|place|quai|calle|avda|avenida|plaza|paseo|carrera|rua|travessa|praça|alameda|"
    r"via|viale|piazza|corso|straat|laan|gracht|plein|ulica|ul|aleja|gatan|vägen|gata|sokak|sok|caddesi|cad|mahallesi|jalan|jl|"
    r"улица|ул|проспект|пр"
)
_GENDERS: Final = (
    "m|f|w|d|x|u|h|k|e|l|p|male|female|man|woman|other|unknown|diverse|nonbinary|non-binary|mr|mrs|ms|miss|mx|dr|"
    "männlich|weiblich|divers|herr|frau|homme|femme|monsieur|madame|hombre|mujer|masculino|femenino|feminino|"
    "maschio|femmina|man|vrouw|mężczyzna|kobieta|kvinna|erkek|kadın|laki-laki|perempuan|муж|жен|мужской|женский|м|ж|"
    "男|女|男性|女性|その他|남|여|남자|여자|남성|여성|1|2|0|9|sr|sra|don|doña|pan|pani"
)
# Some ranges and not \p{Lu}, \p{L}: compiling these takes most of a query's time.
_CAPITAL: Final = "A-ZÀ-ÖØ-ÞĀ-ɏΆ-ΫЀ-ЯҐ"
_LETTER: Final = "A-Za-zÀ-ÖØ-öø-ɏͰ-ϿЀ-ӿא-תؠ-ۿऀ-ॿḀ-ỿぁ-ヿ㐀-鿿가-힣"
SHAPES: Final[Mapping[str, str]] = {
    "email": r"[^@\s<>]+@[^@\s<>]+\.[A-Za-z]{2,}",
    "role_mail": r"(?i)(info|contact|office|sales|support|hello|admin|mail|kontakt|service|enquiries|inquiry|reception|contacto|contato|contatto|team|noreply|no-reply|webmaster|press|shop|orders?|billing|toiawase|post|sekretariat|accueil|ventas|vendas)([.+_-][a-z0-9]+)?@.*",
    "phone": r"[+＋]?[(（]?[+]?[0-9][0-9 ()./\-‐－]{5,20}[0-9](\s?(x|ext\.?)\s?[0-9]+)?",
    "phone_written": r"([+]\s?[0-9]{1,3}[ .\-]?[(]?[0-9].*)|([(]?0[0-9]{1,4}[)]?[ ./\-][0-9 .\-/]{5,14})|([(][0-9]{2,5}[)] ?[0-9][0-9 \-]{5,12})|([0-9]{3}[\-. ][0-9]{3}[\-. ][0-9]{4})",
    "digits": r"[0-9]+",
    "number": r"[-+]?[0-9]+([.,][0-9]+)?",
    "card": r"([0-9][ \-]?){13,19}",
    "masked_card": r"[*xX• \-]{4,}[0-9]{4}",
    "iban": r"[A-Z]{2}[0-9]{2}[ ]?([A-Z0-9]{4}[ ]?){2,7}[A-Z0-9]{1,4}",
    "ip": r"((25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})\.){3}(25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})(:[0-9]+|/[0-9]+)?|([0-9a-fA-F]{0,4}:){3,7}[0-9a-fA-F]{0,4}",
    "small_ip": r"[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{1,2}",
    "mac": r"([0-9A-Fa-f]{2}[:\-]){5}[0-9A-Fa-f]{2}",
    "uuid": r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}",
    "hash": r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{56}|[0-9a-f]{64}|[0-9A-F]{32}|[0-9A-F]{40}|[0-9A-F]{64}",
    "date": r"([0-9]{4}[-/.年][0-9]{1,2}[-/.月][0-9]{1,2}日?([ T].*)?)|([0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2,4})|((19|20)[0-9]{2}[01][0-9][0-3][0-9])|([0-9]{1,2}[ -][A-Za-z]{3,9}[ -][0-9]{2,4})|((明治|大正|昭和|平成|令和|[MTSHR])[ ]?[0-9元]{1,2}[年./-].*)",
    "year": r"(18|19|20)[0-9]{2}",
    "url": r"(?i)(https?://|www\.).*",
    "postal": r"〒?[0-9]{3}-[0-9]{4}|[0-9]{5}(-[0-9]{3,4})?|[0-9]{4}( ?[A-Z]{2})?|[0-9]{6,7}|[0-9]{2}-[0-9]{3}|[0-9]{3} [0-9]{2}|[A-Z]{1,2}[0-9][A-Z0-9]? ?[0-9][A-Z]{2}|[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9]|[0-9]{4}-[0-9]{3}|[A-Z]{1,2}-[0-9]{4,6}",
    "japanese_address": r"(〒?[0-9]{3}-?[0-9]{4}\s*)?(東京都|北海道|京都府|大阪府|[一-鿿]{2,3}県).+",
    "prefecture": r"東京都?|北海道|京都府?|大阪府?|[一-鿿]{2,3}県",
    "street": rf"(?i)([0-9]+[a-z]?,? .*\b({_STREET_WORDS})\b\.?.*)|(.*\b?({_STREET_WORDS})\.? ?.*[0-9]+.*)|(.*(straße|strasse|str\.|weg|gasse|platz|gatan|vägen|straat|laan) [0-9]+.*)",
    "katakana": r"[ァ-ヶー・ｦ-ﾟ][ァ-ヶー・ｦ-ﾟ 　]*",
    "hiragana": r"[ぁ-んー][ぁ-んー 　]*",
    "cjk_name": r"[一-鿿々ヶぁ-んァ-ヶー]+[ 　]?[一-鿿々ヶぁ-んァ-ヶー]+( ?様| ?さん)?|[가-힣]{2,4}",
    "names": rf"[{_CAPITAL}][{_LETTER}'’.\-]*,?( (de|da|do|dos|van|von|der|den|la|le|di|del|y|e|bin|al|el) ?)*( [{_CAPITAL}][{_LETTER}'’.\-]*)+(, ?[{_LETTER}].*)?",
    "upper_names": rf"[{_CAPITAL}'’.\- ]+,? [{_CAPITAL}'’.\- ]+",
    "word": rf"[{_LETTER}][{_LETTER}'’\-]+",
    "letters": rf"[^0-9]*[{_LETTER}][^0-9]*",
    "boolean": r"(?i)(true|false|0|1|y|n|yes|no|t|f|ja|nein|oui|non|si|sí|はい|いいえ|有|無)",
    "gender": rf"(?i)({_GENDERS})\.?",
    "ssn": r"[0-9]{3}-[0-9]{2}-[0-9]{4}",
    "national": r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}|[0-9]{6}-[0-9]{7}|[0-9]{3}-[0-9]{3}-[0-9]{3} [0-9]{2}|[A-Z]{6}[0-9]{2}[A-Z][0-9]{2}[A-Z][0-9]{3}[A-Z]|[0-9]{8}-?[A-Z]|[XYZ][0-9]{7}-?[A-Z]|[A-Z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]|[12] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{3} ?[0-9]{3}( ?[0-9]{2})?|[0-9]{17}[0-9X]|[0-9]{6}[-+][0-9]{4}|[0-9]{8}-[0-9]{4}|[A-Z]{4}[0-9]{6}[HM][A-Z]{5}[A-Z0-9][0-9]|756\.[0-9]{4}\.[0-9]{4}\.[0-9]{2}|[0-9]{4} [0-9]{4} [0-9]{4}",
    "dated_number": r"[1-8][0-9]{5}(19|20)[0-9]{2}(0[1-9]|1[0-2])([0-2][0-9]|3[01])[0-9]{3}[0-9Xx]|[0-9]{2}(0[1-9]|1[0-2])([0-2][0-9]|3[01])-[1-8][0-9*]{6}|[A-Z]{6}[0-9]{2}[ABCDEHLMPRST][0-9]{2}[A-Z][0-9]{3}[A-Z]|[A-Z]{4}[0-9]{2}(0[1-9]|1[0-2])([0-2][0-9]|3[01])[HM][A-Z]{5}[A-Z0-9][0-9]",
    "patronymic": r".*(вич|вна|ична|ьич|оглы|кызы)( .*)?",
    "mail_inside": r"(?s).*[A-Za-z0-9._%+\-]+@[A-Za-z0-9\-]+(\.[A-Za-z0-9\-]+)*\.[A-Za-z]{2,}.*",
    "company": r"(?i).*(\b(inc|ltd|llc|corp|gmbh|ag|kg|gbr|sarl|sas|sa|srl|spa|bv|nv|ab|oy|as|plc|co|cie|group|holding|ltda|lda|sl|ooo|pty|kft|zrt|limited|company|industries|technologies|foods|systems|services|logistics|transport|trading|solutions|consulting|stores?|shop|gifts?|imports?|exports?|distributors?|motors|university|school|hospital|bank|verein|stiftung|pt)\b\.?|株式会社|有限会社|合同会社|（株）|\(株\)|㈱|建設|工業|商事|商会|支社|営業所|製作所|産業|有限公司|公司|주식회사|ооо|зао|s\.r\.o|z o\.o).*",
    "code": r"[A-Z]{1,5}[-_/]?[0-9][A-Z0-9\-_/]*",
}

_FULL_WIDTH: Final = "translate(trim(cast(value as varchar)), '０１２３４５６７８９－（）＠．　', '0123456789-()@. ')"


@dataclass(slots=True)
class Profile:
    """What a sample of a column says."""

    data_type: str
    rows: int = 0
    """Values that are there, empty texts left out."""
    distinct: int = 0
    length: float = 0.0
    words: float = 0.0
    digit_count: float = 0.0
    least: float | None = None
    most: float | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    _values: tuple[str, ...] = field(default=(), repr=False)

    def share(self, *shapes: str) -> float:
        """Return the share of values of a shape; of several, the largest."""
        return max(self.shares.get(shape, 0.0) for shape in shapes)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to go by."""
        return self.rows == 0

    @property
    def is_number(self) -> bool:
        """Whether the type is one of numbers."""
        return bool(
            re.match(r"(U?(TINY|SMALL|BIG|HUGE)?INT|DECIMAL|DOUBLE|FLOAT|REAL)", self.data_type)
        )

    @property
    def is_time(self) -> bool:
        """Whether the type is one of dates or times."""
        return self.data_type.startswith(("DATE", "TIME"))

    @property
    def is_boolean(self) -> bool:
        """Whether there are two answers only."""
        return self.data_type == "BOOLEAN" or (self.share("boolean") > 0.95 and self.distinct <= 2)

    def passing(self, check: Callable[[str], bool]) -> float:
        """Return the share of the distinct values looked at that pass a check."""
        if not self._values:
            return 0.0
        return sum(map(check, self._values)) / len(self._values)


def profile(
    connection: duckdb.DuckDBPyConnection, relation: str, columns: Mapping[str, str]
) -> dict[str, Profile]:
    """Profile a sample of a table by column; `columns` are their types, by name."""
    profiles = {name: Profile(data_type) for name, data_type in columns.items()}
    readable = {
        name: f"c{number}"
        for number, (name, data_type) in enumerate(columns.items())
        if not data_type.startswith(("BLOB", "BIT", "GEOMETRY"))
    }
    shaped = {name: alias for name, alias in readable.items() if _SHAPED.match(columns[name])}
    plain = {name: alias for name, alias in readable.items() if name not in shaped}
    if shaped:
        _profile(connection, relation, columns, shaped, SHAPES, profiles)
    if plain:
        _profile(connection, relation, columns, plain, {"number": SHAPES["number"]}, profiles)
    return profiles


_SHAPED: Final = re.compile("VARCHAR|BIGINT|HUGEINT|UBIGINT|ENUM|STRUCT|UUID|JSON|INET|MAP|UNION")
"""Types whose values have shapes worth asking for."""


def _profile(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    columns: Mapping[str, str],
    readable: Mapping[str, str],
    shapes: Mapping[str, str],
    profiles: dict[str, Profile],
) -> None:
    texts = ", ".join(
        f"cast({_quoted(name)} as varchar) as {alias}" for name, alias in readable.items()
    )
    shares = ", ".join(
        f"avg(cast(regexp_full_match(v, '{shape}') as tinyint))"
        for shape in (each.replace("'", "''") for each in shapes.values())
    )
    names = {alias: name for name, alias in readable.items()}
    rows = connection.execute(
        f"with sample as materialized (select {texts} from {relation} using sample {SAMPLE} rows), "
        "long as (unpivot sample on columns(*) into name alias value value), "
        f"clean as (select alias, {_FULL_WIDTH} as v from long) "
        "select alias, count(*), count(distinct v), avg(length(v)), "
        "avg(len(string_split(v, ' '))), avg(length(regexp_replace(v, '[^0-9]', '', 'g'))), "
        "min(try_cast(v as double)), max(try_cast(v as double)), "
        f"list(distinct v)[:{_CANDIDATES}], {shares} "
        "from clean where v <> '' group by alias"
    ).fetchall()
    for alias, count, distinct, length, words, digits, least, most, values, *found in rows:
        profiles[names[alias]] = Profile(
            columns[names[alias]],
            count,
            distinct,
            length,
            words,
            digits,
            least,
            most,
            dict(zip(shapes, found, strict=True)),
            tuple(values),
        )


# Check digits, in this process.


def is_card(text: str) -> bool:
    """Return whether a text is a card number: an issuer's first digit, a length, and Luhn."""
    digits = re.sub(r"[ \-]", "", text)
    if not re.fullmatch(r"[3456][0-9]{12,18}", digits):
        return False
    return bool(_luhn().is_valid(digits))


def is_iban(text: str) -> bool:
    """Return whether the check digits of an IBAN hold (ISO 13616)."""
    compact = text.replace(" ", "").upper()
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", compact):
        return False
    return int("".join(str(int(each, 36)) for each in compact[4:] + compact[:4])) % 97 == 1


_IBAN_LENGTHS: Final = {
    "AE": 23, "AL": 28, "AT": 20, "BA": 20, "BE": 16, "BG": 22, "BR": 29, "CH": 21, "CY": 28,
    "CZ": 24, "DE": 22, "DK": 18, "EE": 20, "ES": 24, "FI": 18, "FR": 27, "GB": 22, "GE": 22,
    "GR": 27, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IS": 26, "IT": 27, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MT": 31, "NL": 18, "NO": 15,
    "PL": 28, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SE": 24, "SI": 19, "SK": 24,
    "SM": 27, "TN": 24, "TR": 26, "UA": 29,
}  # fmt: skip


def has_iban_length(text: str) -> bool:
    """Return whether a text of an IBAN's shape is as long as those of its country."""
    compact = text.replace(" ", "").upper()
    return len(compact) == _IBAN_LENGTHS.get(compact[:2]) or is_iban(compact)


def is_national_number(text: str) -> bool:
    """Return whether the check digits hold of one of the numbers by which states name persons."""
    return any(is_valid(text.strip()) for is_valid in _national())


@cache
def _luhn() -> Any:
    from stdnum import luhn

    return luhn


@cache
def _national() -> tuple[Callable[[str], bool], ...]:
    from stdnum.br import cpf
    from stdnum.cn import ric
    from stdnum.es import dni, nie
    from stdnum.fr import nir
    from stdnum.it import codicefiscale
    from stdnum.jp import in_
    from stdnum.kr import rrn
    from stdnum.nl import bsn
    from stdnum.pl import pesel
    from stdnum.se import personnummer
    from stdnum.tr import tckimlik

    return tuple(
        module.is_valid
        for module in (
            cpf,
            ric,
            dni,
            nie,
            nir,
            codicefiscale,
            in_,
            rrn,
            bsn,
            pesel,
            personnummer,
            tckimlik,
        )
    )


# Telephone numbers.

_REGIONS: Final = [
    "US",
    "GB",
    "DE",
    "FR",
    "ES",
    "IT",
    "NL",
    "BE",
    "PT",
    "BR",
    "MX",
    "AR",
    "CO",
    "CL",
    "PL",
    "CZ",
    "SK",
    "SE",
    "DK",
    "NO",
    "FI",
    "HU",
    "RO",
    "RS",
    "BG",
    "GR",
    "TR",
    "RU",
    "UA",
    "JP",
    "CN",
    "KR",
    "TW",
    "ID",
    "VN",
    "IN",
    "IL",
    "CH",
    "AT",
]
"""Where a number without its country may be from: where the languages of the dictionary are spoken."""


def is_international_phone(text: str) -> bool:
    """Return whether a text is a telephone number with its country, of a range that is given out."""
    return text.lstrip().startswith(("+", "00")) and _is_phone(re.sub(r"^\s*00", "+", text), None)


def national_phones(values: Profile) -> float:
    """Return the largest share of the values looked at that one country would take for telephones.

    Digits alone are tried only where they begin as telephone numbers do.
    """
    if values.passing(_is_dialled) < 0.8:
        return 0.0
    return max(values.passing(partial(_is_phone, region=region)) for region in _REGIONS)


def _is_dialled(text: str) -> bool:
    return not text.isdigit() or bool(re.fullmatch(r"0[1-9][0-9]{7,10}|1[3-9][0-9]{9}", text))


def _is_phone(text: str, region: str | None) -> bool:
    import phonenumbers

    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(text, region)))
    except phonenumbers.NumberParseException:
        return False


# Names of persons.


@cache
def given_names() -> frozenset[str]:
    """Return common given names of Europe and the Americas, in small letters."""
    text = files("orchestration.scan").joinpath("given_names.txt").read_text("utf-8")
    return frozenset(text.split())


@cache
def japanese_names() -> tuple[frozenset[str], frozenset[str]]:
    """Return Japanese surnames and given names, in kanji."""
    import csv

    folder = files("japanese_personal_name_dataset").joinpath("dataset")
    surnames: set[str] = set()
    given: set[str] = set()
    for name, into in (
        ("last_name_org.csv", surnames),
        ("first_name_man_opti.csv", given),
        ("first_name_woman_opti.csv", given),
    ):
        for row in csv.reader(folder.joinpath(name).read_text("utf-8").splitlines()):
            into.update(each for each in row if re.fullmatch(r"[\u3005\u3400-\u9fff]+", each))
    return frozenset(surnames), frozenset(given)


def is_japanese_name(text: str) -> bool:
    """Return whether a text is a surname, or one and a given name, written in kanji."""
    surnames, given = japanese_names()
    compact = re.sub(r"( ?様| ?さん|[ 　])$", "", text)
    parts = re.split(r"[ 　]", compact)
    if len(parts) == 2:
        return parts[0] in surnames
    return any(
        compact[:size] in surnames and compact[size:] in given for size in range(1, len(compact))
    )


def is_east_asian_name(text: str) -> bool:
    """Return whether a text begins with a common Chinese or Korean surname and is as long as a name."""
    return 2 <= len(text) <= 4 and text[0] in _SURNAMES


_SURNAMES: Final = frozenset(
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段钱汤尹黎易常武乔贺赖龚文"
    "張劉陳楊趙黃吳孫馬羅鄭謝韓馮蕭鄧許呂蘇盧蔣賈葉閻鍾譚鄒陸顧龍萬錢湯喬賀賴龔"
    "김이박최정강조윤장임한오서신권황안송전홍유고문양손배백허남심노하곽성차주우구나민진지엄채원천방공현함변염여추도소석선설마길연위표명기반왕금옥육인맹제모탁국은편용"
)


def is_japanese_surname(text: str) -> bool:
    """Return whether a text is a Japanese surname in kanji."""
    return text in japanese_names()[0]


def is_japanese_given_name(text: str) -> bool:
    """Return whether a text is a Japanese given name in kanji."""
    return text in japanese_names()[1]


def has_given_name(text: str) -> bool:
    """Return whether one of the words of a text is a common given name."""
    known = given_names()
    return any(word in known for word in re.findall(r"[^\W\d_]+", text.casefold()))


def is_given_name(text: str) -> bool:
    """Return whether a text is a common given name and nothing else."""
    return text.casefold() in given_names()


def are_names(values: Profile) -> bool:
    """Return whether values are names of persons, by themselves."""
    if values.share("company") > 0.3 or values.distinct < 8:
        return False
    if values.share("names", "upper_names") > 0.7:
        return values.passing(has_given_name) > 0.45
    if values.share("cjk_name") > 0.8 and values.length <= 9:
        return values.passing(is_japanese_name) > 0.5 or values.passing(is_east_asian_name) > 0.85
    return False


def are_given_names(values: Profile) -> bool:
    """Return whether values are given names, by themselves."""
    return values.distinct > 4 and values.passing(is_given_name) > 0.5


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
