"""One measurement of a side: a backlog of signals, from the first one delivered to the last one settled."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from nats.aio.client import Client

from benchmarks.measurement import BenchmarkFailed
from benchmarks.path.routes import EVENTS_PER_SIGNAL, MESSAGES_PER_SIGNAL, Route, api, consumer, count, hold, let_go
from benchmarks.path.servers import Servers, fetch, processor_s
from benchmarks.path.signals import publish
from benchmarks.rounds import DEADLINE_S

START_POLL_S, END_POLL_S, QUIET_S = 0.005, 0.02, 0.5


@dataclass(frozen=True, slots=True)
class Drained:
    """What a backlog took: signals per second, and microseconds of processor time per signal by process."""

    per_s: float
    processor_us: dict[str, float]


@dataclass(frozen=True, slots=True)
class Workload:
    """A side that runs: its process, its database and its streams."""

    servers: Servers
    route: Route
    pid: int
    database_url: str


def drain(side: Workload, backlog: int) -> Drained:
    """Publish the backlog while the side's consumer is held, let it go, and wait for the end.

    The end is when the stream holds every message that the signals lead to, and every signal is acknowledged. After
    it the rows are counted.

    Raises:
        BenchmarkFailed: something was lost or written twice, or it took too long.
    """
    before = _rows(side)
    drained = side.servers.with_nats(lambda client: _drain(client, side, backlog))
    written = tuple(now - then for now, then in zip(_rows(side), before, strict=True))
    if written != (backlog, EVENTS_PER_SIGNAL * backlog):
        raise BenchmarkFailed(f"{side.route.prefix}: {backlog} signals left (inbox, events) rows {written}")
    return drained


async def _drain(client: Client, side: Workload, backlog: int) -> Drained:
    route = side.route
    await _check_storage(client, route)
    await hold(client, route)
    messages = await count(client, route.orders) + MESSAGES_PER_SIGNAL * backlog
    await publish(client, route.subject, backlog)
    await asyncio.sleep(QUIET_S)
    seen = (await consumer(client, route))["delivered"]["consumer_seq"]
    used = _processor_s(side)
    await let_go(client, route)
    deadline = time.monotonic() + DEADLINE_S
    while (await consumer(client, route))["delivered"]["consumer_seq"] == seen:
        await _pause(START_POLL_S, deadline, f"{route.prefix}: a first delivery")
    began = time.perf_counter()
    while await count(client, route.orders) < messages:
        await _pause(END_POLL_S, deadline, f"{route.prefix}: the end of {backlog} signals")
    while (await consumer(client, route))["num_ack_pending"]:
        await _pause(START_POLL_S, deadline, f"{route.prefix}: the last acknowledgement")
    took = time.perf_counter() - began
    if await count(client, route.orders) != messages:
        raise BenchmarkFailed(f"{route.prefix}: {backlog} signals led to more than {MESSAGES_PER_SIGNAL} messages each")
    spent = {name: (now - used[name]) / backlog * 1e6 for name, now in _processor_s(side).items()}
    return Drained(backlog / took, spent)


async def _pause(seconds: float, deadline: float, what: str) -> None:
    if time.monotonic() > deadline:
        raise BenchmarkFailed(f"{what} did not come within {DEADLINE_S:g} s")
    await asyncio.sleep(seconds)


async def _check_storage(client: Client, route: Route) -> None:
    for stream in (route.signals, route.orders):
        if (await api(client, f"STREAM.INFO.{stream}"))["config"]["storage"] != "file":
            raise BenchmarkFailed(f"{stream} is not stored in files: nothing is measured without durability")


def _processor_s(side: Workload) -> dict[str, float]:
    return {"the process": processor_s(side.pid), **side.servers.processor_s()}


def _rows(side: Workload) -> tuple[int, int]:
    tables = ("inbox", "trading_events")
    inbox, events = (int(fetch(side.database_url, f"SELECT count(*) FROM {table}")) for table in tables)
    return inbox, events
