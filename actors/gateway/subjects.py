"""Streams, subjects and consumers: their names and how long they keep what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S

TICKS = "market.ticks"
SESSION_SAVE = "auth.sessions.save"
SESSION_INVALIDATE = "auth.sessions.invalidate"

REQUEST_STATUS = "panda.status"
REQUEST_SESSION = "panda.sessions.get"
REQUEST_SESSION_USE = "panda.sessions.use"
REQUEST_SESSION_SAVE = "panda.sessions.save"
REQUESTS = (REQUEST_STATUS, REQUEST_SESSION, REQUEST_SESSION_USE, REQUEST_SESSION_SAVE)

TICKS_STREAM = "TICKS"
SESSIONS_STREAM = "SESSIONS"
SESSIONS_CONSUMER = "auth"


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """One stream: its name, its subjects and the age, seconds, at which it drops a message."""

    name: str
    subjects: tuple[str, ...]
    max_age_s: float


def signals_stream(broker: str) -> str:
    return f"{broker.upper()}_SIGNALS"


def signals_consumer(broker: str) -> str:
    return f"trading-{broker}"


def validated_signals(broker: str) -> str:
    return f"{broker}.signals.validated"


def streams(brokers: Sequence[str]) -> tuple[StreamSpec, ...]:
    """Every stream of a service that runs these brokers."""
    shared = (
        StreamSpec(TICKS_STREAM, (TICKS,), HOUR_S),
        StreamSpec(SESSIONS_STREAM, (SESSION_SAVE, SESSION_INVALIDATE), DAY_S),
        StreamSpec("SYSTEM_DLQ", (f"{TICKS}.dlq", f"{SESSION_SAVE}.dlq", f"{SESSION_INVALIDATE}.dlq"), 7 * DAY_S),
    )
    return (*shared, *(spec for broker in brokers for spec in _broker_streams(broker)))


class Durable(NamedTuple):
    """A durable consumer, its stream, and what it takes of it."""

    stream: str
    name: str
    subjects: str


def durable_consumers(brokers: Sequence[str]) -> tuple[Durable, ...]:
    """The durable consumers of such a service."""
    signals = (Durable(signals_stream(one), signals_consumer(one), validated_signals(one)) for one in brokers)
    return (Durable(SESSIONS_STREAM, SESSIONS_CONSUMER, ">"), *signals)


def _broker_streams(broker: str) -> tuple[StreamSpec, ...]:
    name = broker.upper()
    kept_s = 7 * DAY_S if broker == "paper" else 30 * DAY_S
    signals = (f"{broker}.signals.raw", f"{broker}.signals.validated")
    orders = tuple(
        f"{broker}.{rest}"
        for rest in (
            "orders.submitted",
            "orders.filled",
            "orders.failed",
            "pnl.snapshots",
            "signals.rejected",
        )
    )
    dead = tuple(f"{subject}.dlq" for subject in (*signals, *orders))
    return (
        StreamSpec(f"{name}_SIGNALS", signals, DAY_S),
        StreamSpec(f"{name}_ORDERS", orders, kept_s),
        StreamSpec(f"{name}_DLQ", dead, 7 * DAY_S),
    )
