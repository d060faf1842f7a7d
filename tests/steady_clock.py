"""A clock for what must not take long: when the whole machine pauses, it hardly goes on."""

from __future__ import annotations

import threading
import time
from typing import Self

BEAT_S = 0.01
PAUSE_S = 0.5
"""So much of a pause counts at the most."""


class SteadyClock:
    """Goes on by the beats of a thread of its own, from `with` to its end; read from any thread."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="steady-clock", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def seconds(self) -> float:
        return self._seconds

    def _beat(self) -> None:
        before = time.monotonic()
        while not self._stop.wait(BEAT_S):
            now = time.monotonic()
            self._seconds += min(now - before, PAUSE_S)
            before = now
