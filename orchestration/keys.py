"""The key of the keyed digests: made once, kept in a file of mode 0600, never in a text.

The file holds the two pads of HMAC (RFC 2104) for a 32-byte key, so that SQL makes the
same digests as Python's `hmac` (DESIGN, section 8) and no statement ever holds the key.

Architecture invariant: no value of the key or the pads is put into SQL text, a log or a
message; they go in as bound parameters and stay in the file.
"""

import dataclasses
import hashlib
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb

from orchestration.durable import place, sync

_BLOCK: Final = 64
"""The block size of SHA-256 in bytes."""


class KeyFileError(ValueError):
    """The key file is not one that may be used."""


@dataclass(frozen=True, slots=True)
class Pads:
    """The keys, padded to a block, XOR 0x36 (inner) and XOR 0x5c (outer), and their names.

    A key that was rotated in is put on top: the digest made with the keys before it is digested
    once more. So what was remembered can be carried over without the text it was made of, and
    whoever learns an old key alone cannot try texts against what stands there now.
    """

    key_id: str
    """The name of the newest key."""
    inner: bytes = field(repr=False)
    outer: bytes = field(repr=False)
    first_id: str = field(default="", repr=False)
    """The name of the first key, where there are later ones."""
    later: tuple["Pads", ...] = field(default=(), repr=False)
    """The keys put on top of it, oldest first, a key each."""

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The names of all keys, oldest first."""
        return (self.first_id or self.key_id, *(pads.key_id for pads in self.later))


def ensure_key(path: Path, *, is_needed: bool = False) -> None:
    """Make the key file if there is none; refuse one that others can read.

    `is_needed`: digests were made with a key already, so a new one would be of no use: nobody
    whom they remember could be recognised. Two processes that come first at the same time end
    up with one key. Raises KeyFileError.
    """
    if not path.exists() and is_needed:
        raise KeyFileError(
            f"The key file {path} is not there, and the warehouse remembers purges by digests "
            "made with it; put it back from your backup, or name its KIGEN_HOME."
        )
    if not path.exists():
        write_pads(path, pads_of(secrets.token_bytes(32)), replaces=False)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise KeyFileError(
            f"The key file {path} has mode {mode:04o}, so others than its owner may read it; "
            f"run `chmod 600 {path}`, and think of it as known to them."
        )


def read_pads(path: Path) -> Pads:
    """Read the pads of a key file. Raises KeyFileError if it is not one."""
    ensure_key(path)
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            result = connection.execute("select * from pads")
            names = [column[0] for column in result.description or ()]
            rows = result.fetchall()
            if len(rows) != 1 or any(
                len(value) != _BLOCK
                for name, value in zip(names, rows[0], strict=True)
                if "_pad" in name
            ):
                raise KeyFileError(
                    f"The key file {path} does not hold one key; put the right one back from your "
                    "backup."
                )
            return _pads_of_row(dict(zip(names, rows[0], strict=True)))
    except duckdb.Error as error:
        kind = type(error).__name__
        raise KeyFileError(
            f"The key file {path} is not one ({kind}); put the right one back from your backup."
        ) from None


def rotated(pads: Pads, key: bytes) -> Pads:
    """Return the pads with one more key on top."""
    newest = pads_of(key)
    return Pads(
        key_id=newest.key_id,
        inner=pads.inner,
        outer=pads.outer,
        first_id=pads.first_id or pads.key_id,
        later=(*pads.later, newest),
    )


def pads_of(key: bytes) -> Pads:
    """Return the pads of a key of at most 64 bytes."""
    block = key.ljust(_BLOCK, b"\0")
    return Pads(
        key_id=hashlib.sha256(b"kigen key id" + key).hexdigest()[:16],
        inner=bytes(byte ^ 0x36 for byte in block),
        outer=bytes(byte ^ 0x5C for byte in block),
    )


def digest(text: str, pads: Pads) -> str:
    """Return HMAC-SHA256 of the UTF-8 text as 64 hexadecimal digits, as the macro `digest`."""
    return digest_as_of_key(text, pads, pads.key_id)


def digest_as_of_key(text: str, pads: Pads, key_id: str) -> str:
    """Return the digest as it was made while `key_id` was the newest key, as the ledger has it.

    Raises KeyFileError where the key file has no such key.
    """
    made = text
    for one in (pads, *pads_as_of(pads, key_id).later):
        inner = hashlib.sha256(one.inner + made.encode()).digest()
        made = hashlib.sha256(one.outer + inner).hexdigest()
    return made


def pads_as_of(pads: Pads, key_id: str) -> Pads:
    """Return the pads as they were while `key_id` was the newest key.

    Raises KeyFileError where the key file has no such key.
    """
    if key_id not in pads.key_ids:
        raise KeyFileError(
            f"The key file has no key {key_id}; put the one back that has, from your backup."
        )
    later = pads.later[: pads.key_ids.index(key_id)]
    return dataclasses.replace(pads, key_id=key_id, later=later)


def digest_sql(expression: str, pads: Pads) -> str:
    """Return SQL for the digest of a varchar expression, over a joined `kigen_key.pads`.

    What the macro `digest` writes: the pads stay columns, and no value of theirs is in the text.
    """
    made = expression
    for number, _ in enumerate(pads.key_ids, start=1):
        end = "" if number == 1 else f"_{number}"
        made = (
            f"sha256(pads.outer_pad{end} || unhex(sha256(pads.inner_pad{end} || encode({made}))))"
        )
    return made


def write_pads(path: Path, pads: Pads, *, replaces: bool) -> None:
    """Write a key file whole and for its owner alone.

    Where there is one already it is kept, unless `replaces`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    values = {"key_id": pads.key_id, "inner_pad": pads.inner, "outer_pad": pads.outer}
    if pads.later:
        values["key_id_1"] = pads.first_id
    for number, one in enumerate(pads.later, start=2):
        values |= {
            f"key_id_{number}": one.key_id,
            f"inner_pad_{number}": one.inner,
            f"outer_pad_{number}": one.outer,
        }
    columns = ", ".join(f"{name} {'blob' if '_pad' in name else 'varchar'}" for name in values)
    try:
        with duckdb.connect(str(unfinished)) as connection:
            # The folder is 0700, so nobody looks in before the mode is set.
            unfinished.chmod(0o600)
            connection.execute(f"create table pads ({columns})")
            marks = ", ".join("?" for _ in values)
            connection.execute(f"insert into pads values ({marks})", list(values.values()))
            connection.execute("checkpoint")
        sync(unfinished)
        if replaces:
            unfinished.replace(path)
            sync(path.parent)
        else:
            place(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
        unfinished.with_name(f"{unfinished.name}.wal").unlink(missing_ok=True)


def _pads_of_row(row: Mapping[str, Any]) -> Pads:
    later: list[Pads] = []
    while f"inner_pad_{len(later) + 2}" in row:
        number = len(later) + 2
        later.append(
            Pads(row[f"key_id_{number}"], row[f"inner_pad_{number}"], row[f"outer_pad_{number}"])
        )
    return Pads(
        row["key_id"], row["inner_pad"], row["outer_pad"], row.get("key_id_1", ""), tuple(later)
    )
