"""Orders, fills and rejections: what a broker makes of a signal, with ids that follow from the signal."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from hashlib import sha1
from typing import Literal

from actors.messages import Signal

__all__ = ["Execution", "Fill", "Order", "Rejection", "Side", "Signal", "SignalSide", "event_id", "order_id"]

SignalSide = Literal["BUY", "SELL", "HOLD"]

_NAMESPACE = uuid.UUID("5b0a3f0e-6d0c-5c0b-9d2e-7f3b8f1c2a94").bytes
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


class Side(StrEnum):
    """The side of a fill."""

    BUY = "BUY"
    SELL = "SELL"


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked of the broker. `price` is the one the order was based on; None if none was known."""

    order_id: str
    broker: str
    strategy_id: str
    instrument_token: int
    side: SignalSide
    quantity: int
    price: Decimal | None
    order_type: str
    timestamp: datetime


@dataclass(frozen=True, slots=True)
class Fill:
    """A trade: `quantity` is positive, `price` per unit without fees, `fees` for the whole fill."""

    order_id: str
    instrument_token: int
    side: Side
    quantity: int
    price: Decimal
    fees: Decimal
    timestamp: datetime

    @property
    def signed_quantity(self) -> int:
        """The change of the position: positive for a buy."""
        return self.quantity if self.side is Side.BUY else -self.quantity


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an order, or what was left of it, will not trade."""

    reason: str


@dataclass(frozen=True, slots=True)
class Execution:
    """The outcome of one signal. With a rejection and no fills the broker never took the order."""

    order: Order
    fills: tuple[Fill, ...] = ()
    rejection: Rejection | None = None

    @property
    def was_placed(self) -> bool:
        """Whether the broker took the order."""
        return self.rejection is None or bool(self.fills)


def event_id(broker: str, signal_id: str, event_type: str, ordinal: int = 0) -> str:
    """The id of the event of that type and ordinal which the signal causes; a replay gives the same one.

    It is a UUID of version 5 (RFC 9562, 5.5), made here as `uuid.uuid5` takes four times as long.
    """
    name = f"{broker}:{signal_id}:{event_type}:{ordinal}".encode()
    text = sha1(_NAMESPACE + name, usedforsecurity=False).hexdigest()
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"


def order_id(broker: str, signal_id: str) -> str:
    """The id of the order that the signal causes; a replay gives the same one."""
    return event_id(broker, signal_id, "order")
