"""The parts of the benchmark `path`, in the order they run."""

from __future__ import annotations

from benchmarks.measurement import Parts
from benchmarks.path.backlog import backlog
from benchmarks.path.flood import flood
from benchmarks.path.history import history
from benchmarks.path.large import large
from benchmarks.path.latency import latency
from benchmarks.path.options import read
from benchmarks.path.outage import outage
from benchmarks.path.poison import poison
from benchmarks.path.saves import saves
from benchmarks.path.soak import soak
from benchmarks.path.throughput import signals

PARTS: Parts = {
    "signals": signals,
    "saves": saves,
    "latency": latency,
    "history": history,
    "poison": poison,
    "flood": flood,
    "large": large,
    "backlog": backlog,
    "soak": soak,
    "outage": outage,
}

SLOW = frozenset({"backlog", "soak", "outage"})
"""Those that run only when they are named."""

read_options = read
