"""How soon the figures come, from a daemon that does nothing and from one that trades as fast as it can."""

from __future__ import annotations

import re
import time

from nats.aio.client import Client

from benchmarks.measurement import BenchmarkFailed, Measurement, Options, Side, Target
from benchmarks.path.options import PathOptions
from benchmarks.path.processes import daemon_of
from benchmarks.path.routes import MESSAGES_PER_SIGNAL, OURS, hold, let_go
from benchmarks.path.servers import Servers, servers
from benchmarks.path.signals import publish
from benchmarks.rounds import DEADLINE_S, quantiles
from console.operator_socket import OperatorSocket

SOON = Target(Side.UNDER, 20.0)
"""Milliseconds."""
HALF, NEARLY_ALL = 0.5, 0.99
PAUSE_S = 0.01

_PUBLISHED = re.compile(r"^alpha_panda_published_total ([0-9.e+]+)$", re.MULTILINE)


def metrics(options: Options) -> list[Measurement]:
    """The operator socket is asked again and again, by a connection of its own each time."""
    scrapes, backlog = options.size(500, 20), options.size(30_000, 200)
    with servers(PathOptions(options.rounds, options.quick)) as used, daemon_of(used, used.new_database()) as daemon:
        _while_trading(used, backlog // 10, daemon.operator)
        idle = [[_scrape(daemon.operator)[0] for _ in range(scrapes)] for _ in range(options.rounds)]
        trading = [_while_trading(used, backlog, daemon.operator) for _ in range(options.rounds)]
    found = []
    for what, rounds in (("idle", idle), ("trading a backlog", trading)):
        found += [
            Measurement(f"scrape, {what}, median", "ms", quantiles(rounds, HALF)),
            Measurement(f"scrape, {what}, 99 of 100", "ms", quantiles(rounds, NEARLY_ALL), target=SOON),
        ]
    return found


def _while_trading(used: Servers, backlog: int, operator: OperatorSocket) -> list[float]:
    """Scrape from the moment that the backlog is let go until all that it leads to is published."""

    async def prepare(client: Client) -> None:
        await hold(client, OURS)
        await publish(client, OURS.subject, backlog)

    used.with_nats(prepare)
    wanted = _scrape(operator)[1] + MESSAGES_PER_SIGNAL * backlog
    used.with_nats(lambda client: let_go(client, OURS))
    found, published, deadline = [], 0.0, time.monotonic() + DEADLINE_S
    while published < wanted:
        if time.monotonic() > deadline:
            raise BenchmarkFailed(f"{backlog} signals were not traded within {DEADLINE_S:g} s")
        took_ms, published = _scrape(operator)
        found.append(took_ms)
        time.sleep(PAUSE_S)
    return found


def _scrape(operator: OperatorSocket) -> tuple[float, float]:
    """The milliseconds of one, and how many messages it says are published."""
    began = time.perf_counter()
    text = operator.text("metrics")
    took_ms = (time.perf_counter() - began) * 1000
    published = _PUBLISHED.search(text)
    if published is None:
        raise BenchmarkFailed(f"the daemon shows no figures: {text[:200]}")
    return took_ms, float(published[1])
