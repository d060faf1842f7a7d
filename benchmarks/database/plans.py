"""What the planner does with a query: which nodes, on which indexes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SCANS_BY_INDEX = frozenset({"Index Scan", "Index Only Scan"})


@dataclass(frozen=True, slots=True)
class Plan:
    """One execution.

    Args:
        scans: of every node that reads a table, its kind and its index, if it has one.
        pages: 8 KiB pages that it touched.
        executed_ms: what the server took.
    """

    scans: tuple[tuple[str, str | None], ...]
    pages: int
    executed_ms: float

    @property
    def by_index(self) -> bool:
        """Whether every table is read by an index alone."""
        return bool(self.scans) and all(kind in SCANS_BY_INDEX for kind, _ in self.scans)

    def __str__(self) -> str:
        read = ", ".join(kind if index is None else f"{kind} on {index}" for kind, index in self.scans)
        return f"{read}, {self.pages} pages, {self.executed_ms:.3g} ms"


def explain(cursor: Any, query: str, parameters: Mapping[str, object]) -> Plan:
    """Run the query, and say how it ran."""
    cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}", parameters)
    (whole,) = cursor.fetchone()[0]
    root = whole["Plan"]
    scans = tuple((node["Node Type"], node.get("Index Name")) for node in _nodes(root) if "Scan" in node["Node Type"])
    return Plan(scans, root["Shared Hit Blocks"] + root["Shared Read Blocks"], whole["Execution Time"])


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)
