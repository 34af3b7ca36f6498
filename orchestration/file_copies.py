"""Copies in files: what people export and leave behind, read, and compared by keyed digest.

Where to look is declared: a location is a dbt exposure with ``meta.kigen.files``. What was handed
over (``KIGEN_HOME/leases``) is looked at, too. Every file is read as what it is, whatever its name
says; each cell, and each address inside of a text, is normalised as the stages do, digested with
the key, and looked up in ``consent.gone_contacts``. What cannot be read is a finding by itself:
nobody knows what is in it.

Architecture invariant: no value of a file, and no error text of a reader, leaves this module;
findings are names, places and counts, and a name that holds an address is masked.
"""

import codecs
import csv
import functools
import glob
import gzip
import io
import itertools
import os
import re
import stat
import tempfile
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import duckdb
from python_calamine import CalamineWorkbook, SheetTypeEnum

from orchestration.declarations import LEASES_LOCATION, FileLocation
from orchestration.durable import sha256_of
from orchestration.keys import Pads, digest
from orchestration.leases import leases_of, path_of, revoke_path
from orchestration.project import Project
from orchestration.settings import Settings
from orchestration.translator import kigen_of, meta_of
from orchestration.warehouse import (
    DELIVERY_SOURCE,
    connect,
    create_declared,
    has_table,
    replace_rows,
)

TABLE: Final = "file_copies"
GONE: Final = ("consent", "gone_contacts")

_BLOCK: Final = 1 << 20
"""Bytes that are read at once."""

_LONGEST_LINE: Final = 1 << 16
"""Characters; a longer line is read in pieces, so that no file has to fit into memory."""

_MOST_UNPACKED: Final = 8 << 30
"""Bytes that one packed file may unpack to; more is a bomb, or for somebody to look at."""

_LARGEST_WORKBOOK: Final = 1 << 30
"""Bytes of a workbook when unpacked: it is held in memory."""

_DEEPEST: Final = 3
"""How many archives may lie one in another."""

_LOOKED_UP_AT_ONCE: Final = 20_000
_LONGEST_ADDRESS: Final = 320
_ROWS_TO_LEARN_FROM: Final = 50
_DELIMITERS: Final = ",;\t|"

_LITTER: Final = re.compile(r"\.DS_Store|Thumbs\.db|\._.+|~\$.+", re.DOTALL)
_LARGEST_LITTER: Final = 1 << 20
"""What file managers and office programs leave: names of files, small pictures, who is at it."""

_FOREIGN: Final = (
    b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zXZ",
    b"\x28\xb5\x2f\xfd", b"PARE",
)  # fmt: skip
"""How files begin that no reader here is for, some of which look like text for a while."""

_BROKEN: Final = "cannot be read: it is broken, encrypted, or closed to this user"
_ENCRYPTED_TEXT: Final = b"-----BEGIN PGP MESSAGE"
_OPEN_DOCUMENT: Final = b"application/vnd.oasis.opendocument."
_WORKBOOKS: Final = frozenset({"xl/workbook.xml", "xl/workbook.bin"})
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_TEXT_MEMBER: Final = re.compile(r"\.(xml|rels|vml|txt|html?|rdf)$", re.IGNORECASE)
_CONTROL: Final = bytes(set(range(32)) - set(b"\t\n\r\f\x1b"))

_UTF_8: Final = ("utf-8-sig",)
_UTF_16: Final = (("utf-16-le", 1), ("utf-16-be", 0))
"""Without a mark at the beginning, and which half of a Latin letter is zero."""

_OLDER: Final = ("cp932", "euc_jp", "latin-1")
"""What a text may be that is no UTF-8; which of them it is, no text says for sure."""

_NARROW: Final = str.maketrans(
    {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)} | {0x3000: " "}
)
_LOWER: Final = str.maketrans({code: chr(code + 32) for code in range(ord("A"), ord("Z") + 1)})

_WIDE_AT: Final = "\uff20"
_PUNCTUATION: Final = "!#$%&'*/=?^`{|}~"
_LOCAL: Final = re.compile(rf"[{re.escape(_PUNCTUATION)}+_.a-z0-9-]{{1,64}}\Z")
_DOMAIN: Final = re.compile(r"[a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)*")
_ANY_BEFORE: Final = re.compile(r"[^\s<>()\[\]\",;:@]{1,64}\Z")
_ANY_AFTER: Final = re.compile(r"[^\s<>()\[\]\",;:@]{1,255}")


class FileCopiesError(ValueError):
    """A sweep of files that cannot be made; the message says what to do."""


class _UnreadableError(Exception):
    """Why nobody can say what is in a file."""


@dataclass(frozen=True, slots=True)
class FileCopy:
    """A place in a file with contacts that are gone, or a file that cannot be read."""

    location: str
    path: str
    place: str | None = None
    reason: str | None = None
    copy_count: int | None = None
    problem: str | None = None
    governed_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep found, and how many files it looked at, by location."""

    copies: tuple[FileCopy, ...]
    files: dict[str, int]


def normalised_email(text: str) -> str | None:
    """Return the normalised form of an e-mail address (DESIGN, section 5), as the SQL macro does.

    Full-width forms become plain ones and U+3000 a space; space, tab, CR, LF and U+00A0 go at
    both ends; A to Z become a to z. None where nothing is left.
    """
    return text.translate(_NARROW).strip(" \t\r\n\xa0").translate(_LOWER) or None


def sweep(project: Project, pads: Pads, as_of: datetime) -> Swept:
    """Read every declared location and the leases; return what is in them of who is gone.

    And, in the locations, the files of leases that somebody copied there, byte by byte. Nothing is
    read while nobody is gone and nothing was handed over. `as_of` (naive, UTC) says which leases
    still run. Raises FileCopiesError, WarehouseError.
    """
    settings = project.settings
    locations = project.declarations.file_locations
    for location in locations:
        _expect_below_home(settings, location)
    files = dict.fromkeys([LEASES_LOCATION, *(each.name for each in locations)], 0)
    copies: list[FileCopy] = []
    leased = {each.file_digest: each for each in leases_of(settings, pads) if each.recipients}
    with connect(settings, read_only=True) as connection:
        is_anybody_gone = _is_anybody_gone(connection, pads)
        if not is_anybody_gone and not leased:
            return Swept((), files)
        reader = _Reader(connection, pads, settings.home, _looks_beyond_emails(project))
        seen: set[_Known] = set()
        governed = _governed(settings, pads, as_of)
        leases = FileLocation(name=LEASES_LOCATION, files=(str(settings.leases),))
        for location in (leases, *locations):
            for path, problem in _files(settings, location, seen):
                files[location.name] += 1
                shown = _shown(settings, path)
                if problem is not None:
                    copies.append(FileCopy(location.name, shown, problem=problem))
                    continue
                lease = leased.get(_digest(path)) if location is not leases else None
                if lease is not None:
                    problem = f"is a copy of the lease of campaign {lease.terms.campaign_id}"
                    copies.append(FileCopy(location.name, shown, problem=problem))
                for found in reader.read(path) if is_anybody_gone else ():
                    copies.append(
                        FileCopy(
                            location=location.name,
                            path="/".join([shown, *map(_masked, found.members)]),
                            place=found.place,
                            reason=found.reason,
                            copy_count=found.copy_count,
                            problem=found.problem,
                            governed_until=governed.get(path) if found.problem is None else None,
                        )
                    )
    return Swept(tuple(copies), files)


def _digest(path: Path) -> str:
    """Return a file's SHA-256; of one that cannot be opened none, for its reader says so."""
    try:
        return sha256_of(path)
    except OSError:
        return ""


def keep(project: Project, swept: Swept) -> None:
    """Write what a sweep found into ``delivery.file_copies``, in the place of what was there."""
    rows = [
        (
            each.location, each.path, each.place, each.reason, each.copy_count, each.problem,
            each.governed_until,
        )
        for each in swept.copies
    ]  # fmt: skip
    with connect(project.settings, read_only=False) as connection:
        connection.execute("begin")
        create_declared(connection, project.manifest, DELIVERY_SOURCE, TABLE)
        replace_rows(connection, f"{DELIVERY_SOURCE}.{TABLE}", rows)
        connection.execute("commit")


# Which files.


def _expect_below_home(settings: Settings, location: FileLocation) -> None:
    for entry in location.files:
        path = _absolute(settings, entry)
        if path.resolve() == settings.home.resolve():
            raise FileCopiesError(
                f"The location {location.name} names {entry!r}, which is KIGEN_HOME itself, where "
                "Kigen keeps its own; name a folder below it."
            )


def _absolute(settings: Settings, entry: str) -> Path:
    return settings.home / Path(entry).expanduser()


def _files(
    settings: Settings, location: FileLocation, seen: set["_Known"]
) -> Iterator[tuple[Path, str | None]]:
    """Yield each file of a location once, with why it may not be opened, if so."""
    for entry in location.files:
        path = _absolute(settings, entry)
        if glob.has_magic(str(path)):
            fixed = itertools.takewhile(lambda part: not glob.has_magic(part), path.parts)
            boundary = _real(Path(*fixed))
            roots = sorted(
                map(Path, glob.glob(str(path), recursive=True, include_hidden=True))  # noqa: PTH207
            )
        else:
            # Named by itself: where it leads is where it lies.
            real = _real(path)
            boundary = real if os.path.isdir(real) else real.parent  # noqa: PTH112
            roots = [real]
        for root in roots:
            for found, problem, key in _below(settings, root, boundary):
                if key not in seen:
                    seen.add(key)
                    yield found, problem


_Known = tuple[int, int] | Path
"""By what a file is told from others: where it lies on the disk, or its name where that is closed."""


def _real(path: Path) -> Path:
    """Return where a path leads; unlike `resolve`, also of a link to itself."""
    return Path(os.path.realpath(path))


def _below(
    settings: Settings, root: Path, boundary: Path
) -> Iterator[tuple[Path, str | None, _Known]]:
    # Asked in a way that does not fail where a folder above it is closed.
    if os.path.islink(root) or not os.path.isdir(root):  # noqa: PTH112, PTH114
        yield from _file(settings, root, boundary)
        return
    failed: list[tuple[Path, str, _Known]] = []

    def note(error: OSError) -> None:
        folder = Path(str(error.filename))
        failed.append((folder, "is a folder that cannot be listed", folder))

    home = _real(settings.home)
    for folder, folders, names in os.walk(root, onerror=note):
        here = Path(folder)
        # A folder above KIGEN_HOME is a location; what Kigen keeps is not part of it.
        folders[:] = sorted(name for name in folders if _real(here / name) != home)
        links = [name for name in folders if (here / name).is_symlink()]
        for name in sorted([*names, *links]):
            yield from _file(settings, here / name, boundary)
    yield from failed


def _file(
    settings: Settings, path: Path, boundary: Path
) -> Iterator[tuple[Path, str | None, _Known]]:
    own = _real(settings.warehouse)
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return  # Not there, or gone meanwhile.
    except OSError:
        yield path, _BROKEN, path
        return
    mode = status.st_mode
    key = status.st_dev, status.st_ino
    if path in (own, own.with_name(f"{own.name}.wal")) or _is_litter(path.name, status.st_size):
        return
    if stat.S_ISLNK(mode):
        # What it leads to inside of the location is looked at where it lies.
        if not _real(path).is_relative_to(boundary):
            yield path, "is a link that leads out of the location", key
        elif not os.path.exists(path):  # noqa: PTH110
            yield path, "is a link that leads nowhere", key
    elif stat.S_ISREG(mode):
        yield path, None, key
    else:
        yield path, "is no file that can be read", key


def _is_litter(name: str, size: int) -> bool:
    return bool(_LITTER.fullmatch(name)) and size <= _LARGEST_LITTER


def _governed(settings: Settings, pads: Pads, as_of: datetime) -> dict[Path, datetime]:
    """Return the files of the leases that run, and until when they do."""
    governed = {}
    for lease in leases_of(settings, pads):
        if lease.removed_at is None and lease.expires_at > as_of:
            for path in (path_of(settings, lease), revoke_path(settings, lease)):
                governed[_real(path)] = lease.expires_at
    return governed


def _shown(settings: Settings, path: Path) -> str:
    """Return a path as it may be told: under KIGEN_HOME, or absolute, without addresses."""
    for home in (settings.home, settings.home.resolve()):
        if path.is_relative_to(home):
            return "/".join(map(_masked, path.relative_to(home).parts))
    return "/" + "/".join(map(_masked, path.parts[1:]))


def _masked(name: str) -> str:
    """Return the name of a file, a sheet or a column, or only its kind if it holds an address."""
    name = name.encode("utf-8", "replace").decode()
    if "@" not in name.translate(_NARROW) and "%40" not in name:
        return name
    kind = re.search(r"\.(csv|tsv|txt|xlsx?|xlsb|ods|parquet|json|zip|gz)$", name, re.IGNORECASE)
    return f"(masked){kind.group() if kind else ''}"


# What is looked for.


def _is_anybody_gone(connection: duckdb.DuckDBPyConnection, pads: Pads) -> bool:
    if not has_table(connection, *GONE):
        raise FileCopiesError(
            f"There is no {'.'.join(GONE)}: nobody can say whose copies to look for; `kigen run` "
            "builds it."
        )
    keys = connection.execute(f"select distinct key_id from {'.'.join(GONE)}").fetchall()
    if any(key_id != pads.key_id for (key_id,) in keys):
        raise FileCopiesError(
            f"{'.'.join(GONE)} was made with another key than that of the key file, so nobody would "
            "be found; `kigen run` makes it anew."
        )
    return bool(keys)


def _looks_beyond_emails(project: Project) -> bool:
    """Return whether a contact may be something else than an e-mail, and so any cell one."""
    for source in project.manifest["sources"].values():
        contact = kigen_of(source).get("contact")
        category = str(meta_of(source["columns"].get(contact, {})).get("pii") or "")
        if contact and not category.startswith("user.contact.email"):
            return True
    return False


def _candidates(text: str, *, is_any: bool) -> set[str]:
    """Return what of a cell, or of a line, may be a contact: all of it, and each address in it.

    Where it is not clear where an address begins or ends, every reading is one. `is_any`: what
    has no @ may be a contact, too.
    """
    normal = normalised_email(text)
    if normal is None:
        return set()
    normal = normal.replace("%40", "@")
    found: set[str] = set()
    if len(normal) <= _LONGEST_ADDRESS:
        # A contact that is no e-mail stands in the stages as it was written.
        found = {normal, text} if is_any else {normal} if "@" in normal else found
    at = normal.find("@")
    while at >= 0:
        before, after = normal[max(0, at - 64) : at], normal[at + 1 : at + 256]
        locals_ = set()
        if match := _LOCAL.search(before):
            local = match.group()
            cuts = [0, *(place + 1 for place, mark in enumerate(local) if mark in _PUNCTUATION)]
            locals_ |= {local, *(local[cut:].lstrip(".-") for cut in cuts)}
        if match := _ANY_BEFORE.search(before):
            locals_.add(match.group())
        domains = set()
        if match := _DOMAIN.match(after):
            domains.add(match.group().rstrip("-"))
        if match := _ANY_AFTER.match(after):
            domains.add(match.group().rstrip(".'"))
        found |= {f"{local}@{domain}" for local in locals_ if local for domain in domains if domain}
        at = normal.find("@", at + 1)
    return found


# How a file is read.


@dataclass(frozen=True, slots=True)
class _Found:
    members: tuple[str, ...]
    place: str | None = None
    reason: str | None = None
    copy_count: int | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Source:
    """A file, or a member of an archive: it may be opened several times."""

    members: tuple[str, ...]
    open: Callable[[], BinaryIO]
    depth: int = 0
    """In how many archives it lies; in none, it may be read from any place."""


@dataclass
class _Tally:
    """What was found in a file so far."""

    lookup: Callable[[Iterable[str]], dict[str, str]]
    make_digest: Callable[[str], str]
    is_any: bool
    known: frozenset[str] = frozenset()
    """Digests that were counted in another place of the file."""
    counts: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, set[str]] = field(default_factory=dict)
    matched: set[str] = field(default_factory=set)
    _waiting: list[tuple[str, frozenset[str]]] = field(default_factory=list)
    _digests: int = 0

    def wants(self, text: str) -> bool:
        """Return whether a text may hold a contact at all: of most cells nothing else is asked."""
        return self.is_any or "@" in text or "%40" in text or _WIDE_AT in text

    def take(self, place: str, text: str) -> None:
        """Look at a text that stands in a place."""
        candidates = _candidates(text, is_any=self.is_any)
        if candidates:
            self._waiting.append((place, frozenset(map(self.make_digest, candidates))))
            self._digests += len(candidates)
            if self._digests >= _LOOKED_UP_AT_ONCE:
                self.settle()

    def settle(self) -> None:
        """Look up what is waiting."""
        gone = self.lookup(itertools.chain.from_iterable(digests for _, digests in self._waiting))
        for place, digests in self._waiting:
            for each in digests & gone.keys() - self.known:
                self.counts[place] += 1
                self.reasons.setdefault(place, set()).add(gone[each])
                self.matched.add(each)
        self._waiting, self._digests = [], 0

    def take_over(self, reading: "_Tally") -> None:
        """Count what another reading of the same cells found: of several the one with the most."""
        reading.settle()
        for place, count in reading.counts.items():
            self.counts[place] = max(self.counts[place], count)
            self.reasons.setdefault(place, set()).update(reading.reasons[place])

    def found(self, members: tuple[str, ...]) -> Iterator[_Found]:
        """Yield the places, most copies first."""
        self.settle()
        for place, count in self.counts.most_common():
            reason = ", ".join(sorted(self.reasons[place]))
            yield _Found(members, place, reason, count)


class _Reader:
    """Reads files, and looks up what is in them."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, pads: Pads, home: Path, is_any: bool
    ) -> None:
        self._connection = connection
        self._home = home
        self._is_any = is_any
        self._digest = functools.lru_cache(maxsize=50_000)(lambda text: digest(text, pads))

    def read(self, path: Path) -> Iterator[_Found]:
        """Yield what is found in a file; what it is, its content says."""
        yield from self._read(_Source((), lambda: path.open("rb")))

    def _read(self, source: _Source) -> Iterator[_Found]:
        """Yield what is found, and a problem where it cannot be read, or not to its end."""
        tally = self._tally()
        try:
            yield from self._read_kind(source, tally)
        except FileNotFoundError:
            pass  # Gone meanwhile.
        except _UnreadableError as unreadable:
            yield from tally.found(source.members)
            yield _Found(source.members, problem=str(unreadable))
            return
        except MemoryError:
            yield _Found(source.members, problem="is too large to be read")
            return
        except Exception:  # Readers of many formats fail in any way: that is a finding, and red.
            # Told without its text, which may hold a value.
            yield from tally.found(source.members)
            yield _Found(source.members, problem=_BROKEN)
            return
        yield from tally.found(source.members)

    def _tally(self, known: frozenset[str] = frozenset()) -> _Tally:
        return _Tally(self._look_up, self._digest, self._is_any, known)

    def _look_up(self, digests: Iterable[str]) -> dict[str, str]:
        asked = list(set(digests))
        if not asked:
            return {}
        rows = self._connection.execute(
            f"select contact_digest, reason from {'.'.join(GONE)} "
            "where contact_digest in (select unnest(?))",
            [asked],
        ).fetchall()
        return dict(cast(list[tuple[str, str]], rows))

    def _read_kind(self, source: _Source, tally: _Tally) -> Iterator[_Found]:
        if source.depth > _DEEPEST:
            raise _UnreadableError("lies too deep in archives to be read")
        with source.open() as stream:
            head = stream.read(4096)
        if head.startswith(_FOREIGN):
            raise _UnreadableError("is of a kind that cannot be read")
        if head.startswith(_ENCRYPTED_TEXT):
            raise _UnreadableError("is encrypted")
        if head.startswith(b"\x1f\x8b"):
            yield from self._read(
                _Source(
                    source.members,
                    lambda: cast(BinaryIO, gzip.GzipFile(fileobj=source.open(), mode="rb")),
                    source.depth + 1,
                )
            )
        elif head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            with self._seekable(source) as stream:
                yield from self._read_zip(source, stream, tally)
        elif head.startswith(_OLE):
            with self._seekable(source) as stream:
                self._read_workbook(stream, tally)
        elif head.startswith(b"PAR1"):
            with self._seekable(source) as stream:
                self._read_parquet(stream, tally)
        else:
            self._read_text(source, head, tally)

    @contextmanager
    def _seekable(self, source: _Source) -> Iterator[BinaryIO]:
        """Give a file that may be read from any place; what was packed is a file without a name."""
        with source.open() as stream:
            if not source.depth:
                yield stream
                return
            with tempfile.TemporaryFile(dir=self._home) as unpacked:
                for block in _blocks(stream):
                    unpacked.write(block)
                unpacked.flush()
                unpacked.seek(0)
                yield cast(BinaryIO, unpacked)

    # Archives and workbooks.

    def _read_zip(self, source: _Source, stream: BinaryIO, tally: _Tally) -> Iterator[_Found]:
        with zipfile.ZipFile(stream) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            names = {info.filename for info in infos}
            kind = b""
            if "mimetype" in names:
                with archive.open("mimetype") as member:
                    kind = member.read(64)
            if "[Content_Types].xml" in names or kind.startswith(_OPEN_DOCUMENT):
                if sum(info.file_size for info in infos) > _LARGEST_WORKBOOK:
                    raise _UnreadableError("is too large to be read")
                if names & _WORKBOOKS or kind.startswith(_OPEN_DOCUMENT + b"spreadsheet"):
                    self._read_workbook(stream, tally)
                elif "META-INF/manifest.xml" in names and (
                    b"encryption-data" in archive.read("META-INF/manifest.xml")
                ):
                    raise _UnreadableError("is encrypted")
                yield from self._read_rest(source, archive, infos, tally)
                return
            for info in infos:
                if not _is_litter(Path(info.filename).name, info.file_size):
                    yield from self._read(self._member(source, archive, info))

    def _member(self, source: _Source, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Source:
        return _Source(
            (*source.members, *Path(info.filename).parts),
            lambda: cast(BinaryIO, archive.open(info)),
            source.depth + 1,
        )

    def _read_rest(
        self,
        source: _Source,
        archive: zipfile.ZipFile,
        infos: list[zipfile.ZipInfo],
        tally: _Tally,
    ) -> Iterator[_Found]:
        """Read what an Office file keeps beside its cells, and a letter whole.

        Comments, links, and the cache of a pivot table, which outlives the rows it was made of.
        """
        tally.settle()
        in_cells = frozenset(tally.matched)
        for info in infos:
            if "/embeddings/" in f"/{info.filename}":
                yield from self._read(self._member(source, archive, info))
            elif _TEXT_MEMBER.search(info.filename):
                rest = self._tally(in_cells)
                with archive.open(info) as member:
                    for line in _lines(_chunks(cast(BinaryIO, member), "utf-8", "replace")):
                        if rest.wants(line):
                            rest.take(f"inside {_masked(info.filename)}", line)
                yield from rest.found(source.members)

    def _read_workbook(self, stream: BinaryIO, tally: _Tally) -> None:
        try:
            if stream.seek(0, os.SEEK_END) > _LARGEST_WORKBOOK:
                raise _UnreadableError("is too large to be read")
            stream.seek(0)
            workbook = CalamineWorkbook.from_object(stream)
            for sheet in workbook.sheets_metadata:
                if sheet.typ is SheetTypeEnum.WorkSheet:
                    self._read_sheet(workbook, sheet.name, tally)
        except BaseException as error:  # A panic of the reader is no Exception; others go on.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            if isinstance(error, _UnreadableError):
                raise
            raise _UnreadableError(_BROKEN) from None

    def _read_sheet(self, workbook: CalamineWorkbook, name: str, tally: _Tally) -> None:
        sheet = workbook.get_sheet_by_name(name)
        if sheet.start is None:
            return
        for row in sheet.iter_rows():
            for number, value in enumerate(row, start=sheet.start[1] + 1):
                is_whole = isinstance(value, float) and value.is_integer()
                text = str(int(cast(float, value)) if is_whole else value)
                if tally.wants(text):
                    tally.take(f"sheet {_masked(name)}, column {_letters(number)}", text)

    # Tables and texts.

    def _read_parquet(self, stream: BinaryIO, tally: _Tally) -> None:
        # By its open file: a name may hold what DuckDB reads as a pattern.
        file = f"/dev/fd/{stream.fileno()}"
        config: dict[str, Any] = {"memory_limit": "1GB", "threads": 1, "temp_directory": ""}
        with duckdb.connect(config=config) as connection:
            rows = connection.execute(f"select columns(*)::varchar from read_parquet('{file}')")
            places = [f"column {_masked(column[0])}" for column in rows.description or ()]
            while some := rows.fetchmany(5_000):
                for row in some:
                    for place, value in zip(places, row, strict=True):
                        if value is not None and tally.wants(value):
                            tally.take(place, value)

    def _read_text(self, source: _Source, head: bytes, tally: _Tally) -> None:
        """Read a text in its encoding; where that is not to be told, in each that it may have."""
        encodings = _encodings(head)
        if encodings == _UTF_8:
            try:
                tally.take_over(self._read_lines(source, encodings[0], "strict"))
            except UnicodeDecodeError:
                encodings = _OLDER
            else:
                return
        for encoding in encodings:
            tally.take_over(self._read_lines(source, encoding, "replace"))

    def _read_lines(self, source: _Source, encoding: str, errors: str) -> _Tally:
        tally = self._tally()
        try:
            with source.open() as stream:
                _read_table(_lines(_chunks(stream, encoding, errors)), tally)
        except csv.Error:
            # A quote that is never closed, say: then a line is a line.
            tally = self._tally()
            with source.open() as stream:
                _read_plain(_lines(_chunks(stream, encoding, errors)), tally)
        return tally


def _read_table(lines: Iterator[str], tally: _Tally) -> None:
    first = list(itertools.islice(lines, _ROWS_TO_LEARN_FROM))
    delimiter = _delimiter(first)
    lines = itertools.chain(first, lines)
    if delimiter is None:
        _read_plain(lines, tally)
        return
    for row in csv.reader(lines, delimiter=delimiter):
        for number, text in enumerate(row, start=1):
            if tally.wants(text):
                tally.take(f"column {number}", text)


def _read_plain(lines: Iterator[str], tally: _Tally) -> None:
    for line in lines:
        if tally.wants(line):
            tally.take("text", line)


def _encodings(head: bytes) -> tuple[str, ...]:
    """Return the encoding of a text by how it begins. Raises _UnreadableError where it is none."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return ("utf-32",)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return ("utf-16",)
    if b"\0" in head:
        # Signs below U+0100 have one half of zeros; U+3000, the space of Japanese, the other.
        likely = sorted(_UTF_16, key=lambda each: -head[each[1] :: 2].count(0))
        for encoding, _ in likely:
            if _is_plain(head[: len(head) // 2 * 2], encoding):
                return (encoding,)
    if len(head) - len(head.translate(None, _CONTROL)) > len(head) * 0.01:
        raise _UnreadableError("is of a kind that cannot be read")
    return _UTF_8


def _is_plain(head: bytes, encoding: str) -> bool:
    """Return whether bytes are a text in an encoding; the last sign may be cut."""
    try:
        text = codecs.getincrementaldecoder(encoding)("strict").decode(head)
    except UnicodeDecodeError:
        return False
    return not any(
        unicodedata.category(sign) in ("Cc", "Cn") for sign in text if sign not in "\t\n\r"
    )


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    read = 0
    while block := stream.read(_BLOCK):
        read += len(block)
        if read > _MOST_UNPACKED and not isinstance(stream, io.BufferedReader):
            raise _UnreadableError("unpacks to more than can be read")
        yield block


def _chunks(stream: BinaryIO, encoding: str, errors: str) -> Iterator[str]:
    """Yield a text piece by piece, with every end of a line as LF."""
    decoder = io.IncrementalNewlineDecoder(
        codecs.getincrementaldecoder(encoding)(errors), translate=True
    )
    for block in _blocks(stream):
        if b"\0" in block and not encoding.startswith(("utf-16", "utf-32")):
            raise _UnreadableError("is of a kind that cannot be read")
        yield decoder.decode(block)
    yield decoder.decode(b"", final=True)


def _lines(chunks: Iterable[str]) -> Iterator[str]:
    """Yield lines with their ends; a line that is too long in pieces, cut where no address is."""
    rest = ""
    for chunk in chunks:
        pieces = (rest + chunk).split("\n")
        rest = pieces.pop()
        for piece in pieces:
            yield from _cut(f"{piece}\n")
        *cut, rest = _cut(rest)
        yield from cut
    if rest:
        yield from _cut(rest)


def _cut(line: str) -> Iterator[str]:
    start = 0
    while len(line) - start > _LONGEST_LINE:
        end = start + _LONGEST_LINE
        for place in range(end, end - _LONGEST_ADDRESS, -1):
            if line[place] in " \t,;|<>\"'()[]{}":
                end = place
                break
        yield line[start:end]
        start = end
    yield line[start:]


def _delimiter(lines: list[str]) -> str | None:
    """Return what parts the columns of a table, by its first lines; None where it is none."""
    best: tuple[float, int, str] | None = None
    for delimiter in _DELIMITERS:
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter) if row)
        if not widths:
            continue
        width, rows = max(widths.items(), key=lambda each: (each[1], each[0]))
        score = (rows / sum(widths.values()), width, delimiter)
        if width > 1 and (best is None or score[:2] > best[:2]):
            best = score
    return best[2] if best is not None and best[0] >= 0.5 else None


def _letters(number: int) -> str:
    """Return the name of a column as workbooks show it: 1 is A, 27 is AA."""
    name = ""
    while number:
        number, rest = divmod(number - 1, 26)
        name = chr(ord("A") + rest) + name
    return name
