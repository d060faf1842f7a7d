"""The parts of the benchmark `database`, in the order they run."""

from __future__ import annotations

from benchmarks.database.beside import beside
from benchmarks.database.events import events
from benchmarks.database.instruments import instruments
from benchmarks.database.options import read
from benchmarks.database.queries import queries
from benchmarks.database.search import search
from benchmarks.database.snapshots import snapshots
from benchmarks.measurement import Parts

PARTS: Parts = {
    "snapshots": snapshots,
    "events": events,
    "queries": queries,
    "instruments": instruments,
    "instruments-beside": beside,
    "search": search,
}

SLOW: frozenset[str] = frozenset({"instruments-beside", "search"})
"""Those that run only when they are named."""

read_options = read
