"""Looking at server processes from outside: their ends, their arguments and their environments."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

DEADLINE_S = 60.0
"""A server that is told to end writes down what it has first, which a busy disk can put off."""


class Watched:
    """Processes whose end can be waited for, whoever their parent is."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._descriptors: list[int] = []
        for pid in pids:
            with suppress(ProcessLookupError):
                self._descriptors.append(os.pidfd_open(pid))

    def all_ended(self, timeout_s: float = DEADLINE_S) -> bool:
        """Wait until every one has ended; False when one outlives the deadline."""
        deadline = time.monotonic() + timeout_s
        try:
            return all(_readable(descriptor, deadline - time.monotonic()) for descriptor in self._descriptors)
        finally:
            for descriptor in self._descriptors:
                os.close(descriptor)


def family(pid: int) -> list[int]:
    """A server and the processes it started."""
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


def exposed(pids: Iterable[int]) -> bytes:
    """What any process list shows of these processes, and those of their environments that we may read."""
    shown = b""
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            shown += Path(f"/proc/{pid}/cmdline").read_bytes()
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            shown += Path(f"/proc/{pid}/environ").read_bytes()
    return shown


def _readable(descriptor: int, timeout_s: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(0.0, timeout_s) * 1000))
