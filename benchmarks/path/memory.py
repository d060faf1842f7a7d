"""How much memory a process has resident, sampled while something else happens."""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from typing import Self

import psutil

MIB = 1 << 20


class Memory:
    """Samples a process from `__enter__` to `__exit__`; times are `time.perf_counter`'s.

    Args:
        pid: of the process.
        every_s: between two samples.
    """

    def __init__(self, pid: int, every_s: float = 0.05) -> None:
        self._process = psutil.Process(pid)
        self._every_s = every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="memory", daemon=True)
        self.samples: list[tuple[float, float]] = []
        """When, and MiB."""

    def __enter__(self) -> Self:
        self._note()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def peak_mib(self, since: float = 0.0, until: float = float("inf")) -> float:
        """The most there was in that time."""
        return max(self._within(since, until))

    def median_mib(self, since: float, until: float) -> float:
        """What there was most of that time."""
        return statistics.median(self._within(since, until))

    def _within(self, since: float, until: float) -> list[float]:
        """The samples of that time; the first one alone when it was too short for any."""
        return [mib for at, mib in self.samples if since <= at < until] or [self.samples[0][1]]

    def _sample(self) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            while not self._over.wait(self._every_s):
                self._note()

    def _note(self) -> None:
        self.samples.append((time.perf_counter(), self._process.memory_info().rss / MIB))
