"""What the daemon costs while nothing happens: processor time and memory of its own process, without the servers."""

from __future__ import annotations

import time

import psutil

from benchmarks.measurement import Measurement, Options, Sample, Side, Target
from benchmarks.path.options import PathOptions
from benchmarks.path.processes import started
from benchmarks.path.servers import Servers, servers

UNDER_1_PERCENT = Target(Side.UNDER, 1.0)
UNDER_150_MB = Target(Side.UNDER, 150.0)
MEGABYTE = 1_000_000
WATCH_S, QUICK_WATCH_S = 60.0, 5.0
SETTLE_S, QUICK_SETTLE_S = 15.0, 1.0
"""After it is ready, before it is watched: what the start leaves to do is no idleness."""


def idle(options: Options) -> list[Measurement]:
    """Each round is a daemon of its own."""
    settle_s, watch_s = (QUICK_SETTLE_S, QUICK_WATCH_S) if options.quick else (SETTLE_S, WATCH_S)
    with servers(PathOptions(options.rounds, options.quick)) as used:
        rounds = [_watch(used, settle_s, watch_s) for _ in range(options.rounds)]
    percent, megabytes = (Sample(tuple(figures)) for figures in zip(*rounds, strict=True))
    return [
        Measurement("idle daemon, processor", "% of a core", percent, target=UNDER_1_PERCENT),
        Measurement("idle daemon, resident memory", "MB", megabytes, target=UNDER_150_MB),
    ]


def _watch(used: Servers, settle_s: float, watch_s: float) -> tuple[float, float]:
    with started(used, used.new_database()) as daemon:
        daemon.wait_until_ready()
        time.sleep(settle_s)
        process = psutil.Process(daemon.process.pid)
        before, began = process.cpu_times(), time.perf_counter()
        time.sleep(watch_s)
        after, took_s = process.cpu_times(), time.perf_counter() - began
        spent_s = after.user - before.user + after.system - before.system
        return 100 * spent_s / took_s, process.memory_info().rss / MEGABYTE
