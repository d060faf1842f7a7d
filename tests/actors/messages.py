"""Messages as they come from the streams, good ones to be spoilt by the tests."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import orjson

from actors.gateway.subjects import SESSION_SAVE
from actors.messages import Delivery

NOW = datetime(2026, 1, 5, 4, 0, 0, 123456, tzinfo=UTC)
NOW_TEXT = "2026-01-05T04:00:00.123456Z"


def delivery(data: bytes = b"{}", **fields: Any) -> Delivery:
    """The message at position 7 of the paper broker's signals."""
    usual = {
        "consumer": "trading-paper",
        "stream": "PAPER_SIGNALS",
        "stream_seq": 7,
        "subject": "paper.signals.validated",
        "reply": "$JS.ACK.x",
        "num_delivered": 1,
        "stored_at": NOW,
    }
    return Delivery(**{**usual, **fields, "data": data})


def envelope(kind: str, data: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Every key, as Alpha Panda writes them."""
    usual = {
        "id": "019b8c2f-0000-7000-8000-000000000001",
        "correlation_id": "correlation 1",
        "causation_id": None,
        "trace_id": "trace 1",
        "parent_trace_id": None,
        "broker": "paper",
        "type": kind,
        "ts": NOW_TEXT,
        "key": "momentum:256265",
        "source": "risk_manager",
        "version": 1,
        "data": data,
    }
    return {**usual, **fields}


def signal() -> dict[str, Any]:
    original = {
        "strategy_id": "momentum",
        "instrument_token": 256265,
        "signal_type": "BUY",
        "quantity": 10,
        "price": "100.50",
        "timestamp": NOW_TEXT,
        "confidence": 0.8,
        "metadata": None,
    }
    validated = {
        "original_signal": original,
        "validated_quantity": 8,
        "validated_price": "100.25",
        "risk_checks": {"max_position": True},
        "timestamp": NOW_TEXT,
    }
    return envelope("validated_signal", validated)


def tick() -> dict[str, Any]:
    return envelope(
        "market_tick",
        {"instrument_token": 256265, "last_price": "100.50", "timestamp": NOW_TEXT, "symbol": "NIFTY 50"},
        broker="shared",
        key="256265",
    )


def session() -> dict[str, Any]:
    return envelope("session_save", {"user_id": "AB1234", "access_token": "secret"}, broker="shared", key="AB1234")


def session_delivery(message: dict[str, Any], subject: str = SESSION_SAVE) -> Delivery:
    return delivery(wire(message), consumer="auth", stream="SESSIONS", subject=subject)


def changed(message: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with the value at the dotted path replaced; `...` removes it."""
    spoilt = copy.deepcopy(message)
    *parents, last = path.split(".")
    target = spoilt
    for parent in parents:
        target = target[parent]
    if value is ...:
        del target[last]
    else:
        target[last] = value
    return spoilt


def wire(message: Any) -> bytes:
    return orjson.dumps(message)
