"""What can be run: the plan, the night, and the rebuild after it."""

from typing import Final

import dagster as dg

from orchestration.guard import GUARD
from orchestration.project import current
from orchestration.translator import ERASED_FILE, RAW_TABLES, KigenTranslator, gate_of

PROJECT = current()

PLAN: Final = "plan"
NIGHTLY: Final = "nightly"
REBUILD: Final = "rebuild"
DELETING_JOBS: Final = frozenset({NIGHTLY})


def _keys(*, seeds: bool, before: bool, purge: bool, after: bool) -> dg.AssetSelection:
    """Return the assets of the named parts of the manifest, with their checks."""
    keys = []
    for node in PROJECT.manifest["nodes"].values():
        if node["resource_type"] == "seed":
            is_wanted = seeds
        elif node["resource_type"] != "model":
            continue
        elif node["config"]["materialized"] == "purge":
            is_wanted = purge
        else:
            is_wanted = after if gate_of(node) == "after" else before
        if is_wanted:
            keys.append(KigenTranslator().get_asset_key(node))
    return dg.AssetSelection.assets(*keys)


_LANDING = dg.AssetSelection.assets(RAW_TABLES) | _keys(
    seeds=True, before=False, purge=False, after=False
)
_GOVERNED = _keys(seeds=False, before=True, purge=False, after=False)
_PURGE = _keys(seeds=False, before=False, purge=True, after=False)
_AFTER = _keys(seeds=False, before=False, purge=False, after=True)
_GUARD = dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey(["purge", "purge_plan"]), GUARD))

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
    selection=(_GOVERNED - _GUARD) | dg.AssetSelection.assets(ERASED_FILE) | _AFTER,
    description="After a purge: build anew what was derived, erase, and prove it.",
)
