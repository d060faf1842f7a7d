"""How soon the figures come, from a daemon that does nothing and from one that trades as fast as it can."""

from __future__ import annotations

import threading
import time
from functools import partial

from benchmarks.measurement import BenchmarkFailed, Measurement, Options, Side, Target
from benchmarks.path.drain import Workload, drain
from benchmarks.path.options import PathOptions
from benchmarks.path.processes import started
from benchmarks.path.routes import OURS
from benchmarks.path.servers import servers
from benchmarks.rounds import quantiles
from console.operator_socket import OperatorSocket

SOON = Target(Side.UNDER, 20.0)
"""Milliseconds."""
HALF, NEARLY_ALL = 0.5, 0.99
PAUSE_S = 0.01


def metrics(options: Options) -> list[Measurement]:
    """The operator socket is asked again and again, by a connection of its own each time."""
    scrapes, backlog = options.size(500, 20), options.size(30_000, 500)
    with servers(PathOptions(options.rounds, options.quick)) as used:
        database = used.new_database()
        with started(used, database) as daemon:
            daemon.wait_until_ready()
            ask = partial(_scrape_ms, daemon.operator)
            working = Workload(used, OURS, daemon.process.pid, database)
            drain(working, options.size(2_000, 100))
            idle = [[ask() for _ in range(scrapes)] for _ in range(options.rounds)]
            loaded = [_while_draining(working, backlog, ask) for _ in range(options.rounds)]
    found = []
    for what, rounds in (("idle", idle), ("trading a backlog", loaded)):
        found += [
            Measurement(f"scrape, {what}, median", "ms", quantiles(rounds, HALF)),
            Measurement(f"scrape, {what}, 99 of 100", "ms", quantiles(rounds, NEARLY_ALL), target=SOON),
        ]
    return found


def _while_draining(working: Workload, backlog: int, ask: partial[float]) -> list[float]:
    draining = threading.Thread(target=drain, args=(working, backlog))
    found = []
    draining.start()
    while draining.is_alive():
        found.append(ask())
        time.sleep(PAUSE_S)
    return found


def _scrape_ms(operator: OperatorSocket) -> float:
    began = time.perf_counter()
    text = operator.text("metrics")
    took_ms = (time.perf_counter() - began) * 1000
    if "alpha_panda_ready" not in text:
        raise BenchmarkFailed(f"the daemon shows no figures: {text[:200]}")
    return took_ms
