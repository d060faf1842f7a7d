"""What the streams and the tables hold in the end, read directly from the servers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.conftest import execute
from tests.system import streams
from tests.system.books import Account, stored
from tests.system.streams import Kept

CONSUMER = "trading-paper"
SESSIONS_CONSUMER = "auth"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of `trading_events`, in the order of its number."""

    event_id: str
    kind: str
    strategy: str
    signal: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Evidence:
    """The whole of it."""

    signals: list[dict[str, Any]]
    """Readable ones of the stream, the first of each id, in the stream's order."""
    saves: list[dict[str, Any]]
    """The same of session saves."""
    unreadable: list[tuple[str, int]]
    """Stream and sequence of what nobody can read."""
    rows: list[Row]
    published: list[dict[str, Any]]
    letters: list[tuple[str, int]]
    """Stream and sequence of the rows of `dead_letters`."""
    published_letters: list[dict[str, Any]]
    inbox: dict[str, list[str]]
    """By consumer: the ids of its messages."""
    tokens: dict[str, str]
    """By user: the token stored."""
    books: dict[str, Account]
    outbox: int


def gather(database_url: str, nats_url: str) -> Evidence:
    """Read everything."""
    signals, bad_signals = _sorted_out("PAPER_SIGNALS", streams.read_raw(nats_url, "PAPER_SIGNALS"))
    saves, bad_saves = _sorted_out("SESSIONS", streams.read_raw(nats_url, "SESSIONS"))
    inbox: dict[str, list[str]] = {}
    for consumer, identity in execute(database_url, "SELECT consumer, message_id FROM inbox"):
        inbox.setdefault(str(consumer), []).append(str(identity))
    events = execute(
        database_url,
        "SELECT event_id, event_type, strategy_id, correlation_id, event_data FROM trading_events ORDER BY id",
    )
    letters = execute(database_url, "SELECT stream, stream_seq FROM dead_letters")
    sessions = execute(database_url, "SELECT user_id, session_data->>'access_token' FROM trading_sessions")
    ((outbox,),) = execute(database_url, "SELECT count(*) FROM outbox")
    return Evidence(
        signals=signals,
        saves=saves,
        unreadable=bad_signals + bad_saves,
        rows=[Row(*row) for row in events],  # type: ignore[arg-type]
        published=_messages(streams.read_raw(nats_url, "PAPER_ORDERS")),
        letters=[(str(stream), int(str(seq))) for stream, seq in letters],
        published_letters=_messages(streams.read_raw(nats_url, "PAPER_DLQ")),
        inbox=inbox,
        tokens={str(user): str(token) for user, token in sessions},
        books=stored(database_url),
        outbox=int(str(outbox)),
    )


def _messages(kept: Iterable[Kept]) -> list[dict[str, Any]]:
    return [json.loads(one.data) for one in kept]


def _sorted_out(stream: str, kept: Iterable[Kept]) -> tuple[list[dict[str, Any]], list[tuple[str, int]]]:
    """The readable ones, the first of each id, and where the others are."""
    readable: dict[str, dict[str, Any]] = {}
    unreadable = []
    for one in kept:
        try:
            message = json.loads(one.data)
        except ValueError:
            unreadable.append((stream, one.seq))
        else:
            readable.setdefault(message["id"], message)
    return list(readable.values()), unreadable
