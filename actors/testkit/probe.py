"""A probe: what happened, from any thread and in order, for a test to expect."""

from __future__ import annotations

import threading
from typing import Any, TypeVar

WAIT_S = 30.0
"""How long the kit waits for what should happen at once; a test that passes never waits that long."""

T = TypeVar("T")


class Probe:
    """Collects what it is given, from any thread; the test's own expects it, in the order in which it came.

    What an expectation finds to be something else stays, so that `pending` shows it.

    Args:
        name: begins the text of every failure.
        wait_s: how long an expectation waits for what did not come yet, seconds.
    """

    def __init__(self, name: str = "probe", wait_s: float = WAIT_S) -> None:
        self.name = name
        self.wait_s = wait_s
        self._events: list[Any] = []
        self._taken = 0
        self._condition = threading.Condition()

    def put(self, event: Any) -> None:
        """Add an event; wakes whoever expects one."""
        with self._condition:
            self._events.append(event)
            self._condition.notify_all()

    def expect(self, kind: type[T], timeout_s: float | None = None) -> T:
        """The next event, which must be of that type.

        Raises:
            AssertionError: none came within `timeout_s`, by default the probe's `wait_s`, or another one; all
                expectations raise it.
        """
        event = self._next(kind.__name__, timeout_s)
        if isinstance(event, kind):
            self._taken += 1
            return event
        raise AssertionError(f"{self.name}: {event!r} came instead of {kind.__name__}")

    def expect_all(self, *events: Any, timeout_s: float | None = None) -> None:
        """The next events are these, in this order."""
        for number, expected in enumerate(events, 1):
            came = self._next(repr(expected), timeout_s)
            if type(came) is not type(expected) or came != expected:
                place = f", {number} of {len(events)}" if len(events) > 1 else ""
                raise AssertionError(f"{self.name}: {came!r} came instead of {expected!r}{place}")
            self._taken += 1

    def expect_set(self, *events: Any, timeout_s: float | None = None) -> None:
        """The next events are these, each as often as it is named, in any order."""
        missing = list(events)
        while missing:
            came = self._next(f"any of {missing}", timeout_s)
            if came not in missing:
                raise AssertionError(f"{self.name}: {came!r} came instead of any of {missing}")
            missing.remove(came)
            self._taken += 1

    def expect_nothing(self) -> None:
        """Nothing came that was not expected. It does not wait: first make sure that nothing is under way."""
        pending = self.pending()
        if pending:
            raise AssertionError(f"{self.name}: nothing was expected, and there came {pending}")

    def pending(self) -> list[Any]:
        """What came and was not expected yet."""
        with self._condition:
            return self._events[self._taken :]

    def _next(self, wanted: str, timeout_s: float | None) -> Any:
        wait_s = self.wait_s if timeout_s is None else timeout_s
        with self._condition:
            if self._condition.wait_for(lambda: len(self._events) > self._taken, wait_s):
                return self._events[self._taken]
            within = f" within {wait_s:g} s" if wait_s > 0 else ""
            before = f"; the last before it was {self._events[-1]!r}" if self._events else ""
        raise AssertionError(f"{self.name}: {wanted} did not come{within}{before}")
