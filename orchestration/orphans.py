"""A child process that does not outlive its parent: nobody would hear it, and it holds the file."""

import os
import threading
import time
from typing import Final

_EVERY: Final = 0.5
"""Seconds between two looks at the parent."""


def end_with_parent() -> None:
    """End this process, at once, when its parent has gone.

    DuckDB undoes what was not committed, as after a kill -9.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_EVERY)
        os._exit(1)

    threading.Thread(target=watch, name="end_with_parent", daemon=True).start()
