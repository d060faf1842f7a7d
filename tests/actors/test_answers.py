"""Latencies by nearest rank."""

from __future__ import annotations

import pytest

from actors.gateway.answers import Outcome


def outcome(*latencies_s: float) -> Outcome:
    return Outcome(latencies_s, 0, 0, 0, 1.0, 1.0)


@pytest.mark.parametrize(("percent", "expected"), [(50, 50), (90, 90), (99, 99), (99.5, 100), (100, 100), (0, 1)])
def test_a_percentile_is_the_latency_that_so_many_do_not_exceed(percent: float, expected: float) -> None:
    assert outcome(*(float(number) for number in range(1, 101))).percentile_s(percent) == expected


@pytest.mark.parametrize("percent", [1, 50, 99])
def test_of_one_latency_every_percentile_is_that(percent: float) -> None:
    assert outcome(0.25).percentile_s(percent) == 0.25


def test_of_two_the_median_is_the_lower() -> None:
    assert (outcome(1.0, 2.0).percentile_s(50), outcome(1.0, 2.0).percentile_s(51)) == (1.0, 2.0)
