"""The books of one strategy at one broker, as pure functions on immutable data.

Two laws hold exactly after any sequence of fills and marks, as all arithmetic is exact:

    cash == starting_cash - (signed cost of every fill) - fees
    realized_pnl + unrealized_pnl == total_value - starting_cash

When a part of a position is closed its share of the cost basis is rounded to 10 decimal places, and what
stays open keeps the difference, so nothing is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType

from actors.trading.money import ZERO, average, exact, is_bookable, share
from actors.trading.orders import Fill


@dataclass(frozen=True, slots=True)
class Position:
    """What is held of one instrument; kept when flat, for its history.

    `quantity` is negative for a short. `cost_basis` is the signed cost of the open quantity before fees, so
    it is negative for a short. `realized_pnl` is after `fees`. `last_price` is the newest mark.
    """

    instrument_token: int
    quantity: int = 0
    cost_basis: Decimal = ZERO
    realized_pnl: Decimal = ZERO
    fees: Decimal = ZERO
    last_price: Decimal | None = None

    @property
    def average_price(self) -> Decimal:
        """Price per unit to 10 decimal places, for display; the books use `cost_basis`. 0 when flat."""
        with exact():
            return average(self.cost_basis, self.quantity)

    @property
    def unrealized_pnl(self) -> Decimal:
        """Gain of the open quantity at the last price; 0 without one."""
        with exact():
            return _unrealized(self)


@dataclass(frozen=True, slots=True)
class Portfolio:
    """The cash and positions of a strategy; `realized_pnl` (after `fees`) and `fees` span all positions."""

    broker: str
    strategy_id: str
    starting_cash: Decimal
    cash: Decimal
    realized_pnl: Decimal = ZERO
    fees: Decimal = ZERO
    positions: Mapping[int, Position] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def portfolio_id(self) -> str:
        return f"{self.broker}:{self.strategy_id}"

    @property
    def unrealized_pnl(self) -> Decimal:
        with exact():
            return sum(map(_unrealized, self.positions.values()), ZERO)

    @property
    def total_pnl(self) -> Decimal:
        unrealized = self.unrealized_pnl
        with exact():
            return self.realized_pnl + unrealized

    @property
    def total_value(self) -> Decimal:
        """Cash and positions at their last prices (at cost where no price was seen)."""
        with exact():
            held = (position.cost_basis + _unrealized(position) for position in self.positions.values())
            return sum(held, self.cash)


def open_portfolio(broker: str, strategy_id: str, starting_cash: Decimal) -> Portfolio:
    """The portfolio of a strategy that has not traded yet."""
    return Portfolio(broker, strategy_id, starting_cash, starting_cash)


def apply(portfolio: Portfolio, fill: Fill) -> Portfolio:
    """The portfolio after the fill; the fill's price becomes the mark.

    Raises:
        decimal.Inexact: the amounts exceed what can be booked exactly (`money.is_bookable`).
    """
    before = portfolio.positions.get(fill.instrument_token) or Position(fill.instrument_token)
    with exact():
        after = _trade(before, fill)
        return Portfolio(
            portfolio.broker,
            portfolio.strategy_id,
            portfolio.starting_cash,
            portfolio.cash - fill.signed_quantity * fill.price - fill.fees,
            portfolio.realized_pnl + (after.realized_pnl - before.realized_pnl),
            portfolio.fees + fill.fees,
            MappingProxyType({**portfolio.positions, fill.instrument_token: after}),
        )


def mark(portfolio: Portfolio, prices: Mapping[int, Decimal]) -> Portfolio:
    """The portfolio at newer last prices.

    Ignored are prices of instruments that it never traded, and those that `money.is_bookable` does not admit.
    """
    moved = {
        token: _marked(position, price)
        for token, position in portfolio.positions.items()
        if (price := prices.get(token)) is not None and price != position.last_price and is_bookable(price)
    }
    if not moved:
        return portfolio
    return Portfolio(
        portfolio.broker,
        portfolio.strategy_id,
        portfolio.starting_cash,
        portfolio.cash,
        portfolio.realized_pnl,
        portfolio.fees,
        MappingProxyType({**portfolio.positions, **moved}),
    )


def _unrealized(position: Position) -> Decimal:
    if position.last_price is None:
        return ZERO
    return position.quantity * position.last_price - position.cost_basis


def _trade(position: Position, fill: Fill) -> Position:
    """Close against the open quantity first, then open with what remains of the fill."""
    change, held = fill.signed_quantity, position.quantity
    closing = _closing_quantity(held, change)
    released = _released_cost(position, closing)
    return Position(
        position.instrument_token,
        held + change,
        position.cost_basis - released + (change + closing) * fill.price,
        position.realized_pnl + closing * fill.price - released - fill.fees,
        position.fees + fill.fees,
        fill.price,
    )


def _closing_quantity(held: int, change: int) -> int:
    """How much of the held quantity the change closes, signed as what is held."""
    if held > 0 > change:
        return min(held, -change)
    if held < 0 < change:
        return max(held, -change)
    return 0


def _released_cost(position: Position, closing: int) -> Decimal:
    """The cost basis of `closing` of the held units; both have the same sign."""
    if closing == position.quantity:
        return position.cost_basis
    return share(position.cost_basis, closing, position.quantity) if closing else ZERO


def _marked(position: Position, price: Decimal) -> Position:
    return Position(
        position.instrument_token,
        position.quantity,
        position.cost_basis,
        position.realized_pnl,
        position.fees,
        price,
    )
