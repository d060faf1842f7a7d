"""What one signal leads to, for the sides that are not ours: the rows and messages that our daemon writes for it.

It is the least that a handler can do: the books are kept in memory, and nothing is read back.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel

from benchmarks.path.routes import EVENTS_PER_SIGNAL

SLIPPAGE, FEE = Decimal("0.0005"), Decimal("0.001")
STARTING_CASH = Decimal(1_000_000)


class OriginalSignal(BaseModel):
    """What a strategy asked for."""

    strategy_id: str
    instrument_token: int
    signal_type: Literal["BUY", "SELL"]
    quantity: int
    price: Decimal | None
    timestamp: datetime


class ValidatedSignal(BaseModel):
    """What passed the risk checks."""

    original_signal: OriginalSignal
    validated_quantity: int
    validated_price: Decimal | None
    risk_checks: dict[str, bool]
    timestamp: datetime


class Envelope(BaseModel):
    """A message with a signal."""

    id: str
    correlation_id: str
    trace_id: str
    broker: str
    type: Literal["validated_signal"]
    ts: datetime
    data: ValidatedSignal


@dataclass(slots=True)
class Position:
    """One instrument held by one strategy."""

    quantity: int = 0
    cost: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    last_price: Decimal = Decimal(0)


@dataclass(slots=True)
class Account:
    """One strategy's books."""

    cash: Decimal = STARTING_CASH
    fees: Decimal = Decimal(0)
    positions: dict[int, Position] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Rows, by column names, and messages as (kind of subject, id, envelope)."""

    events: list[dict[str, Any]]
    portfolio: dict[str, Any]
    messages: list[tuple[str, str, dict[str, Any]]]


class Books:
    """Executes signals as a paper broker does, and keeps the accounts."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}

    def execute(self, signal: Envelope) -> Outcome:
        """Fill the signal at its price with slippage."""
        wanted, now = signal.data.original_signal, datetime.now(UTC)
        order_id = str(uuid.uuid4())
        price, fee, account = self._fill(signal)
        of_both = {
            "order_id": order_id,
            "instrument_token": wanted.instrument_token,
            "quantity": wanted.quantity,
            "signal_type": wanted.signal_type,
            "timestamp": _wire(now),
            "broker": signal.broker,
            "strategy_id": wanted.strategy_id,
            "execution_mode": signal.broker,
        }
        placed = {**of_both, "price": str(signal.data.validated_price), "status": "PLACED"}
        filled = {**of_both, "fill_price": str(price), "fees": str(fee), "side": wanted.signal_type.lower()}
        key = f"{wanted.strategy_id}:{wanted.instrument_token}:{_wire(wanted.timestamp)}"
        portfolio = _portfolio(signal, account, now)
        snapshot = _snapshot(signal, portfolio, now)
        envelopes = [
            _envelope(signal, "order_placed", key, now, placed),
            _envelope(signal, "order_filled", key, now, filled),
            _envelope(signal, "pnl_snapshot", f"portfolio_snapshot_{portfolio['portfolio_id']}", now, snapshot),
        ]
        subjects = ("orders.submitted", "orders.filled", "pnl.snapshots")
        messages = [(subject, one["id"], one) for subject, one in zip(subjects, envelopes, strict=True)]
        return Outcome([_event(signal, one, now) for one in envelopes[:EVENTS_PER_SIGNAL]], portfolio, messages)

    def _fill(self, signal: Envelope) -> tuple[Decimal, Decimal, Account]:
        wanted = signal.data.original_signal
        account = self._accounts.setdefault(wanted.strategy_id, Account())
        position = account.positions.setdefault(wanted.instrument_token, Position())
        direction = 1 if wanted.signal_type == "BUY" else -1
        price = (signal.data.validated_price or Decimal(100)) * (1 + direction * SLIPPAGE)
        notional, fee = wanted.quantity * price, wanted.quantity * price * FEE
        account.cash -= direction * notional + fee
        account.fees += fee
        position.quantity += direction * wanted.quantity
        position.cost += direction * notional
        position.fees += fee
        position.last_price = price
        return price, fee, account


def _portfolio(signal: Envelope, account: Account, now: datetime) -> dict[str, Any]:
    strategy_id = signal.data.original_signal.strategy_id
    unrealized = sum((one.quantity * one.last_price - one.cost for one in account.positions.values()), Decimal(0))
    return {
        "portfolio_id": f"{signal.broker}:{strategy_id}",
        "broker_namespace": signal.broker,
        "strategy_id": strategy_id,
        "positions": {str(token): _position(token, one) for token, one in account.positions.items()},
        "total_realized_pnl": -account.fees,
        "total_unrealized_pnl": unrealized,
        "total_pnl": unrealized - account.fees,
        "cash": account.cash,
        "snapshot_time": now,
    }


def _position(token: int, one: Position) -> dict[str, Any]:
    return {
        "instrument_token": token,
        "quantity": one.quantity,
        "avg_price": str(round(one.cost / one.quantity, 10)) if one.quantity else "0",
        "last_price": str(one.last_price),
        "realized_pnl": str(-one.fees),
        "unrealized_pnl": str(one.quantity * one.last_price - one.cost),
        "cost_basis": str(one.cost),
        "fees": str(one.fees),
    }


def _snapshot(signal: Envelope, portfolio: dict[str, Any], now: datetime) -> dict[str, Any]:
    return {
        "broker": signal.broker,
        "instrument_token": None,
        "realized_pnl": str(portfolio["total_realized_pnl"]),
        "unrealized_pnl": str(portfolio["total_unrealized_pnl"]),
        "total_pnl": str(portfolio["total_pnl"]),
        "timestamp": _wire(now),
    }


def _envelope(signal: Envelope, kind: str, key: str, now: datetime, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "correlation_id": signal.correlation_id,
        "causation_id": signal.id,
        "trace_id": signal.trace_id,
        "parent_trace_id": signal.id,
        "broker": signal.broker,
        "type": kind,
        "ts": _wire(now),
        "key": key,
        "source": f"trading.{signal.broker}",
        "version": 1,
        "data": data,
    }


def _event(signal: Envelope, envelope: dict[str, Any], now: datetime) -> dict[str, Any]:
    wanted = signal.data.original_signal
    return {
        "event_id": envelope["id"],
        "event_type": envelope["type"],
        "broker_namespace": signal.broker,
        "strategy_id": wanted.strategy_id,
        "instrument_token": wanted.instrument_token,
        "event_data": envelope["data"],
        "correlation_id": signal.correlation_id,
        "event_timestamp": now,
    }


def _wire(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
