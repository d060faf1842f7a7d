"""The pace of messages on a clock of the test's own: the average is kept, and bursts are short."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.gateway.pace import BURST_S, Pace


def sent_at(rate: float, count: int, overshoot_s: Callable[[int], float], work_s: float = 0.0) -> list[float]:
    """When each message goes out, with sleeps that last too long by so much and so much work for each message."""
    now, times = 100.0, []
    pace = Pace(rate, now)
    for number in range(count):
        pause = pace.pause_s(now)
        if pause:
            now += pause + overshoot_s(number)
        times.append(now)
        now += work_s
    return times


@pytest.mark.parametrize("rate", [0.5, 20, 999, 5000, 20_000])
def test_the_average_is_kept_though_every_sleep_is_too_long(rate: float) -> None:
    times = sent_at(rate, 2000, lambda _: 0.0015)

    assert abs((times[-1] - times[0]) - 1999 / rate) <= 0.003


def test_messages_are_never_early() -> None:
    times = sent_at(1000, 3000, lambda number: 0.05 if number % 500 == 250 else 0.0)

    assert all(moment >= 100 + number / 1000 - 1e-9 for number, moment in enumerate(times))


def test_a_stall_is_made_up_for_in_short_bursts() -> None:
    times = sent_at(1000, 3000, lambda number: 0.5 if number == 1000 else 0.0)

    assert times[-1] - times[0] == pytest.approx(2.999, abs=0.002)
    assert most_within(times, BURST_S / 2 - 1e-9) <= 2 * 1000 * BURST_S


@given(
    st.floats(10, 20_000),
    st.lists(st.floats(0, 0.2), min_size=1, max_size=20),
    st.floats(0, 0.0001),
)
def test_no_burst_is_longer_than_its_time_whatever_the_sleeps_do(
    rate: float, overshoots: list[float], work_s: float
) -> None:
    times = sent_at(rate, 400, lambda number: overshoots[number % len(overshoots)], work_s)

    assert most_within(times, BURST_S / 2 - 1e-9) <= 2 * max(1, int(rate * BURST_S)) + 1


def test_a_machine_that_cannot_keep_up_is_not_slowed_further() -> None:
    work_s = 1 / 800
    times = sent_at(1000, 2000, lambda _: 0.0, work_s)

    assert times[-1] - times[0] == pytest.approx(1999 * work_s, rel=0.01)


def most_within(times: list[float], span_s: float) -> int:
    """The most messages in any span of that length."""
    return max(bisect_left(times, moment + span_s) - number for number, moment in enumerate(times))
