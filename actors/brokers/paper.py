"""The paper broker: fills market orders at once, at a price worsened by slippage, for a commission."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, Inexact

from actors.brokers.protocol import Broker
from actors.trading.money import exact, is_bookable
from actors.trading.orders import Execution, Fill, Order, Rejection, Side, Signal, order_id
from settings import PaperTradingSettings, Settings

NO_PRICE = "No price: the signal has none and no tick was seen"
MAX_QUANTITY = 10**12
_OUT_OF_RANGE = "Price or quantity has too many digits to be booked exactly"
_HUNDRED = Decimal(100)


class PaperBroker:
    """Executes market orders in full at the signal's price, else the last tick's; never at 0.

    All amounts are exact. Selling what is not held opens a short. An order is not refused for lack of cash:
    the books balance with negative cash too, and whether an order is affordable is for the risk manager to
    decide, upstream.
    """

    name = "paper"

    def __init__(self, settings: PaperTradingSettings) -> None:
        with exact():
            slippage = settings.slippage_percent / _HUNDRED
            self._factors = {Side.BUY: 1 + slippage, Side.SELL: 1 - slippage}
            self._commission = settings.commission_percent / _HUNDRED

    def execute(self, signal: Signal, last_price: Decimal | None, now: datetime) -> Execution:
        """Fill the order at once, or say why not."""
        base = signal.price if signal.price is not None else last_price
        order = Order(
            order_id(signal.broker, signal.signal_id),
            signal.broker,
            signal.strategy_id,
            signal.instrument_token,
            signal.side,
            signal.quantity,
            base,
            signal.order_type,
            now,
        )
        if signal.side == "HOLD":
            return _rejected(order, "HOLD places no order")
        if signal.order_type.lower() != "market":
            reason = f"Order type '{signal.order_type}' is not supported by the paper broker yet"
            return _rejected(order, reason)
        if signal.quantity < 1:
            return _rejected(order, "Quantity below minimum")
        if signal.quantity > MAX_QUANTITY:
            return _rejected(order, "Quantity exceeds maximum")
        if base is None:
            return _rejected(order, NO_PRICE)
        if not base.is_finite() or base <= 0:
            return _rejected(order, "Price below minimum")
        return self._fill(order, Side(signal.side), base)

    def _fill(self, order: Order, side: Side, base: Decimal) -> Execution:
        try:
            with exact():
                price = base * self._factors[side]
                notional = price * order.quantity
                fees = notional * self._commission
        except Inexact:
            return _rejected(order, _OUT_OF_RANGE)
        if not (is_bookable(notional) and is_bookable(fees)):
            return _rejected(order, _OUT_OF_RANGE)
        fill = Fill(order.order_id, order.instrument_token, side, order.quantity, price, fees, order.timestamp)
        return Execution(order, (fill,))


def create(settings: Settings) -> Broker:
    """The paper broker of these settings."""
    return PaperBroker(settings.paper_trading)


def _rejected(order: Order, reason: str) -> Execution:
    return Execution(order, (), Rejection(reason))
