"""What may be said of an error: its kind and where it is, never the value it was about.

DuckDB puts the value into the text of a failed cast or constraint, and dbt hands the text on.
So a text is not searched for what looks personal; only what is known to hold none is kept.
"""

import re
from typing import Final

_HEADER: Final = re.compile(
    r"(Compilation|Database|Dependency|Dbt Internal|Parsing|Python|Runtime|Unhandled)"
    r" Error( in [a-z_]+ [\w.]+ ?(\([\w./-]+\))?)?"
)
_WRITTEN_BY_US: Final = ("Compilation Error", "Parsing Error", "Dependency Error")
"""What dbt says of the project's own text, or a macro says by raise_compiler_error: no rows."""

_KIND: Final = re.compile(r"\b([A-Z][A-Za-z]*(?: [A-Z][A-Za-z]*)* (?:Error|Exception)): ?(.*)")
_ABOUT_NAMES: Final = ("Catalog Error", "Binder Error", "Parser Error")
"""Kinds whose text is about the names and words of a statement, not about rows."""

_COUNTS: Final = re.compile(r"Got \d+ results?, configured to (fail|warn) if [^\n]*")
_LOCK: Final = re.compile(r"IO Error: (Could not set lock on file|Cannot open file)[^\n]*")
_ANSI: Final = re.compile(r"\x1b\[[0-9;]*m")


def redacted(text: str) -> str:
    """Return what of an error's text may be logged: one line, or a macro's own message."""
    plain = _ANSI.sub("", text).strip().removeprefix("Encountered an error:").strip()
    if plain.startswith(_WRITTEN_BY_US):
        return plain
    for harmless in (_COUNTS, _LOCK):
        if match := harmless.search(plain):
            return match.group()
    header = _HEADER.match(plain)
    start = header.end() if header else 0
    said = header.group().strip() if header else ""
    kind = _KIND.search(plain, start)
    if kind and kind.group(1).endswith(_ABOUT_NAMES):
        detail = kind.group()
    elif kind:
        detail = f"{kind.group(1)} (its text is not shown: it may hold personal values)"
    else:
        detail = "(the text is not shown: it may hold personal values)"
    return f"{said}: {detail}" if said else detail
