"""Time that stands still until a test moves it."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from actors.runtime.clock import Timer, Timers

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
"""What the manual clock would show at its monotonic zero."""


class ManualClock:
    """A clock that moves only by `advance`."""

    def __init__(self) -> None:
        self._elapsed = 1000.0

    def monotonic(self) -> float:
        return self._elapsed

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=self._elapsed)

    def advance(self, seconds: float) -> None:
        """Move on; timers are not fired by this, see `ManualTimers.advance`."""
        self._elapsed += seconds


class ManualTimers(Timers):
    """Fires what is due when the test moves the clock, in the test's thread."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self._time = clock
        self._due: list[tuple[float, int, Timer, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._guard = threading.Lock()

    def after(self, delay_s: float, call: Callable[[], object]) -> Timer:
        timer = Timer()
        with self._guard:
            heapq.heappush(self._due, (self._time.monotonic() + delay_s, next(self._numbers), timer, call))
        return timer

    def advance(self, seconds: float, then: Callable[[], object] | None = None) -> None:
        """Move the clock, and fire what falls due on the way, each at its time; `then` is called after each such time.

        What is scheduled meanwhile fires as well if it falls due before the end.
        """
        until = self._time.monotonic() + seconds
        while (entry := self._pop(until)) is not None:
            at, _, timer, call = entry
            self._time.advance(max(0.0, at - self._time.monotonic()))
            if not timer.cancelled:
                call()
            if then is not None and not self._falls_due(at):
                then()
        self._time.advance(until - self._time.monotonic())

    def waiting(self) -> list[float]:
        """In how many seconds each timer fires that was not cancelled, the next one first."""
        with self._guard:
            return [at - self._time.monotonic() for at, _, timer, _ in sorted(self._due) if not timer.cancelled]

    def _pop(self, until: float) -> tuple[float, int, Timer, Callable[[], object]] | None:
        with self._guard:
            return heapq.heappop(self._due) if self._falls_due(until) else None

    def _falls_due(self, until: float) -> bool:
        return bool(self._due) and self._due[0][0] <= until
