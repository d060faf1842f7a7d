"""The figures as text, as Prometheus reads it: what its library writes, in a third of the time.

The library looks at every name again whenever it writes it; that takes longer than a thread may keep the interpreter,
so that under load all others compute before a scrape is answered. Here all that is the same the next time is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from prometheus_client.utils import floatToGoString

from actors.metrics.labels import labelled
from actors.runtime.histogram import Spread
from actors.runtime.metric import Kind, Metric, Total, Value

KEPT = 4096
"""Heads, and labels with their values."""

_number: Callable[[float], str] = floatToGoString
_ESCAPED = str.maketrans({"\\": r"\\", "\n": r"\n"})
_QUOTED = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def exposition(metrics: Iterable[Metric]) -> bytes:
    """The text of figures that have samples, each name once."""
    return "".join(line for metric in metrics for line in _lines(metric)).encode()


def _lines(metric: Metric) -> Iterator[str]:
    yield _head(metric.name, metric.kind, metric.text)
    names = tuple(metric.samples[0][0])
    for values, value in labelled(metric.samples):
        yield from _sample(metric.name, names, tuple(values), value)


def _sample(name: str, names: tuple[str, ...], values: tuple[str, ...], value: Value) -> Iterator[str]:
    labels = _labels(names, values)
    if isinstance(value, Spread):
        for bound, count in (buckets := value.cumulative()):
            yield f"{name}_bucket{_labels((*names, 'le'), (*values, bound))} {_number(count)}\n"
        yield f"{name}_count{labels} {_number(buckets[-1][1])}\n"
        yield f"{name}_sum{labels} {_number(value.total)}\n"
    elif isinstance(value, Total):
        yield f"{name}_count{labels} {_number(value.count)}\n"
        yield f"{name}_sum{labels} {_number(value.seconds)}\n"
    else:
        yield f"{name}{labels} {_number(value)}\n"


@lru_cache(KEPT)
def _head(name: str, kind: Kind, text: str) -> str:
    return f"# HELP {name} {text.translate(_ESCAPED)}\n# TYPE {name} {kind.value}\n"


@lru_cache(KEPT)
def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    pairs = sorted(zip(names, values, strict=True))
    return "{" + ",".join(f'{name}="{value.translate(_QUOTED)}"' for name, value in pairs) + "}" if pairs else ""
