"""Time as the runtime sees it, and the one thread that turns it into messages."""

from __future__ import annotations

import heapq
import itertools
import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

import structlog


class Clock(Protocol):
    """A source of time; tests bring their own."""

    def monotonic(self) -> float:
        """Seconds that never go back, of no particular origin."""

    def now(self) -> datetime:
        """Aware UTC."""


class SystemClock:
    """The machine's clock."""

    monotonic = staticmethod(time.monotonic)

    @staticmethod
    def now() -> datetime:
        return datetime.now(UTC)


class Timer:
    """A handle on one scheduled call; cancelling twice, or after it fired, is harmless."""

    __slots__ = ("_cancelled",)

    def __init__(self) -> None:
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True

    @property
    def cancelled(self) -> bool:
        return self._cancelled


class Timers:
    """One thread with a heap; a call should only tell a message, as every other timer waits for it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._condition = threading.Condition()
        self._heap: list[tuple[float, int, Timer, Callable[[], object]]] = []
        self._order = itertools.count()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="timers", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 1.0) -> None:
        """Drop what is scheduled and end the thread."""
        with self._condition:
            self._stopped = True
            self._heap.clear()
            self._condition.notify()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def after(self, delay_s: float, call: Callable[[], object]) -> Timer:
        """Call `call` once on the timer thread, no sooner than `delay_s` from now; never, if that is infinite.

        Raises:
            ValueError: the delay is no number.
        """
        if math.isnan(delay_s):
            raise ValueError("delay_s is not a number")
        timer = Timer()
        with self._condition:
            heapq.heappush(self._heap, (self._clock.monotonic() + delay_s, next(self._order), timer, call))
            if self._heap[0][2] is timer:
                self._condition.notify()
        return timer

    def _run(self) -> None:
        while (call := self._next()) is not None:
            try:
                call()
            except Exception:  # noqa: BLE001  # every other timer depends on this thread
                structlog.get_logger("timers").exception("a timer's call failed")

    def _next(self) -> Callable[[], object] | None:
        with self._condition:
            while not self._stopped:
                while self._heap and self._heap[0][2].cancelled:
                    heapq.heappop(self._heap)
                wait_s = self._heap[0][0] - self._clock.monotonic() if self._heap else None
                if wait_s is not None and wait_s <= 0:
                    return heapq.heappop(self._heap)[3]
                self._condition.wait(None if wait_s is None else min(wait_s, threading.TIMEOUT_MAX))
            return None
