"""A broker of one's own, as small as one can be: fills at the last price, for the same fee each time."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from actors.brokers.protocol import Broker
from actors.trading.orders import Execution, Fill, Order, Rejection, Side, Signal, order_id
from settings import Settings


class FlatFeeBroker:
    """Trades in lots: a quantity that is no multiple of the lot is refused."""

    name = "flat"

    def __init__(self, fee: Decimal, lot: int = 1) -> None:
        self._fee, self._lot = fee, lot

    def execute(self, signal: Signal, last_price: Decimal | None, now: datetime) -> Execution:
        """Fill the order at the last price, or say why not."""
        order = Order(
            order_id(signal.broker, signal.signal_id),
            signal.broker,
            signal.strategy_id,
            signal.instrument_token,
            signal.side,
            signal.quantity,
            last_price,
            signal.order_type,
            now,
        )
        if last_price is None or signal.side == "HOLD":
            return Execution(order, (), Rejection("nothing to trade at"))
        if signal.quantity % self._lot:
            return Execution(order, (), Rejection(f"{signal.quantity} is no multiple of {self._lot}"))
        side = Side(signal.side)
        fill = Fill(order.order_id, order.instrument_token, side, order.quantity, last_price, self._fee, now)
        return Execution(order, (fill,))


def create(_: Settings) -> Broker:
    """What the entry point names."""
    return FlatFeeBroker(Decimal(20))
