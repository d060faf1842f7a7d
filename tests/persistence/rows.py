"""Rows as the service writes them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """That many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class Entry:
    consumer: str
    message_id: str
    stream_seq: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    event_id: str
    event_type: str = "order_filled"
    broker_namespace: str = "paper"
    strategy_id: str = "momentum"
    instrument_token: int = 738561
    event_data: Any = field(default_factory=lambda: {"price": Decimal("101.05")})
    correlation_id: str | None = None
    event_timestamp: datetime = NOON


@dataclass(frozen=True, slots=True)
class Portfolio:
    strategy_id: str
    cash: Decimal = Decimal(1_000_000)
    positions: Any = field(default_factory=dict)
    snapshot_time: datetime = NOON
    broker_namespace: str = "paper"
    total_realized_pnl: Decimal = Decimal(0)
    total_unrealized_pnl: Decimal = Decimal(0)
    total_pnl: Decimal = Decimal(0)
    portfolio_id: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "portfolio_id", f"{self.broker_namespace}:{self.strategy_id}")


@dataclass(frozen=True, slots=True)
class Session:
    user_id: str
    updated_at: datetime = NOON
    end_time: datetime | None = None
    token: str = "token"
    is_active: bool = True
    session_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    start_time: datetime = NOON

    @property
    def session_data(self) -> dict[str, Any]:
        return {"access_token": self.token, "broker": "zerodha"}


@dataclass(frozen=True, slots=True)
class Letter:
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    subject: str = "paper.signals.raw"
    reason: str = "not JSON"
    error_class: str | None = None
    broker: str | None = "paper"
    consumer: str = "paper-signals"
    message_id: str | None = None
    stream: str | None = "PAPER_SIGNALS"
    stream_seq: int | None = 7
    payload: bytes = b"\x00\xff{"
    headers: dict[str, str] | None = None
    stored_at: datetime | None = NOON
