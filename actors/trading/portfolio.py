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
from datetime import UTC, datetime
from decimal import Decimal, Inexact
from types import MappingProxyType
from typing import Any

from actors.errors import ActorError
from actors.messages import PortfolioData
from actors.rows import PortfolioRow
from actors.trading.money import ZERO, average, exact, is_bookable, parse, share, wire
from actors.trading.orders import Fill

MOST_SAID = 160
"""Characters of the reason why a portfolio cannot be read."""


class UnreadablePortfolio(ActorError):
    """A stored portfolio has a form that was never written; the text names it, its row and the field."""


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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A portfolio at a time, to be stored."""

    portfolio: Portfolio
    taken_at: datetime

    @property
    def portfolio_id(self) -> str:
        return self.portfolio.portfolio_id

    def as_row(self) -> PortfolioRow:
        return to_row(self.portfolio, self.taken_at)


def to_row(portfolio: Portfolio, snapshot_time: datetime) -> PortfolioRow:
    """The portfolio as a row of `portfolio_snapshots`; `from_record` reads it back without loss."""
    with exact():
        positions = {str(token): _position_to_json(one) for token, one in portfolio.positions.items()}
        unrealized = sum(map(_unrealized, portfolio.positions.values()), ZERO)
        total = portfolio.realized_pnl + unrealized
    return PortfolioRow(
        portfolio_id=portfolio.portfolio_id,
        broker_namespace=portfolio.broker,
        strategy_id=portfolio.strategy_id,
        positions=positions,
        total_realized_pnl=portfolio.realized_pnl,
        total_unrealized_pnl=unrealized,
        total_pnl=total,
        cash=portfolio.cash,
        snapshot_time=snapshot_time,
    )


def from_record(broker: str, record: PortfolioData) -> Portfolio:
    """The portfolio as it was stored, by this service or by an Alpha Panda before it.

    Older records lack `cost_basis` and `fees`: the cost is then average price times quantity, and fees count
    from 0. The starting cash is not stored: it is the one with which the record balances.

    Raises:
        UnreadablePortfolio: the record was not written by either.
    """
    named = f"portfolio {_shortened(record.portfolio_id)} (row {record.row_id} of portfolio_snapshots)"
    try:
        return _from_record(broker, record)
    except Inexact:
        raise UnreadablePortfolio(f"{named}: the amounts are too long to be booked exactly") from None
    except (TypeError, ValueError) as error:
        raise UnreadablePortfolio(f"{named}: {_shortened(str(error))}") from None


def _from_record(broker: str, record: PortfolioData) -> Portfolio:
    positions = _positions_from_json(record.positions)
    cash, realized = parse(record.cash), parse(record.realized_pnl)
    with exact():
        cost = sum((position.cost_basis for position in positions.values()), ZERO)
        fees = sum((position.fees for position in positions.values()), ZERO)
        starting_cash = cash + cost - realized
    read = Portfolio(broker, record.strategy_id, starting_cash, cash, realized, fees, MappingProxyType(positions))
    # Amounts that can be read alone may be too long together, which would show as late as when they are stored again.
    to_row(read, datetime.min.replace(tzinfo=UTC))
    return read


def _shortened(reason: str) -> str:
    """A stored text may be of any length, and may have any lines."""
    line = " ".join(reason.split())
    return line if len(line) <= MOST_SAID else f"{line[:MOST_SAID]}..."


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


def _position_to_json(position: Position) -> dict[str, Any]:
    return {
        "instrument_token": position.instrument_token,
        "quantity": position.quantity,
        "avg_price": wire(average(position.cost_basis, position.quantity)),
        "last_price": None if position.last_price is None else wire(position.last_price),
        "realized_pnl": wire(position.realized_pnl),
        "unrealized_pnl": wire(_unrealized(position)),
        "cost_basis": wire(position.cost_basis),
        "fees": wire(position.fees),
    }


def _positions_from_json(stored: Any) -> dict[int, Position]:
    if not isinstance(stored, Mapping):
        raise TypeError("positions is not an object")
    positions = {}
    for key, fields in stored.items():
        try:
            position = _position_from_json(key, fields)
        except (TypeError, ValueError) as error:
            raise ValueError(f"position {key}: {error}") from None
        positions[position.instrument_token] = position
    return positions


def _position_from_json(key: str, fields: Any) -> Position:
    if not isinstance(fields, Mapping):
        raise TypeError("not an object")
    quantity = parse(fields.get("quantity", 0))
    if quantity != int(quantity):
        raise ValueError(f"quantity {quantity} is not a whole number")
    mark_price = fields.get("last_price", fields.get("current_price"))
    last_price = None if mark_price is None else parse(mark_price)
    return Position(
        int(key),
        int(quantity),
        _stored_cost(fields, int(quantity)),
        _amount(fields, "realized_pnl"),
        _amount(fields, "fees"),
        last_price if last_price is not None and last_price > 0 else None,
    )


def _stored_cost(fields: Mapping[str, Any], quantity: int) -> Decimal:
    if fields.get("cost_basis") is not None:
        return parse(fields["cost_basis"])
    price = parse(fields.get("avg_price", fields.get("average_price")) or 0)
    with exact():
        return price * quantity


def _amount(fields: Mapping[str, Any], name: str) -> Decimal:
    value = fields.get(name)
    return ZERO if value is None else parse(value)
