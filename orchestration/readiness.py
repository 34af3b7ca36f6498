"""Whether a warehouse may be judged at all: the right key, and nothing forgotten since."""

from orchestration.journal import Reconciled, heads, reconcile
from orchestration.keys import ensure_key, read_pads
from orchestration.project import Project, ProjectError
from orchestration.rotation import finish_rotation
from orchestration.settings import Settings
from orchestration.warehouse import has_memory


def expect_warehouse(settings: Settings) -> None:
    """Refuse to hand anything out where there is no warehouse. Raises ProjectError."""
    if not settings.warehouse.exists():
        raise ProjectError(f"There is no warehouse {settings.warehouse}; `kigen run` first.")


def make_ready(project: Project) -> Reconciled:
    """See that the key is the one the memory was written with, and put back what a restore lost.

    Without this a restored backup would know nobody who was purged since. Raises KeyFileError,
    JournalError and WarehouseError.
    """
    settings = project.settings
    ensure_key(settings.key, is_needed=has_memory(settings) or bool(heads(settings)))
    read_pads(settings.key)
    if settings.warehouse.exists():
        finish_rotation(project)
    return reconcile(project)
