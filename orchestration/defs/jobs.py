"""What can be run: the plan, the night, and the rebuild after it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import dagster as dg

from orchestration.project import current
from orchestration.tags import PURGED_TAG
from orchestration.translator import (
    CERTIFICATE,
    ERASED_FILE,
    LAST_RUN,
    RAW_TABLES,
    KigenTranslator,
    gate_of,
)

PROJECT = current()

PLAN: Final = "plan"
NIGHTLY: Final = "nightly"
REBUILD: Final = "rebuild"
DELETING_JOBS: Final = frozenset({NIGHTLY})


def _part_of(node: Mapping[str, Any]) -> str | None:
    """Return the part of a run that builds a node."""
    if node["resource_type"] == "seed":
        return "landing"
    if node["resource_type"] != "model":
        return None
    if node["config"]["materialized"] == "purge":
        return "purge"
    return "proofs_after" if gate_of(node) == "after" else "governed"


def _keys(part: str) -> list[dg.AssetKey]:
    translator = KigenTranslator()
    nodes = PROJECT.manifest["nodes"].values()
    return [translator.get_asset_key(node) for node in nodes if _part_of(node) == part]


_LANDING = dg.AssetSelection.assets(RAW_TABLES, *_keys("landing"))
_GOVERNED = dg.AssetSelection.assets(*_keys("governed"))
_PURGE = dg.AssetSelection.assets(*_keys("purge"))
_PROOFS_AFTER = dg.AssetSelection.assets(LAST_RUN, ERASED_FILE, CERTIFICATE, *_keys("proofs_after"))

plan = dg.define_asset_job(
    PLAN,
    selection=_LANDING | _GOVERNED,
    description="Build everything, and say what a purge would take. Deletes nothing.",
)

nightly = dg.define_asset_job(
    NIGHTLY,
    selection=_LANDING | _GOVERNED | _PURGE,
    description="Build everything, judge the plan, and purge it. `rebuild` follows.",
)

rebuild = dg.define_asset_job(
    REBUILD,
    selection=_GOVERNED | _PROOFS_AFTER,
    description="After a purge: build anew what was derived, erase, prove it, and certify it.",
)


def rebuild_selection(tags: Mapping[str, str]) -> Sequence[dg.AssetKey] | None:
    """Return what the rebuild after a nightly run with these tags builds; None is all of it.

    Where the purge took nothing, what was derived before it still holds.
    """
    if tags.get(PURGED_TAG) != "0":
        return None
    return [LAST_RUN, ERASED_FILE, CERTIFICATE, *_keys("proofs_after")]
