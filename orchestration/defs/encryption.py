"""Another warehouse key, or none, as a job: the same as `kigen encrypt` and `kigen decrypt`."""

from pathlib import Path

import dagster as dg

from orchestration.moment import Moment
from orchestration.project import current
from orchestration.recrypt import recrypt as write_under
from orchestration.refusals import refusals_as_failures

PROJECT = current()


class WarehouseKey(dg.Config):
    """With what the warehouse is to be encrypted."""

    key_file: str
    """The path of the file of the key; empty for none."""


@dg.op(
    name="write_anew",
    pool="warehouse",
    description="Write the warehouse anew, encrypted with this key, or not encrypted.",
)
def write_anew(context: dg.OpExecutionContext, config: WarehouseKey, moment: Moment) -> None:
    """Write the file anew; what it holds stays the same."""
    with refusals_as_failures():
        key = Path(config.key_file) if config.key_file else None
        rewritten = write_under(PROJECT.settings, key, context.run.run_id)
    context.log.info(
        f"{rewritten.tables} tables and {rewritten.rows} rows written anew; the new file has "
        f"{rewritten.bytes_after} bytes."
    )


@dg.job(
    description="Encrypt the warehouse file with a key of its own, change the key, or decrypt it. "
    "Deletes nothing; set KIGEN_WAREHOUSE_KEY to the file of the new key afterwards."
)
def recrypt() -> None:
    """Write the warehouse anew under another key."""
    write_anew()
