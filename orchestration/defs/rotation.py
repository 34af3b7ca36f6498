"""A new key for the keyed digests, as a job: the same as `kigen rotate-key`."""

import dagster as dg

from orchestration.moment import Moment
from orchestration.project import current
from orchestration.refusals import refusals_as_failures
from orchestration.rotation import rotate_key as rotate

PROJECT = current()


@dg.op(
    name="put_new_key",
    pool="warehouse",
    description="Put a new key on top, and carry the digests of the memory over to it.",
)
def new_key(context: dg.OpExecutionContext, moment: Moment) -> None:
    """Rotate the key; the ledger keeps what it has."""
    with refusals_as_failures():
        before, after, count = rotate(PROJECT)
    context.log.info(f"Key {before} is followed by {after}; digests carried over: {count}.")


@dg.job(description="Rotate the key of the keyed digests. Deletes nothing; keep a backup of it.")
def rotate_key() -> None:
    """Rotate the key."""
    new_key()
