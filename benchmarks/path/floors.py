"""What lies below: pulling and acknowledging without doing anything, and the same rows from one bare connection."""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections.abc import Sequence

import orjson
import uvloop

from actors.gateway.connection import connect as connect_nats
from actors.gateway.connection import ensure_consumer
from actors.gateway.puller import Puller
from actors.gateway.wire import Frame, Wire, pubs
from benchmarks.path.routes import OURS
from benchmarks.path.servers import Servers, connect
from benchmarks.path.signals import signals
from benchmarks.path.trade import Books, Envelope, Outcome
from benchmarks.rounds import DEADLINE_S
from persistence import models
from persistence.bulk import encode, insert, upsert
from settings import NatsSettings

PER_COMMIT = 1_000
CREDIT = 4_000
CONSUMER = "bare"


def pull_and_ack(servers: Servers, count: int) -> float:
    """Messages per second that one connection pulls from the stream of signals and acknowledges, nothing else.

    The stream must hold that many.
    """
    return uvloop.run(_pull_and_ack(servers.nats_url, count))


async def _pull_and_ack(url: str, count: int) -> float:
    client = await connect_nats(NatsSettings(), [url], "bare pull", None)
    wire, js, done, left = Wire(client), client.jetstream(), asyncio.Event(), count

    async def ensure() -> str:
        return await ensure_consumer(js, OURS.signals, CONSUMER, None, CREDIT)

    def acknowledge(batch: list[Frame]) -> None:
        nonlocal left
        wire.send(pubs([frame.reply.decode() for frame in batch], b"+ACK"))
        puller.settle(len(batch), sum(len(frame.data) for frame in batch))
        left -= len(batch)
        if left <= 0:
            done.set()

    puller = Puller(
        wire,
        OURS.signals,
        await ensure(),
        credit=CREDIT,
        batch=CREDIT // 2,
        on_batch=acknowledge,
        repair=ensure,
    )
    began = time.perf_counter()
    await puller.start()
    async with asyncio.timeout(DEADLINE_S):
        await done.wait()
        await client.flush()
    took = time.perf_counter() - began
    await puller.stop()
    await js.delete_consumer(OURS.signals, CONSUMER)
    await client.close()
    return (count - left) / took


class BareInsert:
    """The rows of signals, set by set, over one psycopg2 connection with the daemon's own statements.

    The rows and their JSON are made beforehand: only PostgreSQL's work and the way there are measured.
    """

    def __init__(self, database_url: str) -> None:
        self._connection = connect(database_url)
        self._connection.autocommit = False
        self._books = Books()

    def measure(self, count: int) -> float:
        """Signals per second, `PER_COMMIT` of them in each transaction."""
        outcomes = ((key, self._books.execute(Envelope.model_validate_json(body))) for key, body in signals(count))
        commits = []
        while some := list(itertools.islice(outcomes, PER_COMMIT)):
            commits.append(_statements(some))
        cursor = self._connection.cursor()
        began = time.perf_counter()
        for statements in commits:
            for statement, parameters in statements:
                cursor.execute(statement, parameters)
            self._connection.commit()
        return count / (time.perf_counter() - began)

    def close(self) -> None:
        self._connection.close()


def _statements(some: Sequence[tuple[str, Outcome]]) -> list[tuple[str, tuple[object, ...]]]:
    noted = [{"consumer": CONSUMER, "message_id": key, "stream_seq": None} for key, _ in some]
    events = [event for _, outcome in some for event in outcome.events]
    portfolios = {outcome.portfolio["portfolio_id"]: outcome.portfolio for _, outcome in some}
    messages = [message for _, outcome in some for message in outcome.messages]
    outbox = "INSERT INTO outbox (id, messages) VALUES (%s, %s)"
    inbox = insert(models.inbox, tuple(noted[0]), ("consumer", "message_id")) + " RETURNING consumer, message_id"
    portfolio = upsert(models.portfolio_snapshots, tuple(next(iter(portfolios.values()))), ("portfolio_id",))
    return [
        (inbox, (encode(noted),)),
        (insert(models.trading_events, tuple(events[0]), ("event_id",)), (encode(events),)),
        (portfolio, (encode(list(portfolios.values())),)),
        (outbox, (str(uuid.uuid4()), orjson.dumps(messages))),
    ]
