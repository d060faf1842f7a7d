"""The parts of the benchmark `service`, in the order they run."""

from __future__ import annotations

from benchmarks.measurement import Parts
from benchmarks.service.idle import idle
from benchmarks.service.log_level import logging
from benchmarks.service.pruning import pruning
from benchmarks.service.scraping import metrics
from benchmarks.service.start import start
from benchmarks.service.status_latency import status_latency

PARTS: Parts = {
    "status_latency": status_latency,
    "start": start,
    "idle": idle,
    "metrics": metrics,
    "logging": logging,
    "pruning": pruning,
}

SLOW: frozenset[str] = frozenset({"pruning"})
"""Those that run only when they are named."""
