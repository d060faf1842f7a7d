"""What the demo's daemon has left in its database and its streams, read by others than the daemon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from actors.gateway.injection import InjectionError, read_stream
from console.database import running_url
from console.demo.daemon import BROKER, ORDERS, DemoDaemon
from console.failure import UNAVAILABLE, Failure
from persistence.database import open_database
from persistence.errors import PersistenceError
from persistence.records import PortfolioRecord
from settings import DatabaseSettings, NatsSettings

_EVENTS = (
    "SELECT event_id, event_type, correlation_id, event_data FROM trading_events "
    "WHERE broker_namespace = %s ORDER BY id"
)


@dataclass(frozen=True, slots=True)
class Event:
    """A row of `trading_events`, or a message that was published for one; `signal_id` is that of its cause."""

    event_id: str
    event_type: str
    signal_id: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything the proofs look at. Rows are in the order they were booked, messages as published."""

    signals: tuple[str, ...]
    rows: tuple[Event, ...]
    published: tuple[Event, ...]
    portfolios: tuple[PortfolioRecord, ...]
    restarts: int
    dead_letters: int


def gather(daemon: DemoDaemon, signals: tuple[str, ...], status: dict[str, Any]) -> Evidence:
    """Read the evidence while the daemon still runs; `signals` are the ids that were published.

    Raises:
        Failure: a server did not answer.
    """
    database = open_database(running_url(daemon.directory, status["database"]["url"]), DatabaseSettings(), "demo")
    try:
        with database.reader() as connection:
            rows = tuple(Event(*row) for row in connection.exec_driver_sql(_EVENTS, (BROKER,)))
        with database.read_unit() as work:
            portfolios = tuple(work.portfolios.load(BROKER))
        servers = daemon.socket.get("connection")["nats"]
        stored = read_stream(NatsSettings(), servers, ORDERS)
    except (PersistenceError, InjectionError) as error:
        raise Failure(str(error), UNAVAILABLE) from None
    finally:
        database.close()
    restarts = next(child["restarts"] for child in status["children"] if child["name"] == f"trading.{BROKER}")
    published = tuple(_envelope(orjson.loads(message.payload)) for message in stored)
    return Evidence(signals, rows, published, portfolios, restarts, _dead_letters(status))


def _envelope(envelope: dict[str, Any]) -> Event:
    return Event(envelope["id"], envelope["type"], envelope["causation_id"], envelope["data"])


def _dead_letters(status: dict[str, Any]) -> int:
    streams = status["nats"].get("streams") or {}
    return sum(stream["messages"] for name, stream in streams.items() if name.endswith("_DLQ"))
