"""Threads that were abandoned and have not ended since."""

from __future__ import annotations

import threading

LIMIT = 5
"""Threads cannot be killed: a process with more of them than this is started anew."""
GRACE_S = 1.0
"""A thread that ends within this time, as one that had nothing to do, never counts against the limit."""


class Zombies:
    """One process's. Thread-safe."""

    def __init__(self) -> None:
        self._since: dict[threading.Thread, float] = {}
        self._lock = threading.Lock()

    def add(self, thread: threading.Thread, now: float) -> None:
        """Count a thread that was abandoned at `now`, monotonic seconds."""
        with self._lock:
            self._since[thread] = now

    def named(self, name: str) -> tuple[threading.Thread, ...]:
        """Those of one child that are alive, oldest first."""
        return tuple(thread for thread in self.all() if thread.name == name)

    def all(self) -> tuple[threading.Thread, ...]:
        """Those that are alive, oldest first."""
        with self._lock:
            self._since = {thread: since for thread, since in self._since.items() if thread.is_alive()}
            return tuple(self._since)

    def count(self) -> int:
        """How many are alive."""
        return len(self.all()) if self._since else 0

    def are_too_many(self, now: float) -> bool:
        """Whether more than the limit do not end."""
        self.all()
        return sum(now - since >= GRACE_S for since in self._since.values()) > LIMIT
