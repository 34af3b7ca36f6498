"""What can be run: the plan, the night, and the rebuild after it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import dagster as dg

from orchestration.project import current
from orchestration.tags import PURGED_TAG
from orchestration.translator import (
    CERTIFICATE,
    COLUMN_LINEAGE,
    ERASED_FILE,
    EXPIRED_DISCLOSURES,
    EXPIRED_LEASES,
    FILE_COPIES,
    INHERITED_COLUMNS,
    LAST_RUN,
    LEASES,
    LINEAGE_PAGE,
    RAW_TABLES,
    SCAN_FINDINGS,
    KigenTranslator,
    gate_of,
    group_of,
)
from orchestration.warehouse import DELIVERY_SOURCE, TAGS_SOURCE

PROJECT = current()

PLAN: Final = "plan"
NIGHTLY: Final = "nightly"
REBUILD: Final = "rebuild"
DELETING_JOBS: Final = frozenset({NIGHTLY})

PURGE_PLAN: Final = dg.AssetKey(["purge", "purge_plan"])


def _below(unique_ids: Iterable[str]) -> frozenset[str]:
    """Return these nodes and all that are made from them."""
    children: Mapping[str, Sequence[str]] = PROJECT.manifest["child_map"]
    found = set(unique_ids)
    waiting = list(found)
    while waiting:
        new = set(children.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    return frozenset(found)


_AFTER_LINEAGE: Final = _below(
    unique_id
    for unique_id, source in PROJECT.manifest["sources"].items()
    if group_of(source) == TAGS_SOURCE
)
"""What reads the findings or the lineage, which are there once all the rest is built."""


_AFTER_FILES: Final = _below([f"source.kigen.{DELIVERY_SOURCE}.{FILE_COPIES.path[-1]}"])
"""What reads the copies in files, which are looked for once all that was derived is built anew."""


def _part_of(node: Mapping[str, Any]) -> str | None:
    """Return the part of a run that builds a node."""
    if node["resource_type"] == "seed":
        return "landing"
    if node["resource_type"] != "model":
        return None
    if node["config"]["materialized"] == "purge":
        return "purge"
    if gate_of(node) == "after" or node["unique_id"] in _AFTER_FILES:
        return "proofs_after"
    return "tags" if node["unique_id"] in _AFTER_LINEAGE else "governed"


def _keys(part: str) -> list[dg.AssetKey]:
    translator = KigenTranslator()
    nodes = PROJECT.manifest["nodes"].values()
    return [translator.get_asset_key(node) for node in nodes if _part_of(node) == part]


def governed_keys() -> list[dg.AssetKey]:
    """Return what is built from the raw tables before a purge, and needs no lineage."""
    return _keys("governed")


def tags_keys() -> list[dg.AssetKey]:
    """Return what reads the findings and the lineage."""
    return _keys("tags")


_LANDING = dg.AssetSelection.assets(RAW_TABLES, SCAN_FINDINGS, *_keys("landing"))
_GOVERNED = dg.AssetSelection.assets(*governed_keys())
_TAGS = dg.AssetSelection.assets(COLUMN_LINEAGE, INHERITED_COLUMNS, LINEAGE_PAGE, *tags_keys())
_LEASES = dg.AssetSelection.assets(LEASES, FILE_COPIES)
_ENDED = dg.AssetSelection.assets(EXPIRED_LEASES, EXPIRED_DISCLOSURES)
_PURGE = dg.AssetSelection.assets(*_keys("purge"))
_PROOFS_AFTER = dg.AssetSelection.assets(LAST_RUN, ERASED_FILE, CERTIFICATE, *_keys("proofs_after"))

plan = dg.define_asset_job(
    PLAN,
    selection=_LANDING | _GOVERNED | _TAGS,
    description="Build everything, and say what a purge would take. Deletes nothing.",
)

nightly = dg.define_asset_job(
    NIGHTLY,
    selection=_LANDING | _ENDED | _GOVERNED | _TAGS | _LEASES | _PURGE,
    description="Build everything, judge the plan, and purge it. `rebuild` follows.",
)

rebuild = dg.define_asset_job(
    REBUILD,
    selection=_GOVERNED | _LEASES | _PROOFS_AFTER,
    description="After a purge: build anew what was derived, erase, prove it, and certify it.",
)


def rebuild_selection(tags: Mapping[str, str]) -> Sequence[dg.AssetKey] | None:
    """Return what the rebuild after a nightly run with these tags builds; None is all of it.

    Where the purge took nothing, what was derived and found before it still holds.
    """
    if tags.get(PURGED_TAG) != "0":
        return None
    return [LAST_RUN, ERASED_FILE, CERTIFICATE, *_keys("proofs_after")]
