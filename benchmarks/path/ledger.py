"""What messages have left behind, counted: nothing may be missing, and nothing be there twice."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass

import nats.errors
import orjson
from nats.aio.client import Client

from benchmarks.measurement import BenchmarkFailed
from benchmarks.path.drain import Workload
from benchmarks.path.reading import read
from benchmarks.path.routes import EVENTS_PER_SIGNAL, MESSAGES_PER_SIGNAL, OURS, consumer, count
from benchmarks.path.servers import fetch
from benchmarks.rounds import DEADLINE_S

LETTERS = f"{OURS.prefix.upper()}_DLQ"
FILLS = f"{OURS.prefix}.orders.filled"
EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class Tally:
    """Messages in the streams of orders and of dead letters, and rows of the tables."""

    orders: int = 0
    letters: int = 0
    inbox: int = 0
    trading_events: int = 0
    dead_letters: int = 0

    def plus(self, good: int, bad: int) -> Tally:
        """What there must be after so many signals that are filled, and so many that are given up."""
        return Tally(
            self.orders + MESSAGES_PER_SIGNAL * good,
            self.letters + bad,
            self.inbox + good + bad,
            self.trading_events + EVENTS_PER_SIGNAL * good,
            self.dead_letters + bad,
        )


def tally(side: Workload) -> Tally:
    """What there is now."""
    orders, letters = side.servers.with_nats(_messages)
    tables = ("inbox", "trading_events", "dead_letters")
    return Tally(orders, letters, *(int(fetch(side.database_url, f"SELECT count(*) FROM {table}")) for table in tables))


def outbox_rows(side: Workload) -> int:
    return int(fetch(side.database_url, "SELECT count(*) FROM outbox"))


async def settled(client: Client, wanted: Tally) -> float:
    """Wait until the streams hold what they must and every signal is acknowledged; returns when they held it.

    Raises:
        BenchmarkFailed: nothing more came for `DEADLINE_S`.
    """
    last, held, deadline = (0, 0, 0), 0.0, time.monotonic() + DEADLINE_S
    while True:
        orders, letters = await _messages(client)
        state = await consumer(client, OURS)
        waiting = state["num_pending"] + state["num_ack_pending"]
        if orders >= wanted.orders and letters >= wanted.letters:
            held = held or time.perf_counter()
            if not waiting:
                return held
        if (orders, letters, waiting) != last:
            last, deadline = (orders, letters, waiting), time.monotonic() + DEADLINE_S
        if time.monotonic() > deadline:
            raise BenchmarkFailed(
                f"nothing more came for {DEADLINE_S:g} s: {orders} of {wanted.orders} orders, {letters} of "
                f"{wanted.letters} dead letters; {state['num_pending']} signals were not delivered, "
                f"{state['num_ack_pending']} not acknowledged"
            )
        await asyncio.sleep(EVERY_S)


async def letters_come(client: Client, wanted: int) -> float:
    """Wait until the stream holds so many dead letters; returns when it did.

    Raises:
        BenchmarkFailed: it took too long.
    """
    deadline = time.monotonic() + DEADLINE_S
    while (found := await count(client, LETTERS)) < wanted:
        if time.monotonic() > deadline:
            raise BenchmarkFailed(f"{found} of {wanted} dead letters came within {DEADLINE_S:g} s")
        await asyncio.sleep(EVERY_S)
    return time.perf_counter()


def check(side: Workload, wanted: Tally) -> None:
    """Compare what there is with what there must be, and every fill and dead letter in the streams with every other.

    Raises:
        BenchmarkFailed: something was lost, or is there twice.
    """
    found = tally(side)
    if found != wanted:
        parts = ((name, number, asdict(wanted)[name]) for name, number in asdict(found).items())
        wrong = ", ".join(f"{name}: {number} instead of {right}" for name, number, right in parts if number != right)
        raise BenchmarkFailed(f"something was lost or counted twice; {wrong}")
    for stream, subject, name in ((OURS.orders, FILLS, "causation_id"), (LETTERS, ">", "key")):
        seen, different = 0, set()
        for payload in read(side.servers.nats_url, stream, subject):
            seen += 1
            different.add(orjson.loads(payload)[name])
        if len(different) != seen:
            raise BenchmarkFailed(
                f"{stream} holds {seen} messages of {subject} that are {len(different)} different ones"
            )


async def _messages(client: Client) -> tuple[int, int]:
    try:
        return await count(client, OURS.orders), await count(client, LETTERS)
    except (nats.errors.Error, OSError) as error:
        raise BenchmarkFailed(f"the streams cannot be counted: {error}") from error
