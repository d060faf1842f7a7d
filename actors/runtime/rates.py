"""How fast something is counted up: over the last seconds, from samples taken about once a second."""

from __future__ import annotations

from array import array

SPANS_S = (1, 10, 60)
"""The spans of time that rates are told for."""
KEPT = 64
"""Samples: more than the longest span takes, so that a reader never looks at the one that is being replaced."""
LATE_S = 2.0
"""A rate over a span that has grown by more than this, as samples were missed, is not told."""


class Rates:
    """A ring of samples. One thread takes them, anybody reads without a lock; both in a time that does not grow.

    Args:
        now: monotonic seconds at which the count was 0.
    """

    __slots__ = ("_at", "_counts", "_taken")

    def __init__(self, now: float) -> None:
        self._at = array("d", bytes(8 * KEPT))
        self._counts = array("Q", bytes(8 * KEPT))
        self._at[0] = now
        self._taken = 1

    def sample(self, now: float, count: int) -> None:
        """Note the count as it is now; to be called about once a second."""
        place = self._taken % KEPT
        self._at[place] = now
        self._counts[place] = count
        self._taken += 1

    def per_second(self, now: float, count: int, span_s: float) -> float | None:
        """The rate from the newest sample that is at least `span_s` old up to `now`, or else since the first one.

        None if no time has passed, or if for too long nobody took samples.
        """
        newest = self._taken - 1
        oldest = max(0, newest - (KEPT - 3))
        number = newest
        while number > oldest and now - self._at[number % KEPT] < span_s:
            number -= 1
        passed_s = now - self._at[number % KEPT]
        if passed_s <= 0 or passed_s > span_s + LATE_S:
            return None
        return (count - self._counts[number % KEPT]) / passed_s
