"""Folders with a sealed record: they appear whole, and only the holder of the key could write them.

Leases, disclosures and answers after a leak are such folders: made under a name with a point
before it, and renamed when nothing is missing.
"""

import dataclasses
import json
import secrets
import shutil
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.durable import write_whole
from orchestration.keys import KeyFileError, Pads, digest_as_of_key
from orchestration.settings import format_moment, parse_moment

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class SealError(ValueError):
    """A file that is not the record somebody with the key wrote."""


def write_sealed(path: Path, kind: str, record: Mapping[str, Any], pads: Pads) -> None:
    """Write a record as JSON under the key its `key_id` names, whole, and for its owner only.

    `kind` is part of what is sealed: a record of one kind is none of another. Raises
    KeyFileError where the key is not there.
    """
    seal = digest_as_of_key(_sealed_text(kind, record), pads, record["key_id"])
    write_whole(path, json.dumps({kind: record, "seal": seal}, indent=2) + "\n")


def read_sealed(path: Path, kind: str, pads: Pads) -> dict[str, Any]:
    """Return a record. Raises SealError where the file is not one that was written so."""
    try:
        written = json.loads(path.read_bytes())
        record: dict[str, Any] = written[kind]
        seal = digest_as_of_key(_sealed_text(kind, record), pads, record["key_id"])
        if secrets.compare_digest(seal, written["seal"]):
            return record
    except (OSError, ValueError, KeyError, TypeError, KeyFileError):
        pass
    raise SealError(f"{path} is not the record that was written, or was made with another key.")


def _sealed_text(kind: str, record: Mapping[str, Any]) -> str:
    return f"{kind}\t{json.dumps(record, indent=2, sort_keys=True)}"


def folders_of(root: Path) -> list[Path]:
    """Return the folders that appeared whole, by name; none where there is no such place."""
    if not root.exists():
        return []
    return sorted(path for path in root.iterdir() if path.is_dir() and path.name[0] != ".")


def tidy(root: Path) -> int:
    """Take away what somebody left who was killed: halves of folders. Returns how many.

    Nothing else may be writing there meanwhile.
    """
    halves = list(root.glob(".*/")) if root.exists() else []
    for half in halves:
        shutil.rmtree(half)
    return len(halves)


def as_record(written: "DataclassInstance", version: int) -> dict[str, Any]:
    """Return a dataclass as JSON has it, with the version of its form; times are ISO 8601."""
    return {"version": version, **_plain(dataclasses.asdict(written))}


def moments_of(record: Mapping[str, Any], names: Iterable[str]) -> dict[str, datetime | None]:
    """Read the times of a record back, by name; one that is not there is None."""
    return {name: parse_moment(record[name], name) if record.get(name) else None for name in names}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_moment(value)
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
