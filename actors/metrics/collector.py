"""Collects the figures at the time somebody asks for them, and writes them down as Prometheus reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.metrics_core import (
    Metric as Family,
)
from prometheus_client.registry import Collector

from actors.masking import masked
from actors.metrics.figures import of_status
from actors.metrics.process import Process
from actors.runtime.dead_letters import DeadLetters
from actors.runtime.directory import Directory
from actors.runtime.histogram import Spread
from actors.runtime.metric import Kind, Measured, Metric, Sample, Total, Value, counter


class Metrics(Collector):
    """The service's figures; from any thread. It reads what is published and asks nobody, so it never waits.

    Args:
        status: builds the status document.
        directory: of the actors, for what their snapshots have besides.
        dead_letters: for their reasons.
    """

    def __init__(self, status: Callable[[], dict[str, Any]], directory: Directory, dead_letters: DeadLetters) -> None:
        self._status = status
        self._directory = directory
        self._dead_letters = dead_letters
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)
        self._process = Process()

    def text(self) -> bytes:
        """All of them, in Prometheus' text format."""
        return generate_latest(self.registry)

    def describe(self) -> Iterable[Family]:
        """None beforehand: what there is, is known when it is collected."""
        return ()

    def collect(self) -> Iterator[Family]:
        """Every figure as it stands now, each name once."""
        found: dict[str, Metric] = {}
        for metric in self._figures():
            known = found.get(metric.name)
            samples = metric.samples if known is None else (*known.samples, *metric.samples)
            found[metric.name] = Metric(metric.name, metric.kind, metric.text, samples)
        return (family(metric) for metric in found.values() if metric.samples)

    def _figures(self) -> Iterator[Metric]:
        yield from of_status(self._status())
        yield from self._process.figures()
        handles = self._directory.handles
        handler_s = ((name, Total(one.telemetry.handled, one.telemetry.busy_s)) for name, one in handles.items())
        yield Metric(
            "alpha_panda_actor_handler_seconds",
            Kind.SUMMARY,
            "Messages handled, and the seconds that this took.",
            tuple(({"actor": name}, total) for name, total in handler_s),
        )
        yield counter(
            "alpha_panda_dead_letters_total",
            "Messages that no actor handled, by the reason.",
            *(
                ({"actor": actor, "reason": reason}, count)
                for (actor, reason), count in self._dead_letters.counts().items()
            ),
        )
        for handle in handles.values():
            snapshot: object = handle.telemetry.snapshot
            if isinstance(snapshot, Measured):
                yield from snapshot.as_metrics()


_masked = lru_cache(4096)(masked)


def family(metric: Metric) -> Family:
    """A figure as the library has it."""
    names = list(metric.samples[0][0])
    made: Any
    match metric.kind:
        case Kind.COUNTER:
            made = CounterMetricFamily(metric.name, metric.text, labels=names)
        case Kind.GAUGE:
            made = GaugeMetricFamily(metric.name, metric.text, labels=names)
        case Kind.SUMMARY:
            made = SummaryMetricFamily(metric.name, metric.text, labels=names)
        case Kind.HISTOGRAM:
            made = HistogramMetricFamily(metric.name, metric.text, labels=names)
    for values, value in labelled(metric.samples):
        if isinstance(value, Spread):
            made.add_metric(values, value.cumulative(), value.total)
        elif isinstance(value, Total):
            made.add_metric(values, value.count, value.seconds)
        else:
            made.add_metric(values, float(value))
    found: Family = made
    return found


def labelled(samples: Iterable[Sample]) -> Iterator[tuple[list[str], Value]]:
    """The samples with the values of their labels as they may be shown: masked as in a log line.

    Those that are the same once they are masked are numbered, as no two samples may have the same labels.
    """
    seen: Counter[tuple[str, ...]] = Counter()
    for labels, value in samples:
        true = list(labels.values())
        shown = [_masked(one) for one in true]
        if shown != true:
            seen[tuple(shown)] += 1
            if (number := seen[tuple(shown)]) > 1:
                shown = [f"{one} ({number})" if one != was else one for one, was in zip(shown, true, strict=True)]
        yield shown, value
