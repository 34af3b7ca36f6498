"""A process that dies by SIGKILL at a statement of dbt's, and the process that it is."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

from dbt.adapters.sql.connections import SQLConnectionManager


def die_at(statement: int, seconds: float) -> list[int]:
    """From now on, kill this process before the statement of that number, or, with seconds, that long after it
    was begun. Numbers count from the first statement of a purge that writes: the ledger's. Returns
    a list whose one number is how many there were so far."""
    execute = SQLConnectionManager.add_query
    seen = [0]

    def counted(self: Any, sql: str, *arguments: Any, **named: Any) -> Any:
        if seen[0] or ("create table if not exists" in sql and "purge_ledger" in sql):
            seen[0] += 1
        if seen[0] == statement and not seconds:
            os.kill(os.getpid(), signal.SIGKILL)
        if seen[0] == statement:
            threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()
        return execute(self, sql, *arguments, **named)

    SQLConnectionManager.add_query = counted
    return seen


def in_a_child(function: Callable[..., None], *arguments: Any) -> int | None:
    """Run a function in a process of its own, forked from one that never opened a warehouse."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([function.__module__])
    child = context.Process(target=function, args=arguments)
    child.start()
    child.join()
    return child.exitcode
