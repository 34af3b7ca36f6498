"""Another key for the warehouse file, or none: it is written anew as the erasure writes it.

Architecture invariant: whatever stops it, the file is the old one or the new one, whole; its
header says which. It proves no erasure: what is deleted and not yet erased stays so on record.
"""

from dataclasses import replace
from pathlib import Path

from orchestration.encryption import EncryptionError, is_encrypted, make_warehouse_key
from orchestration.erase import (
    ErasureDelayedError,
    Rewritten,
    lack_of_space,
    plant_and_delete,
    write_anew,
)
from orchestration.keys import ensure_key
from orchestration.settings import Settings
from orchestration.warehouse import WarehouseError, connect


def recrypt(settings: Settings, key: Path | None, run_id: str) -> Rewritten:
    """Write the warehouse anew under the key in a file, or plainly.

    A key file that is not there is made. The file is read with the key of the settings, or
    plainly, as it is. Raises EncryptionError, EraseError and WarehouseError; the file is then
    the old one, unless the message says otherwise.
    """
    if not settings.warehouse.exists():
        raise WarehouseError(
            f"There is no warehouse {settings.warehouse} to write anew; a run makes it."
        )
    now = settings if is_encrypted(settings.warehouse) else replace(settings, warehouse_key=None)
    if key is None and now.warehouse_key is None:
        _refuse_if_closed(now)
        raise EncryptionError(f"The warehouse {settings.warehouse} is not encrypted already.")
    if key is not None:
        if key.parent.resolve() == settings.warehouse.parent.resolve():
            raise EncryptionError(
                f"The warehouse key {key} would lie beside the file it opens, and be copied with "
                "it; name another folder."
            )
        if now.warehouse_key is not None and key.resolve() == now.warehouse_key.resolve():
            raise EncryptionError(
                f"The warehouse {settings.warehouse} is encrypted with the key {key} already; to "
                "change it, name a file that is not there yet."
            )
        make_warehouse_key(key)
    if said := lack_of_space(now):
        raise ErasureDelayedError(said)
    ensure_key(settings.key)
    plant_and_delete(now, run_id)
    return write_anew(now, run_id, into=replace(now, warehouse_key=key))


def _refuse_if_closed(settings: Settings) -> None:
    """Say what is missing where the file is encrypted, and no key was told."""
    with connect(settings, read_only=True):
        pass
