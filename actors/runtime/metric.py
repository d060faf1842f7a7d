"""Figures for a monitoring system as plain data; who exports them is no concern of those who have them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

from actors.runtime.histogram import Spread


class Kind(Enum):
    """What a figure is: one that only grows, one that comes and goes, a number of values with their sum, or their
    spread.
    """

    COUNTER = "counter"
    GAUGE = "gauge"
    SUMMARY = "summary"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Total:
    """So many values, and their sum: of a summary."""

    count: int
    seconds: float


Value = float | Total | Spread
Sample = tuple[Mapping[str, str], Value]
"""Labels, and the value under them."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure, under as many labels as it has; all samples have the same label names, in the same order.

    Args:
        name: in Prometheus' spelling, with its unit; a counter's ends in `_total`.
        kind: what it is.
        text: what it says, in a line.
        samples: by labels.
    """

    name: str
    kind: Kind
    text: str
    samples: tuple[Sample, ...]


@runtime_checkable
class Measured(Protocol):
    """A snapshot that has figures besides its part of the status."""

    def as_metrics(self) -> Iterable[Metric]: ...


def counter(name: str, text: str, *samples: Sample) -> Metric:
    """A figure that only grows while the process lives."""
    return Metric(name, Kind.COUNTER, text, samples)


def gauge(name: str, text: str, *samples: Sample) -> Metric:
    """A figure that comes and goes."""
    return Metric(name, Kind.GAUGE, text, samples)


def histogram(name: str, text: str, *samples: tuple[Mapping[str, str], Spread]) -> Metric:
    """The spread of values."""
    return Metric(name, Kind.HISTOGRAM, text, samples)
