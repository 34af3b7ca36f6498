"""The tags of a run, one name each for who writes and who reads them."""

from typing import Final

DOOR_TAG: Final = "kigen/door"
"""Who started a run, where the one who did also starts the rebuild."""

PLAN_DIGEST_TAG: Final = "kigen/plan_digest"
"""On a nightly run and its rebuild: the plan it purged."""

PURGED_TAG: Final = "kigen/purged"
"""On a nightly run: how many rows its purge took."""

RESTORED_TAG: Final = "kigen/restored"
"""On a run that found the warehouse behind its journal: what was put back, in a sentence."""

CERTIFICATE_TAG: Final = "kigen/certificate"
"""On a rebuild: the name of the certificate it wrote, without the ending."""

PURGE_RUN_TAG: Final = "kigen/purge_run"
"""On a rebuild: the run whose purge it follows."""
