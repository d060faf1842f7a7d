"""Timers on the machine's clock."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, MutableMapping
from datetime import UTC
from typing import Any

import pytest

from actors.runtime.clock import SystemClock, Timers
from tests.runtime.kit import WAIT_S, ManualClock, Probe


@pytest.fixture
def timers() -> Iterator[Timers]:
    one = Timers(SystemClock())
    one.start()
    yield one
    one.stop(WAIT_S)


class Later:
    """Timers whose calls are all made before any of them is due, however long the machine pauses in between."""

    def __init__(self) -> None:
        self._clock = ManualClock()
        self.timers = Timers(self._clock)

    def come(self) -> None:
        """Let the time of every call come, and begin."""
        self._clock.advance(1.0)
        self.timers.start()


@pytest.fixture
def later() -> Iterator[Later]:
    one = Later()
    yield one
    one.timers.stop(WAIT_S)


def test_calls_come_in_the_order_of_their_time_not_of_their_making(later: Later, probe: Probe) -> None:
    later.timers.after(0.03, lambda: probe.put("late"))
    later.timers.after(0.01, lambda: probe.put("early"))
    later.timers.after(0.02, lambda: probe.put("middle"))

    later.come()

    probe.expect_all("early", "middle", "late")


def test_calls_of_the_same_time_keep_their_order(probe: Probe) -> None:
    timers = Timers(ManualClock())
    for number in range(20):
        timers.after(0, lambda number=number: probe.put(number))  # type: ignore[misc]

    timers.start()

    probe.expect_all(*range(20))
    timers.stop(WAIT_S)


def test_a_call_does_not_come_before_its_time(timers: Timers, probe: Probe) -> None:
    clock = SystemClock()
    asked_at = clock.monotonic()

    timers.after(0.02, lambda: probe.put(clock.monotonic()))

    assert probe.expect(float) - asked_at >= 0.02


def test_a_cancelled_call_never_comes(later: Later, probe: Probe) -> None:
    timer = later.timers.after(0.01, lambda: probe.put("cancelled"))

    timer.cancel()
    timer.cancel()
    later.timers.after(0.02, lambda: probe.put("after it"))
    later.come()

    assert timer.cancelled
    probe.expect_all("after it")


def test_a_call_that_fails_does_not_take_the_others_with_it(
    timers: Timers, probe: Probe, logs: list[MutableMapping[str, Any]]
) -> None:
    timers.after(0, lambda: 1 / 0)
    timers.after(0.01, lambda: probe.put("next"))

    probe.expect_all("next")
    assert [line["event"] for line in logs] == ["a timer's call failed"]


def test_all_calls_come_in_one_thread(timers: Timers, probe: Probe) -> None:
    for _ in range(5):
        timers.after(0, lambda: probe.put(threading.current_thread().name))

    probe.expect_all(*itertools.repeat("timers", 5))


def test_stopping_drops_what_is_scheduled_and_ends_the_thread(probe: Probe) -> None:
    timers = Timers(SystemClock())
    timers.start()
    timers.after(60, lambda: probe.put("never"))

    timers.stop(WAIT_S)

    assert "timers" not in {thread.name for thread in threading.enumerate()}
    assert probe.pending() == []


def test_stopping_what_never_started_is_harmless() -> None:
    Timers(SystemClock()).stop()


def test_the_machines_time_is_aware_and_in_utc() -> None:
    assert SystemClock.now().tzinfo is UTC
