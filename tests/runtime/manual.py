"""Time that stands still, a probe that sees what happens, and races."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from actors.runtime.clock import Timer, Timers

WAIT_S = 30.0

T = TypeVar("T")


class ManualClock:
    """Stands still until it is told to move."""

    def __init__(self) -> None:
        self._elapsed = 1000.0

    def monotonic(self) -> float:
        return self._elapsed

    def now(self) -> datetime:
        return datetime(2026, 1, 5, tzinfo=UTC) + timedelta(seconds=self._elapsed)

    def advance(self, seconds: float) -> None:
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

    def advance(self, seconds: float) -> None:
        """Move the clock, and fire what falls due on the way, each at its time."""
        until = self._time.monotonic() + seconds
        while (entry := self._pop(until)) is not None:
            at, _, timer, call = entry
            self._time.advance(max(0.0, at - self._time.monotonic()))
            if not timer.cancelled:
                call()
        self._time.advance(until - self._time.monotonic())

    def _pop(self, until: float) -> tuple[float, int, Timer, Callable[[], object]] | None:
        with self._guard:
            return heapq.heappop(self._due) if self._due and self._due[0][0] <= until else None


class Probe:
    """Collects what happened, from any thread, in order."""

    def __init__(self) -> None:
        self._events: list[Any] = []
        self._taken = 0
        self._condition = threading.Condition()

    def put(self, event: Any) -> None:
        with self._condition:
            self._events.append(event)
            self._condition.notify_all()

    def expect(self, kind: type[T], timeout_s: float = WAIT_S) -> T:
        """The next event, which must be of that type."""
        with self._condition:
            assert self._condition.wait_for(lambda: len(self._events) > self._taken, timeout_s), f"no {kind.__name__}"
            event = self._events[self._taken]
            self._taken += 1
        assert isinstance(event, kind), f"{event} came instead of {kind.__name__}"
        return event

    def expect_all(self, *events: Any, timeout_s: float = WAIT_S) -> None:
        """The next events are these, in this order."""
        for event in events:
            assert self.expect(type(event), timeout_s) == event

    def expect_set(self, *events: Any, timeout_s: float = WAIT_S) -> None:
        """The next events are these, in any order."""
        assert {self.expect(object, timeout_s) for _ in events} == set(events)

    def pending(self) -> list[Any]:
        """What came and was not expected yet."""
        with self._condition:
            return self._events[self._taken :]


def race(count: int, act: Callable[[int], T]) -> list[T]:
    """Run `act(0)`, `act(1)`, .. at once in threads of their own; returns what they return, in order."""
    barrier = threading.Barrier(count, timeout=WAIT_S)
    results: dict[int, T] = {}

    def run(number: int) -> None:
        barrier.wait()
        results[number] = act(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    return [results[number] for number in range(count)]
