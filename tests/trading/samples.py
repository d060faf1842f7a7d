"""Signals and fills for tests, with everything but the matter at hand filled in."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from actors.trading.orders import Fill, Side, Signal, SignalSide

NOW = datetime(2026, 1, 5, 4, 0, 0, 123456, tzinfo=UTC)
RELIANCE = 738561
INFY = 408065


def signal(
    side: SignalSide = "BUY",
    quantity: int = 10,
    price: str | None = "100.50",
    *,
    signal_id: str = "signal-1",
    order_type: str = "market",
    trace_id: str | None = "trace-1",
) -> Signal:
    return Signal(
        signal_id=signal_id,
        correlation_id="correlation-1",
        trace_id=trace_id,
        broker="paper",
        strategy_id="momentum",
        instrument_token=RELIANCE,
        side=side,
        quantity=quantity,
        price=None if price is None else Decimal(price),
        order_type=order_type,
        timestamp=NOW,
    )


def fill(side: str, quantity: int, price: str | Decimal, fees: str | Decimal = "0", token: int = RELIANCE) -> Fill:
    return Fill("order-1", token, Side(side), quantity, Decimal(price), Decimal(fees), NOW)
