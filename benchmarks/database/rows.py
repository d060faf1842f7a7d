"""Rows as the trading actors make them, the same for every side of a round."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

import orjson

T = TypeVar("T")

BROKERS, STRATEGIES = ("paper", "zerodha"), 48


@dataclass(frozen=True, slots=True)
class EventRow:
    """A row of `trading_events`."""

    event_id: str
    event_type: str
    broker_namespace: str
    strategy_id: str
    instrument_token: int
    event_data: bytes
    correlation_id: str
    event_timestamp: datetime


def events(count: int) -> list[EventRow]:
    """So many new events: no id was there before."""
    return [_event(number) for number in range(count)]


def snapshots(count: int, revision: int) -> list[dict[str, Any]]:
    """The books of so many portfolios; each revision holds other figures for the same ones."""
    return [_snapshot(number, revision) for number in range(count)]


def batches(rows: Sequence[T], size: int) -> list[Sequence[T]]:
    """The rows in their order, so many at a time."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _event(number: int) -> EventRow:
    broker, strategy = BROKERS[number % 2], f"strategy_{number % STRATEGIES}"
    data = {
        "order_id": uuid.uuid4(),
        "instrument_token": 1001 + number % 500,
        "quantity": 1 + number % 7,
        "fill_price": "100.550250",
        "fees": "0.100550",
        "side": "buy",
        "broker": broker,
        "strategy_id": strategy,
        "execution_mode": "paper",
    }
    return EventRow(
        str(uuid.uuid4()),
        ("order_placed", "order_filled")[number % 2],
        broker,
        strategy,
        1001 + number % 500,
        orjson.dumps(data),
        str(uuid.uuid4()),
        datetime.now(UTC),
    )


def _snapshot(number: int, revision: int) -> dict[str, Any]:
    broker, strategy = BROKERS[number % 2], f"strategy_{number}"
    profit = Decimal(revision * 100 + number) / 100
    held = {"instrument_token": 1001, "quantity": revision, "average_price": "100.550250", "realized_pnl": "1.05"}
    return {
        "portfolio_id": f"{broker}:{strategy}",
        "broker_namespace": broker,
        "strategy_id": strategy,
        "positions": {"1001": held, "1002": held},
        "total_realized_pnl": profit,
        "total_unrealized_pnl": Decimal(0),
        "total_pnl": profit,
        "cash": Decimal(1_000_000) - profit,
        "snapshot_time": datetime.now(UTC),
    }
