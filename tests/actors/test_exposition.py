"""The text of the figures is the one that Prometheus' own library writes."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from actors.metrics.collector import family
from actors.metrics.exposition import exposition
from actors.runtime.histogram import Histogram
from actors.runtime.metric import Kind, Metric, Total, counter, gauge, histogram
from tests.actors.test_metrics import metrics
from tests.actors.test_status import service


@dataclass(frozen=True, slots=True)
class Given(Collector):
    """What the library is to write."""

    several: tuple[Metric, ...]

    def collect(self) -> Iterator[Family]:
        return map(family, self.several)


def spread(*values: float) -> Any:
    found = Histogram((0.005, 0.5, 1.0))
    found.note_all(list(values))
    return found.spread()


@pytest.mark.parametrize(
    "metric",
    [
        gauge("bare", "Of all.", ({}, 1)),
        gauge("several", "In their order.", ({"b": "1", "a": "2"}, 0.1), ({"b": "2", "a": "1"}, True)),
        gauge("odd", "Values.", *(({"n": str(value)}, value) for value in (math.inf, -math.inf, math.nan, -0.0))),
        gauge("large", "Values.", *(({"n": str(value)}, value) for value in (1e6, 123456789.5, 1e21, 1e-9, 2**60))),
        gauge("quoted", 'A "text" with \\ and \n.', ({"text": 'a "word", a \\ and a \n'}, 1), ({"text": "é"}, 2)),
        gauge("masked", "Of secrets.", ({"reason": "password=one"}, 1), ({"reason": "password=two"}, 2)),
        counter("grows_total", "And grows.", ({"who": "auth"}, 3)),
        Metric(
            "took_seconds",
            Kind.SUMMARY,
            "How long.",
            (({"actor": "auth"}, Total(3, 0.25)), ({"actor": ""}, Total(0, 0.0))),
        ),
        histogram(
            "spread_seconds", "How long.", ({"z": "1", "a": "2"}, spread(0.2, 0.7, 3.0)), ({"z": "", "a": ""}, spread())
        ),
    ],
    ids=lambda metric: metric.name,
)
def test_it_is_the_same_to_the_letter(metric: Metric) -> None:
    assert exposition((metric, metric)) == generate_latest(Given((metric, metric)))


def test_a_scrape_asks_the_kernel_for_memory_and_files_and_for_nothing_else() -> None:
    """Each question lets all other threads compute before the answer is taken."""
    asked: list[str] = []

    def note(_frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call" and called.__module__ in {"posix", "_io", "_socket"}:
            asked.append(called.__name__)

    with service() as grove:
        scraped = metrics(grove)
        sys.setprofile(note)
        try:
            scraped.text()
        finally:
            sys.setprofile(None)

    assert sorted(asked) == ["getpid", "pread", "stat"]
