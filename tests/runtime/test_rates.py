"""Rates over the last seconds, from samples that are taken about once a second."""

from __future__ import annotations

import sys

import pytest

from actors.runtime.rates import KEPT, Rates
from actors.runtime.tree import Status
from tests.runtime.kit import STEADY, WAIT_S, Fail, Note, Probe, tree, worker

START = 1000.0


class Counted:
    """A count that goes up by the second, with its rates."""

    def __init__(self) -> None:
        self.now = START
        self.count = 0
        self.rates = Rates(START)

    def run(self, seconds: int, per_second: int, every_s: float = 1.0) -> None:
        for _ in range(seconds):
            self.now += every_s
            self.count += per_second
            self.rates.sample(self.now, self.count)

    def rate(self, span_s: float) -> float | None:
        return self.rates.per_second(self.now, self.count, span_s)


def test_a_steady_count_has_one_rate_over_every_span() -> None:
    counted = Counted()

    counted.run(100, 7)

    assert [counted.rate(span_s) for span_s in (1, 10, 60)] == [7.0, 7.0, 7.0]


def test_a_burst_shows_in_each_span_by_its_share() -> None:
    counted = Counted()
    counted.run(100, 0)

    counted.run(1, 600)

    assert [counted.rate(span_s) for span_s in (1, 10, 60)] == [600.0, 60.0, 10.0]


def test_a_burst_that_is_over_leaves_the_short_spans_first() -> None:
    counted = Counted()
    counted.run(1, 600)

    counted.run(5, 0)
    assert [counted.rate(span_s) for span_s in (1, 10)] == [0.0, 100.0]

    counted.run(60, 0)
    assert [counted.rate(span_s) for span_s in (1, 10, 60)] == [0.0, 0.0, 0.0]


def test_between_two_samples_the_count_of_this_moment_is_what_counts() -> None:
    counted = Counted()
    counted.run(20, 10)

    counted.now += 0.5
    counted.count += 20

    assert counted.rate(1) == pytest.approx(30 / 1.5)


def test_something_young_is_told_since_its_beginning() -> None:
    counted = Counted()

    counted.run(4, 5)

    assert counted.rate(60) == 5.0


def test_before_any_time_has_passed_there_is_no_rate() -> None:
    assert Rates(START).per_second(START, 0, 1) is None


def test_without_new_samples_short_spans_are_no_longer_told() -> None:
    counted = Counted()
    counted.run(100, 5)

    counted.now += 5
    assert counted.rate(1) is None
    assert counted.rate(10) == pytest.approx(5 * 5 / 10)

    counted.now += 100
    assert counted.rate(60) is None


def test_samples_that_come_a_little_late_still_reach_over_the_longest_span() -> None:
    counted = Counted()

    counted.run(100, 3, every_s=1.01)

    assert counted.rate(60) == pytest.approx(3 / 1.01)


def test_it_takes_the_same_little_room_however_long_it_runs() -> None:
    counted = Counted()
    before = sum(sys.getsizeof(getattr(counted.rates, field)) for field in ("_at", "_counts"))

    counted.run(10 * KEPT, 1_000_000)

    assert sum(sys.getsizeof(getattr(counted.rates, field)) for field in ("_at", "_counts")) == before < 1400
    assert counted.rate(60) == 1_000_000.0


def test_a_supervisor_samples_its_children_once_a_second(probe: Probe) -> None:
    with tree(worker(probe, "busy"), worker(probe, "idle", depends_on=("busy",)), probe=probe) as grove:
        for number in range(20):
            grove["busy"].tell(Note(number))
            grove["busy"].ask(Note(number), WAIT_S)
            grove.advance(1)

        now = grove.clock.monotonic()
        busy, idle = grove["busy"], grove["idle"]
        assert busy.rates.per_second(now, busy.telemetry.handled, 10) == 2.0
        assert idle.rates.per_second(now, idle.telemetry.handled, 10) == 0.0


def test_the_count_goes_on_over_a_restart(probe: Probe) -> None:
    with tree(worker(probe, "a", backoff=STEADY), probe=probe) as grove:
        for number in range(10):
            grove["a"].ask(Note(number), WAIT_S)
        grove["a"].tell(Fail(ValueError("boom")))
        grove.until_status("a", Status.RESTARTING)
        grove.advance(1)
        grove.until_status("a", Status.RUNNING, 2)

        handle = grove["a"]
        assert handle.rates.per_second(grove.clock.monotonic(), handle.telemetry.handled, 10) == pytest.approx(10.0)
