"""The signals that every side gets, and publishing them."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import orjson
from nats.aio.client import Client

STRATEGIES, INSTRUMENTS = 16, 5
AT_ONCE = 500


def signals(count: int) -> Iterator[tuple[str, bytes]]:
    """So many validated signals: id and envelope. Each strategy buys twice as often as it sells."""
    return (signal(number) for number in range(count))


def signal(number: int, broker: str = "paper") -> tuple[str, bytes]:
    identity, now = str(uuid.uuid4()), _now()
    quantity, price = 1 + number % 7, f"{100 + number % 50}.50"
    original = {
        "strategy_id": f"strategy_{number % STRATEGIES}",
        "instrument_token": 1001 + number % INSTRUMENTS,
        "signal_type": "SELL" if number % 3 == 2 else "BUY",
        "quantity": quantity,
        "price": price,
        "timestamp": now,
        "confidence": None,
        "metadata": None,
    }
    data = {
        "original_signal": original,
        "validated_quantity": quantity,
        "validated_price": price,
        "risk_checks": {},
        "timestamp": now,
    }
    envelope = {
        "id": identity,
        "correlation_id": identity,
        "causation_id": None,
        "trace_id": identity,
        "parent_trace_id": None,
        "broker": broker,
        "type": "validated_signal",
        "ts": now,
        "key": f"{original['strategy_id']}:{original['instrument_token']}",
        "source": "benchmark",
        "version": 1,
        "data": data,
    }
    return identity, orjson.dumps(envelope)


async def publish(client: Client, subject: str, count: int) -> None:
    """Publish so many new signals, each acknowledged by its stream, many at a time."""
    js = client.jetstream(timeout=30)
    waiting = signals(count)
    while some := list(itertools.islice(waiting, AT_ONCE)):
        await asyncio.gather(*(js.publish(subject, body, headers={"Nats-Msg-Id": key}) for key, body in some))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
