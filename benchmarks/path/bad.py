"""Messages that are not signals, each wrong in one way that people get wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from actors.gateway.codec import MAX_BYTES
from benchmarks.path.signals import signal

Change = Callable[[dict[str, Any]], object]


def _original(message: dict[str, Any]) -> dict[str, Any]:
    original: dict[str, Any] = message["data"]["original_signal"]
    return original


CHANGES: dict[str, Change] = {
    "a missing field": lambda message: message.pop("correlation_id"),
    "another broker": lambda message: message.update(broker="zerodha"),
    "a price that is no number": lambda message: _original(message).update(price="NaN"),
    "no quantity": lambda message: message["data"].update(validated_quantity=0),
    "a NUL character": lambda message: _original(message).update(strategy_id="a\0b"),
}
NOT_JSON = "not JSON"
KINDS = (NOT_JSON, *CHANGES)


def bad(count: int) -> Iterator[tuple[str, bytes]]:
    """So many bad messages, of each kind in turn: no id, and the bytes."""
    return (("", bad_one(number)) for number in range(count))


def bad_one(number: int) -> bytes:
    """A signal that is wrong in the way whose turn it is; no two are the same."""
    _, body = signal(number)
    kind = KINDS[number % len(KINDS)]
    if kind == NOT_JSON:
        return body[:-1]
    message = orjson.loads(body)
    CHANGES[kind](message)
    return orjson.dumps(message)


def padded(number: int, size: int) -> tuple[str, bytes]:
    """A signal that is right and takes so many bytes, by a note in its metadata: id and envelope."""
    key, body = signal(number)
    message = orjson.loads(body)
    _original(message)["metadata"] = {"note": ""}
    missing = size - len(orjson.dumps(message))
    _original(message)["metadata"] = {"note": "x" * missing}
    return key, orjson.dumps(message)


def rubbish(size: int) -> tuple[str, bytes]:
    """So many bytes that are no text: no id, and the bytes."""
    return "", (bytes(range(255, -1, -1)) * (size // 256 + 1))[:size]


def oversized(number: int) -> tuple[str, bytes]:
    """A signal that would be right, and is one byte too large."""
    return padded(number, MAX_BYTES + 1)
