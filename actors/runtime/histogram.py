"""How values spread over buckets: counted by one thread, shown as a picture that nobody changes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """Values counted so far: `counts` by bucket, each up to its bound and above the one before, the last above all."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float

    def cumulative(self) -> list[tuple[str, float]]:
        """The buckets in Prometheus' form: a bound, and how many values do not exceed it."""
        found, below = [], 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            below += count
            found.append((bound, float(below)))
        return found


class Histogram:
    """Counts values; for one thread.

    Args:
        bounds: the upper bounds of the buckets, ascending.
    """

    __slots__ = ("_bounds", "_counts", "_total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(map(float, bounds))
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def note(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    def note_all(self, values: list[float]) -> None:
        """Count many, which are sorted: one search for each bucket, however many there are."""
        values.sort()
        counted, most = 0, len(values)
        for place, bound in enumerate(self._bounds):
            if counted == most:
                break
            reached = bisect_right(values, bound, counted)
            self._counts[place] += reached - counted
            counted = reached
        self._counts[-1] += most - counted
        self._total += sum(values)

    def spread(self) -> Spread:
        """What was counted so far."""
        return Spread(self._bounds, tuple(self._counts), self._total)
