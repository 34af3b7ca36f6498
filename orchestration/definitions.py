"""Loads what exists in `defs/`, nothing else."""

from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    """Return all definitions, for `dagster`, `dg` and `kigen`."""
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
