"""PostgreSQL, NATS, and both killed under a steady load: how soon it goes on, at what cost, and nothing is lost."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import psutil

from benchmarks.measurement import BenchmarkFailed, Measurement, Options, Sample, Side, Target
from benchmarks.path.drain import Workload
from benchmarks.path.ledger import Tally, check, settled
from benchmarks.path.load import Load
from benchmarks.path.memory import Memory
from benchmarks.path.options import of_path
from benchmarks.path.processes import started
from benchmarks.path.routes import OURS
from benchmarks.path.servers import Servers, servers
from persistence.server_process import EmbeddedServer

PER_S = 500
CALM_S, AFTER_S, QUICK_S = 10.0, 10.0, 3.0
KINDS = {"PostgreSQL": ("postgres",), "NATS": ("nats",), "PostgreSQL and NATS": ("postgres", "nats")}
SOON = Target(Side.UNDER, 2.0)
NO_RESTART = Target(Side.AT_MOST, 0)
GROWTH = Target(Side.UNDER, 100.0)
"""MiB."""


@dataclass(frozen=True, slots=True)
class Outage:
    """Seconds from the server's return to the first fill, to the last fill of what was sent before, and until every
    signal is acknowledged; MiB that were added while it was away, and until the end; restarts of children."""

    first_s: float
    caught_up_s: float
    settled_s: float
    away_mib: float
    whole_mib: float
    restarts: int


@dataclass(frozen=True, slots=True)
class Phases:
    """How long the load lasts before, during and after, seconds."""

    calm_s: float
    away_s: float
    after_s: float


def outage(options: Options) -> list[Measurement]:
    """Each kind on servers of its own, once."""
    chosen = of_path(options)
    phases = Phases(1, QUICK_S, 2) if options.quick else Phases(CALM_S, chosen.outage_s, AFTER_S)
    found = []
    for name, killed in KINDS.items():
        with servers(chosen) as used:
            one = _outage(used, _chosen(used, killed), phases)
        found += _measurements(f"{name} away for {phases.away_s:g} s at {PER_S} signals/s", one)
    return found


def _chosen(used: Servers, names: Sequence[str]) -> list[EmbeddedServer]:
    ours = {"postgres": used.postgres, "nats": used.nats}
    several: list[EmbeddedServer] = [server for name in names if (server := ours[name]) is not None]
    if len(several) < len(names):
        raise BenchmarkFailed("servers that others use are not killed: leave out --given-servers")
    return several


def _outage(used: Servers, killed: Sequence[EmbeddedServer], phases: Phases) -> Outage:
    database = used.new_database()
    with started(used, database) as daemon:
        daemon.wait_until_ready()
        with Load(used.nats_url, PER_S) as load, Memory(daemon.process.pid) as memory:
            time.sleep(phases.calm_s)
            gone = time.perf_counter()
            for server in killed:
                kill(server)
            time.sleep(phases.away_s)
            for server in killed:
                server.restart()
            back = time.perf_counter()
            time.sleep(phases.after_s)
            wanted = Tally().plus(load.stop(), 0)
            used.with_nats(partial(settled, wanted=wanted))
            ended = time.perf_counter()
        check(Workload(used, OURS, daemon.process.pid, database), wanted)
        restarts = daemon.restarts()
    first_s, caught_up_s = _recovery(load, back)
    before = memory.median_mib(0, gone)
    away_mib, whole_mib = (memory.peak_mib(gone, until) - before for until in (back, ended))
    return Outage(first_s, caught_up_s, ended - back, away_mib, whole_mib, restarts)


def _recovery(load: Load, back: float) -> tuple[float, float]:
    """Seconds to the first fill, and to the last of those that were sent before."""
    first = load.first_fill(back)
    if first is None:
        raise BenchmarkFailed("no fill was seen after the server's return")
    late = max(filled for sent, filled in zip(load.sent, load.filled, strict=True) if sent < back)
    return first - back, max(0.0, late - back)


def kill(server: EmbeddedServer) -> None:
    """SIGKILL, and wait until it is gone with all its children."""
    assert server.pid is not None
    children = psutil.Process(server.pid).children(recursive=True)
    os.kill(server.pid, signal.SIGKILL)
    while server.poll() is None:
        time.sleep(0.001)
    psutil.wait_procs(children, timeout=5)


def _measurements(what: str, one: Outage) -> list[Measurement]:
    figures: tuple[tuple[str, str, float, Target | None], ...] = (
        ("from its return to the first fill", "s", one.first_s, SOON),
        ("until all that was sent before is filled", "s", one.caught_up_s, None),
        ("until every signal is acknowledged", "s", one.settled_s, None),
        ("growth while it was away", "MiB", one.away_mib, GROWTH),
        ("growth until the end", "MiB", one.whole_mib, GROWTH),
        ("restarts of children", "children", one.restarts, NO_RESTART),
    )
    return [
        Measurement(f"{what}: {text}", unit, Sample((float(value),)), target=target)
        for text, unit, value, target in figures
    ]
