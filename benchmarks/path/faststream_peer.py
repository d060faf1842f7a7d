"""The peer: a FastStream application that does for each signal what our daemon does, one transaction a message.

`python -m benchmarks.path.faststream_peer` reads `{"nats": URL, "postgres": URL}` from stdin and runs until SIGTERM.
Pull subscriber, 16 workers, SQLAlchemy's asyncio engine with asyncpg and a pool of 20 and 30, uvloop. Where a choice
is open it is the faster one: Core and not the ORM, no log line a message, the three publishes of a message at once,
batches of messages a pull, and an outbox that nobody ever empties.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from typing import Any

import orjson
import uvloop
from faststream import AckPolicy, FastStream
from faststream.nats import JStream, NatsBroker, PullSub
from sqlalchemy.dialects.postgresql import insert

from benchmarks.path.engine import engine_for
from benchmarks.path.routes import PEER
from benchmarks.path.trade import Books, Envelope
from persistence.models import inbox, outbox, portfolio_snapshots, trading_events

WORKERS, PULLED_AT_ONCE = 16, 100
KEY = "portfolio_id"

_save_portfolio = insert(portfolio_snapshots)
_overwritten = ("positions", "total_realized_pnl", "total_unrealized_pnl", "total_pnl", "cash", "snapshot_time")
SAVE_PORTFOLIO = _save_portfolio.on_conflict_do_update(
    index_elements=[KEY], set_={name: _save_portfolio.excluded[name] for name in _overwritten}
)
NOTE = insert(inbox).on_conflict_do_nothing()


def application(nats_url: str, postgres_url: str) -> FastStream:
    """The application with its one subscriber."""
    broker = NatsBroker(nats_url, logger=None)
    engine = engine_for(postgres_url)
    books = Books()

    async def write(signal: Envelope) -> list[tuple[str, str, dict[str, Any]]]:
        """All rows of the signal in one transaction; what is to be published, nothing if it was handled before."""
        async with engine.begin() as connection:
            noted = await connection.execute(NOTE, {"consumer": PEER.consumer, "message_id": signal.id})
            if not noted.rowcount:
                return []
            outcome = books.execute(signal)
            await connection.execute(insert(trading_events), outcome.events)
            await connection.execute(SAVE_PORTFOLIO, outcome.portfolio)
            unpublished = {"id": str(uuid.uuid4()), "messages": orjson.dumps(outcome.messages)}
            await connection.execute(insert(outbox), unpublished)
        return outcome.messages

    @broker.subscriber(
        PEER.subject,
        stream=JStream(PEER.signals, declare=False),
        durable=PEER.consumer,
        pull_sub=PullSub(batch_size=PULLED_AT_ONCE),
        max_workers=WORKERS,
        ack_policy=AckPolicy.NACK_ON_ERROR,
    )
    async def handle(signal: Envelope) -> None:
        publishing = (
            broker.publish(
                body, f"{PEER.prefix}.{subject}", stream=PEER.orders, headers={"Nats-Msg-Id": key}, timeout=5.0
            )
            for subject, key, body in await write(signal)
        )
        await asyncio.gather(*publishing)

    return FastStream(broker, logger=None, after_shutdown=[engine.dispose])


async def main() -> None:
    given = json.load(sys.stdin)
    await application(given["nats"], given["postgres"]).run()


if __name__ == "__main__":
    uvloop.run(main())
