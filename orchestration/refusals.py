"""What Kigen refuses, in a sentence of its own; any other exception is a defect.

Architecture invariant: the text of these errors holds names, paths and counts, no row values.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import dagster as dg

from orchestration.approvals import ApprovalError
from orchestration.breach import BreachError
from orchestration.declarations import DeclarationError
from orchestration.disclosures import DisclosureError
from orchestration.encryption import EncryptionError
from orchestration.erase import EraseError
from orchestration.file_copies import FileCopiesError
from orchestration.journal import JournalError
from orchestration.keys import KeyFileError
from orchestration.leases import DeliveryError
from orchestration.ledger import LedgerError
from orchestration.lineage import LineageError
from orchestration.notices import NoticeError
from orchestration.plan import PlanError
from orchestration.processing_record import ProcessingRecordError
from orchestration.project import ProjectError
from orchestration.sample import SampleError
from orchestration.scan.findings import ScanError
from orchestration.settings import SettingsError
from orchestration.simulation import SimulationError
from orchestration.warehouse import WarehouseError

REFUSALS: Final = (
    ApprovalError,
    BreachError,
    DeclarationError,
    DeliveryError,
    DisclosureError,
    EncryptionError,
    EraseError,
    FileCopiesError,
    JournalError,
    KeyFileError,
    LedgerError,
    LineageError,
    NoticeError,
    PlanError,
    ProcessingRecordError,
    ProjectError,
    SampleError,
    ScanError,
    SettingsError,
    SimulationError,
    WarehouseError,
)


@contextmanager
def refusals_as_failures() -> Iterator[None]:
    """Turn a refusal into the failure of a Dagster step, which shows its text alone."""
    try:
        yield
    except REFUSALS as error:
        raise dg.Failure(str(error), allow_retries=False) from None
