"""The key of the keyed digests: made once, kept in a file of mode 0600, never in a text.

The file holds the two pads of HMAC (RFC 2104) for a 32-byte key, so that SQL makes the
same digests as Python's `hmac` (DESIGN, section 8) and no statement ever holds the key.

Architecture invariant: no value of the key or the pads is put into SQL text, a log or a
message; they go in as bound parameters and stay in the file.
"""

import hashlib
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import duckdb

_BLOCK: Final = 64
"""The block size of SHA-256 in bytes."""


class KeyFileError(ValueError):
    """The key file is not one that may be used."""


@dataclass(frozen=True, slots=True)
class Pads:
    """The key, padded to a block, XOR 0x36 (inner) and XOR 0x5c (outer), and its name."""

    key_id: str
    inner: bytes = field(repr=False)
    outer: bytes = field(repr=False)


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
        _make(path)
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
            rows = connection.execute("select key_id, inner_pad, outer_pad from pads").fetchall()
    except duckdb.Error as error:
        kind = type(error).__name__
        raise KeyFileError(
            f"The key file {path} is not one ({kind}); put the right one back from your backup."
        ) from None
    if len(rows) != 1 or any(len(pad) != _BLOCK for pad in rows[0][1:]):
        raise KeyFileError(
            f"The key file {path} does not hold one key; put the right one back from your backup."
        )
    return Pads(*rows[0])


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
    inner = hashlib.sha256(pads.inner + text.encode()).digest()
    return hashlib.sha256(pads.outer + inner).hexdigest()


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    pads = pads_of(secrets.token_bytes(32))
    try:
        with duckdb.connect(str(unfinished)) as connection:
            # The folder is 0700, so nobody looks in before the mode is set.
            unfinished.chmod(0o600)
            connection.execute("create table pads (key_id varchar, inner_pad blob, outer_pad blob)")
            connection.execute(
                "insert into pads values (?, ?, ?)", [pads.key_id, pads.inner, pads.outer]
            )
            connection.execute("checkpoint")
        _sync(unfinished)
        try:
            # Unlike a rename, a link never replaces a key that came first.
            os.link(unfinished, path)
        except FileExistsError:
            return
        _sync(path.parent)
    finally:
        unfinished.unlink(missing_ok=True)
        unfinished.with_name(f"{unfinished.name}.wal").unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
