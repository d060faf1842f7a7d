"""Threads that were abandoned and have not ended since."""

from __future__ import annotations

import threading

LIMIT = 5
"""Threads cannot be killed: a process with more of them than this is started anew."""


class Zombies:
    """One process's. Thread-safe."""

    def __init__(self) -> None:
        self._threads: tuple[threading.Thread, ...] = ()
        self._lock = threading.Lock()

    def add(self, thread: threading.Thread) -> None:
        with self._lock:
            self._threads = (*self._threads, thread)

    def count(self) -> int:
        """How many are alive."""
        if self._threads:
            with self._lock:
                self._threads = tuple(thread for thread in self._threads if thread.is_alive())
        return len(self._threads)
