"""An account kept from fills alone, with fractions, by a program that shares nothing with the daemon's; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

PLACES = 10**10


@dataclass(slots=True)
class Holding:
    """The open quantity of an instrument, what it cost, and what was earned with it after fees."""

    quantity: int = 0
    cost: Fraction = Fraction(0)
    earned: Fraction = Fraction(0)

    def trade(self, change: int, price: Fraction, fees: Fraction) -> None:
        """Take one fill: `change` is negative for a sale."""
        if self.quantity * change < 0:
            closed = min(abs(self.quantity), abs(change)) * (1 if self.quantity > 0 else -1)
            released = _rounded(self.cost * Fraction(closed, self.quantity))
            self.earned += closed * price - released
            self.cost += (change + closed) * price - released
        else:
            self.cost += change * price
        self.quantity += change
        self.earned -= fees


@dataclass(slots=True)
class Ledger:
    """The cash and the holdings of one strategy."""

    cash: Fraction
    holdings: dict[str, Holding] = field(default_factory=dict)

    @property
    def earned(self) -> Fraction:
        return sum((holding.earned for holding in self.holdings.values()), Fraction(0))


def fold(fills: Iterable[Mapping[str, Any]], starting_cash: int) -> dict[str, Ledger]:
    """One ledger for each strategy, from the data of `order_filled` events in the order they were booked."""
    ledgers: dict[str, Ledger] = {}
    for fill in fills:
        ledger = ledgers.setdefault(fill["strategy_id"], Ledger(Fraction(starting_cash)))
        price, fees = Fraction(fill["fill_price"]), Fraction(fill["fees"])
        change = fill["quantity"] if fill["side"] == "BUY" else -fill["quantity"]
        ledger.holdings.setdefault(str(fill["instrument_token"]), Holding()).trade(change, price, fees)
        ledger.cash -= change * price + fees
    return ledgers


def _rounded(amount: Fraction) -> Fraction:
    """To 10 decimal places, ties to even, as books round the cost of a part."""
    return Fraction(round(amount * PLACES), PLACES)
