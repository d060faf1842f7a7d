"""What every broker adapter provides."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from actors.instruments import Instrument, Instruments, ReadsInstruments
from actors.trading.orders import Execution, Signal
from settings import Settings

__all__ = ["Broker", "BrokerFactory", "Execution", "Instrument", "Instruments", "ReadsInstruments"]


class Broker(Protocol):
    """Executes signals; used by one thread, that of the broker's trading actor.

    A refusal is an `Execution` with a rejection, never an exception: an exception is a crash. Order ids come
    from `orders.order_id`, so that a signal which is handled again asks for the same order.

    This is all a simulated broker needs, whose outcome is known at once. A live adapter adds what an outcome
    that arrives later needs: a session, order updates, cancelling, and the broker's own orders and positions
    to reconcile. An adapter that needs more of an instrument than its token has `use_instruments` besides, of
    `ReadsInstruments`.
    """

    @property
    def name(self) -> str:
        """The first token of the broker's subjects, such as `paper`."""
        ...

    def execute(self, signal: Signal, last_price: Decimal | None, now: datetime) -> Execution:
        """Place the order that the signal asks for.

        Args:
            signal: addressed to this broker.
            last_price: of the newest tick of its instrument; None if none was seen.
            now: the time that the order and its fills carry.
        """
        ...


BrokerFactory = Callable[[Settings], Broker]
