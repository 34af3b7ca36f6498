"""What this purge leaves behind for the next one to be compared with."""

import dagster as dg

from orchestration.approvals import find_approval
from orchestration.baseline import note
from orchestration.keys import read_pads
from orchestration.moment import Moment
from orchestration.project import current
from orchestration.refusals import refusals_as_failures
from orchestration.settings import utc_now
from orchestration.tags import PLAN_DIGEST_TAG
from orchestration.translator import LAST_RUN
from orchestration.warehouse import connect

PROJECT = current()


@dg.asset(
    key=LAST_RUN,
    deps=[dg.AssetKey(["purge", "purge_ledger"]), dg.AssetKey(["retention", "clock_profile"])],
    group_name="purge",
    kinds={"duckdb"},
    pool="warehouse",
    description=(
        "Row counts, clocks by day and the policy, as this purge left them: the next one is refused "
        "where they have changed in a way that nobody approved."
    ),
)
def last_run(context: dg.AssetExecutionContext, moment: Moment) -> dg.MaterializeResult[None]:
    """Note the state after the rebuild; keep the old one while something is doubted."""
    as_of = moment.of(context.run, context.instance)
    digest = context.run.tags.get(PLAN_DIGEST_TAG, "")
    with refusals_as_failures():
        pads = read_pads(PROJECT.settings.key)
        with connect(PROJECT.settings, read_only=False) as connection:
            found = find_approval(connection, pads, digest, utc_now())
            is_noted = note(connection, PROJECT, as_of, is_approved=found.approval is not None)
    if not is_noted:
        context.log.warning("Something has changed that nobody approved; see the guard.")
    return dg.MaterializeResult(metadata={"noted": is_noted})
