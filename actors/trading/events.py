"""What one executed signal leaves behind: rows, and envelopes in Alpha Panda's wire format, as plain data.

Ids follow from the signal alone, so a signal that is handled again leaves the same envelopes behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from actors.rows import OutboundMessage, TradingEventRow
from actors.trading.money import exact, wire
from actors.trading.orders import Execution, Fill, Rejection, Signal, event_id
from actors.trading.portfolio import Portfolio

ORDER_PLACED = "order_placed"
ORDER_FILLED = "order_filled"
ORDER_FAILED = "order_failed"
PNL_SNAPSHOT = "pnl_snapshot"

_SUBJECTS = {
    ORDER_PLACED: "orders.submitted",
    ORDER_FILLED: "orders.filled",
    ORDER_FAILED: "orders.failed",
    PNL_SNAPSHOT: "pnl.snapshots",
}


class Recorded(NamedTuple):
    """One event: its row, and its envelope as the message to publish."""

    row: TradingEventRow
    message: OutboundMessage


def record_execution(signal: Signal, execution: Execution, portfolio: Portfolio, now: datetime) -> tuple[Recorded, ...]:
    """The events of one execution, in order of publication; `portfolio` is the one after its fills.

    An order that the broker took is placed, then filled once per fill; one that it refused only fails. The
    profit of the strategy's whole portfolio follows when something was filled.
    """
    return tuple(_record(signal, execution, portfolio, now))


@lru_cache(maxsize=8)
def wire_time(moment: datetime) -> str:
    """An aware time as it stands in JSON: UTC, microseconds, `Z`."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return utc.isoformat(timespec="microseconds")[:-6] + "Z"


def _record(signal: Signal, execution: Execution, portfolio: Portfolio, now: datetime) -> Iterator[Recorded]:
    ts = wire_time(now)
    key = f"{signal.strategy_id}:{signal.instrument_token}:{wire_time(signal.timestamp)}"
    if execution.was_placed:
        yield _recorded(signal, ORDER_PLACED, 0, key, ts, _placed(signal, execution))
    for ordinal, fill in enumerate(execution.fills):
        yield _recorded(signal, ORDER_FILLED, ordinal, key, ts, _filled(signal, fill))
    if execution.rejection is not None:
        yield _recorded(signal, ORDER_FAILED, 0, key, ts, _failed(signal, execution, execution.rejection, ts))
    if execution.fills:
        key = f"portfolio_snapshot_{signal.broker}:{signal.strategy_id}"
        yield _recorded(signal, PNL_SNAPSHOT, 0, key, ts, _snapshot(signal, portfolio, ts))


def _recorded(signal: Signal, kind: str, ordinal: int, key: str, ts: str, fields: dict[str, Any]) -> Recorded:
    """An event as a child of the signal; its data is encoded once, for the row and for the message."""
    broker, signal_id = signal.broker, signal.signal_id
    identity = event_id(broker, signal_id, kind, ordinal)
    data = orjson.dumps(fields)
    envelope = {
        "id": identity,
        "correlation_id": signal.correlation_id,
        "causation_id": signal_id,
        "trace_id": signal.trace_id,
        "parent_trace_id": signal_id,
        "broker": broker,
        "type": kind,
        "ts": ts,
        "key": key,
        "source": f"trading.{broker}",
        "version": 1,
        "data": orjson.Fragment(data),
    }
    row = TradingEventRow(
        identity, kind, broker, signal.strategy_id, signal.instrument_token, data, signal.correlation_id, ts
    )
    return Recorded(row, OutboundMessage(f"{broker}.{_SUBJECTS[kind]}", identity, orjson.dumps(envelope)))


def _placed(signal: Signal, execution: Execution) -> dict[str, Any]:
    order = execution.order
    return {
        "order_id": order.order_id,
        "instrument_token": order.instrument_token,
        "signal_type": signal.side,
        "quantity": order.quantity,
        "price": _optional(order.price),
        "timestamp": wire_time(order.timestamp),
        "broker": signal.broker,
        "status": "PLACED",
        "strategy_id": signal.strategy_id,
        "execution_mode": signal.broker,
    }


def _filled(signal: Signal, fill: Fill) -> dict[str, Any]:
    return {
        "order_id": fill.order_id,
        "instrument_token": fill.instrument_token,
        "quantity": fill.quantity,
        "fill_price": wire(fill.price),
        "timestamp": wire_time(fill.timestamp),
        "broker": signal.broker,
        "side": fill.side.value,
        "strategy_id": signal.strategy_id,
        "signal_type": signal.side,
        "execution_mode": signal.broker,
        "fees": wire(fill.fees),
    }


def _failed(signal: Signal, execution: Execution, rejection: Rejection, ts: str) -> dict[str, Any]:
    order = execution.order
    return {
        "strategy_id": signal.strategy_id,
        "instrument_token": order.instrument_token,
        "signal_type": signal.side,
        "quantity": order.quantity,
        "price": _optional(order.price),
        "order_id": order.order_id,
        "execution_mode": signal.broker,
        "error_message": rejection.reason,
        "timestamp": ts,
        "broker": signal.broker,
    }


def _snapshot(signal: Signal, portfolio: Portfolio, ts: str) -> dict[str, Any]:
    realized, unrealized = portfolio.realized_pnl, portfolio.unrealized_pnl
    with exact():
        total = realized + unrealized
    return {
        "broker": signal.broker,
        "instrument_token": None,
        "realized_pnl": wire(realized),
        "unrealized_pnl": wire(unrealized),
        "total_pnl": wire(total),
        "timestamp": ts,
    }


def _optional(price: Decimal | None) -> str | None:
    return None if price is None else wire(price)
