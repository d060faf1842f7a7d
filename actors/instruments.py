"""Instruments as a broker adapter sees them: what an order needs besides a token."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument of the catalogue.

    `expiry` is of the exchanges' calendar (Asia/Kolkata) and has no zone. One that is not `is_active` has vanished from
    the broker's dump: it cannot be traded any more.
    """

    instrument_token: int
    exchange_token: int
    tradingsymbol: str
    name: str
    exchange: str
    segment: str | None
    instrument_type: str | None
    last_price: Decimal | None
    tick_size: Decimal | None
    lot_size: int | None
    expiry: datetime | None
    strike: Decimal | None
    is_active: bool


class Instruments(Protocol):
    """The catalogue, for one thread."""

    def get(self, token: int) -> Instrument | None:
        """The instrument with that token, None if there is none; what was asked for before costs no query.

        Raises:
            TryAgain: the database is away, and the answer is not known from before.
        """
        ...


@runtime_checkable
class ReadsInstruments(Protocol):
    """What a broker adapter has if it needs the catalogue; it is called once, before any signal."""

    def use_instruments(self, instruments: Instruments) -> None: ...
