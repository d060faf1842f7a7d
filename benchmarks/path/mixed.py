"""A backlog of good and bad messages, from the first delivery to the last fill and dead letter."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from nats.aio.client import Client

from benchmarks.measurement import BenchmarkFailed
from benchmarks.path.bulk import Message, publish_all
from benchmarks.path.drain import Workload
from benchmarks.path.ledger import check, settled, tally
from benchmarks.path.routes import OURS, api, consumer, hold, let_go
from benchmarks.rounds import DEADLINE_S

QUIET_S, EVERY_S = 0.5, 0.005


@dataclass(frozen=True, slots=True)
class Backlog:
    """Messages in their order, and how many of them are good and bad."""

    messages: Sequence[Message]
    good: int
    bad: int = 0


def work_off(side: Workload, backlog: Backlog) -> float:
    """Publish the backlog while the daemon's consumer is held, let it go, wait for the end; returns the seconds.

    The end is when the streams hold all that the messages lead to.

    Raises:
        BenchmarkFailed: something was lost or counted twice, or it took too long.
    """
    before = tally(side)
    side.servers.with_nats(lambda client: hold(client, OURS))
    publish_all(side.servers.nats_url, OURS.subject, backlog.messages)
    wanted = before.plus(backlog.good, backlog.bad)

    async def release(client: Client) -> float:
        await asyncio.sleep(QUIET_S)
        began = await first_delivery(client)
        return await settled(client, wanted) - began

    took = side.servers.with_nats(release)
    check(side, wanted)
    return took


async def first_delivery(client: Client) -> float:
    """Let the consumer go; returns when it got its first message."""
    seen = (await consumer(client, OURS))["delivered"]["consumer_seq"]
    await let_go(client, OURS)
    return await delivered_beyond(client, seen)


async def delivered_beyond(client: Client, seen: int) -> float:
    """When more messages than that had been delivered.

    Raises:
        BenchmarkFailed: none came.
    """
    deadline = time.monotonic() + DEADLINE_S
    while (await api(client, f"CONSUMER.INFO.{OURS.signals}.{OURS.consumer}")).get("delivered", {}).get(
        "consumer_seq", 0
    ) <= seen:
        if time.monotonic() > deadline:
            raise BenchmarkFailed(f"no delivery came within {DEADLINE_S:g} s")
        await asyncio.sleep(EVERY_S)
    return time.perf_counter()
