"""Records under a seal: files that only the holder of the key could have written as they are."""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestration.durable import write_whole
from orchestration.keys import KeyFileError, Pads, digest_as_of_key


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
