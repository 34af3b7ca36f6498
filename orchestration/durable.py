"""Files that are whole or not there, and on the disk when the call returns."""

import hashlib
import os
import secrets
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a file for its owner only; whatever stops it, the file is the old one or the new one.

    A file that holds this text already is left as it is.
    """
    data = text.encode()
    if path.exists() and path.read_bytes() == data:
        return
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    _write(unfinished, data)
    unfinished.replace(path)
    sync(path.parent)


def write_new(path: Path, text: str) -> None:
    """Write a file for its owner only, unless there is one: of two that come first, one stays."""
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        _write(unfinished, text.encode())
        place(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def place(made: Path, path: Path) -> None:
    """Give a file a second name, unless that one is taken; unlike a rename it replaces nothing."""
    try:
        os.link(made, path)
    except FileExistsError:
        return
    sync(path.parent)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """See that a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
