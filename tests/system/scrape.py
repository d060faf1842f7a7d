"""The figures of a daemon, as Prometheus would read them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from tests.system.daemon import Daemon, OperatorConnection

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABELS = re.compile(r"\{([^{}]*)\}")
_LABEL_NAMES = re.compile(r"([a-zA-Z_][a-zA-Z0-9_]*)\s*(?:=~|!~|!=|=)")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)")
_TEXT = re.compile(r'"[^"]*"')
_WORDS = frozenset(
    [
        *("and", "or", "unless", "on", "ignoring", "by", "without", "bool", "offset"),
        *("sum", "avg", "min", "max", "count", "topk", "time", "vector", "scalar", "abs", "absent"),
        *("rate", "increase", "delta", "changes", "deriv", "histogram_quantile", "clamp_min", "max_over_time"),
    ]
)


@dataclass(frozen=True, slots=True)
class Scrape:
    """One answer: every sample's value by its name and labels."""

    values: dict[tuple[str, frozenset[tuple[str, str]]], float]

    def value(self, name: str, **labels: str) -> float:
        return self.values[name, frozenset(labels.items())]

    def labels(self) -> dict[str, set[str]]:
        """The names of the labels of each sample's name."""
        found: dict[str, set[str]] = {}
        for name, labels in self.values:
            found.setdefault(name, set()).update(label for label, _ in labels)
        return found


def scrape_text(daemon: Daemon, timeout_s: float = 5.0) -> str:
    """What the operator socket answers."""
    connection = OperatorConnection(daemon.state_dir / "alpha-panda.sock", timeout_s)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        assert answer.status == 200
        assert (answer.getheader("Content-Type") or "").startswith("text/plain; version=")
        return answer.read().decode()
    finally:
        connection.close()


def scrape(daemon: Daemon) -> Scrape:
    return parsed(scrape_text(daemon))


def parsed(text: str) -> Scrape:
    values: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation, f"{family.name} says nothing"
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in values, f"{key} is told twice"
            values[key] = sample.value
    return Scrape(values)


def used(expression: str) -> dict[str, set[str]]:
    """The names of metrics in a PromQL expression, each with the labels that are asked of it."""
    grouped = {label.strip() for group in _GROUPING.findall(expression) for label in group.split(",") if label.strip()}
    metrics: dict[str, set[str]] = {}
    bare = _GROUPING.sub(" ", _TEXT.sub('""', expression))
    for found in _NAME.finditer(_LABELS.sub(lambda inside: " " * len(inside[0]), bare)):
        name, behind = found[0], bare[found.end() :]
        number = bare[: found.start()][-1:].isdigit()
        in_brackets = bare[: found.start()].rpartition("[")[2].find("]") < 0 and "[" in bare[: found.start()]
        if name in _WORDS or number or in_brackets:
            continue
        matcher = _LABELS.match(behind)
        metrics.setdefault(name, set(grouped)).update(_LABEL_NAMES.findall(matcher[1]) if matcher else ())
    return metrics
