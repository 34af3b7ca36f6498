"""The certificate: the last step of a rebuild, whatever became of the steps before it."""

from typing import Any, Final

import dagster as dg

from orchestration.certificate import issue, preview, red_proofs, standing
from orchestration.moment import Moment
from orchestration.project import current
from orchestration.refusals import refusals_as_failures
from orchestration.tags import CERTIFICATE_TAG
from orchestration.translator import CERTIFICATE, KigenTranslator

PROJECT = current()

LAST: Final = {"dagster/priority": "-1"}
"""Of the steps that are ready, this one comes last."""


# It waits for the purge and the rebuild of what was derived, and by its priority comes after the
# erasure and the proofs. A dependency on those would skip it where one of them fails, and then
# nobody would be told that the rows are not erased, or that a proof is red.
@dg.asset(
    key=CERTIFICATE,
    deps=[dg.AssetKey(["purge", "purge_ledger"]), dg.AssetKey(["purge", "purge_plan"])],
    group_name="purge",
    kinds={"json"},
    pool="warehouse",
    op_tags=LAST,
    description=(
        "What was due, what went, what stayed, why and until when, who approved, what was verified "
        "how, and what is out of reach: JSON and a page under KIGEN_HOME/certificates. It is "
        "written after the erasure and the proofs, and where they fail it says so."
    ),
)
def certificate(context: dg.AssetExecutionContext, moment: Moment) -> dg.MaterializeResult[None]:
    """Write the certificate of this run, and those that stopped runs still owe."""
    as_of = moment.of(context.run, context.instance)
    with refusals_as_failures():
        written = issue(PROJECT, as_of, built=_built(context))
    own = written[-1]
    context.instance.add_run_tags(context.run.run_id, {CERTIFICATE_TAG: own.name})
    metadata: dict[str, Any] = {
        "certificate": dg.MetadataValue.url(
            PROJECT.settings.page_url("certificates", own.page_path.name)
        ),
        "page": dg.MetadataValue.path(str(own.page_path)),
        "json": dg.MetadataValue.path(str(own.json_path)),
        "digest": own.digest,
        "planned": sum(row["planned"] for row in own.document["due"]),
        "purged": sum(row["records"] for row in own.document["purged"]),
        "kept": sum(row["records"] for row in own.document["kept"]),
        "red_proofs": len(red_proofs(own.document)),
        "standing": standing(own.document),
        "written": len(written),
        "preview": dg.MetadataValue.md(preview(written)),
    }
    return dg.MaterializeResult(metadata=metadata)


def _built(context: dg.AssetExecutionContext) -> list[str]:
    """Return the names of the proofs of gate `after` that this run has built."""
    built = []
    for proof in PROJECT.declarations.proofs("after"):
        key = KigenTranslator().get_asset_key(PROJECT.manifest["nodes"][proof.unique_id])
        event = context.instance.get_latest_materialization_event(key)
        if event is not None and event.run_id == context.run.run_id:
            built.append(proof.name)
    return built
