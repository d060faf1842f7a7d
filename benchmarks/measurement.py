"""What a benchmark is asked for, what it measures, and whether that is what was promised: data only."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum


class BenchmarkFailed(Exception):
    """Nothing was measured; the text says why in one line."""


@dataclass(frozen=True, slots=True)
class Options:
    """How much to measure: `rounds` of each side, and with `quick` so little that the figures mean nothing."""

    rounds: int = 5
    quick: bool = False

    def size(self, full: int, quick: int) -> int:
        """The one of the two that applies."""
        return quick if self.quick else full


@dataclass(frozen=True, slots=True)
class Sample:
    """One figure per round."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def low(self) -> float:
        return min(self.rounds)

    @property
    def high(self) -> float:
        return max(self.rounds)

    def over(self, other: Sample) -> Sample:
        """The quotients, round by round: what slowed both sides of a round is not in them."""
        return Sample(tuple(mine / theirs for mine, theirs in zip(self.rounds, other.rounds, strict=True)))


class Side(Enum):
    """On which side of its bound a figure has to be."""

    AT_LEAST = "at least"
    AT_MOST = "at most"
    UNDER = "under"


@dataclass(frozen=True, slots=True)
class Target:
    """What was promised: of the ratio to the peer when `of_ratio`, else of our own figure."""

    side: Side
    bound: float
    of_ratio: bool = False

    def met_by(self, value: float) -> bool:
        match self.side:
            case Side.AT_LEAST:
                return value >= self.bound
            case Side.AT_MOST:
                return value <= self.bound
            case Side.UNDER:
                return value < self.bound


@dataclass(frozen=True, slots=True)
class Measurement:
    """One line of the report.

    Args:
        what: what was measured.
        unit: of both samples; empty for a bare number.
        ours: our figures.
        peer: those of the peer, measured in the same rounds; None when it has no such thing.
        target: what was promised, if anything.
        peer_name: who the peer is.
    """

    what: str
    unit: str
    ours: Sample
    peer: Sample | None = None
    target: Target | None = None
    peer_name: str = "pykka"

    @property
    def ratio(self) -> Sample | None:
        """Ours over the peer's, round by round; its median is the ratio that the target is about."""
        return None if self.peer is None else self.ours.over(self.peer)

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        judged = self.ratio if self.target.of_ratio else self.ours
        return judged is not None and self.target.met_by(judged.median)


Part = Callable[[Options], Sequence[Measurement]]
"""A part of a benchmark that can be run alone."""

Parts = Mapping[str, Part]
"""A benchmark: its parts by name, in the order they run."""
