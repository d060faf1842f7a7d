"""Counting values into buckets: one by one or many at once, the same comes of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.runtime.histogram import Histogram

BOUNDS = (0.1, 1.0, 10.0)
VALUES = st.one_of(st.floats(0, 20), st.sampled_from([0.0, 0.1, 1.0, 10.0]))


def test_a_value_counts_in_the_first_bucket_that_it_does_not_exceed() -> None:
    histogram = Histogram(BOUNDS)
    for value in (0.05, 0.1, 0.5, 10.0, 11.0, 12.0):
        histogram.note(value)

    spread = histogram.spread()
    assert spread.counts == (2, 1, 1, 2)
    assert spread.total == 0.05 + 0.1 + 0.5 + 10.0 + 11.0 + 12.0
    assert spread.cumulative() == [("0.1", 2), ("1.0", 3), ("10.0", 4), ("+Inf", 6)]


@given(st.lists(st.lists(VALUES)))
def test_many_at_once_count_as_one_by_one(batches: list[list[float]]) -> None:
    single, together = Histogram(BOUNDS), Histogram(BOUNDS)
    for batch in batches:
        for value in sorted(batch):
            single.note(value)
        together.note_all(list(batch))

    assert together.spread().counts == single.spread().counts
    assert abs(together.spread().total - single.spread().total) < 1e-6
    assert sum(together.spread().counts) == sum(map(len, batches))


def test_a_picture_does_not_change() -> None:
    histogram = Histogram(BOUNDS)
    before = histogram.spread()
    histogram.note_all([1.0, 2.0])

    assert before.counts == (0, 0, 0, 0)
