"""The parts of the benchmark `path`, in the order they run."""

from __future__ import annotations

from benchmarks.measurement import Parts
from benchmarks.path.history import history
from benchmarks.path.latency import latency
from benchmarks.path.options import read
from benchmarks.path.saves import saves
from benchmarks.path.throughput import signals

PARTS: Parts = {
    "signals": signals,
    "saves": saves,
    "latency": latency,
    "history": history,
}

read_options = read
