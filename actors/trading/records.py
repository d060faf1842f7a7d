"""The stored form of a portfolio, and the reading of what this service or an Alpha Panda before it has stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, Inexact
from types import MappingProxyType
from typing import Any

from actors.errors import ActorError
from actors.messages import PortfolioData
from actors.rows import PortfolioRow
from actors.trading.money import ZERO, average, exact, parse, wire
from actors.trading.portfolio import Portfolio, Position

MOST_SAID = 160
"""Characters of the reason why a portfolio cannot be read."""


class UnreadablePortfolio(ActorError):
    """A stored portfolio has a form that was never written; the text names it, its row and the field."""


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
        unrealized = sum((one.unrealized_pnl for one in portfolio.positions.values()), ZERO)
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


def readable(broker: str, records: Iterable[PortfolioData]) -> tuple[list[Portfolio], list[str]]:
    """The portfolios of the records that can be read, and what is wrong with each of the others."""
    portfolios, problems = [], []
    for one in records:
        try:
            portfolios.append(from_record(broker, one))
        except UnreadablePortfolio as error:
            problems.append(str(error))
    return portfolios, problems


def _position_to_json(position: Position) -> dict[str, Any]:
    return {
        "instrument_token": position.instrument_token,
        "quantity": position.quantity,
        "avg_price": wire(average(position.cost_basis, position.quantity)),
        "last_price": None if position.last_price is None else wire(position.last_price),
        "realized_pnl": wire(position.realized_pnl),
        "unrealized_pnl": wire(position.unrealized_pnl),
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
    if fields.get("quantity") is None:
        raise ValueError("it has no quantity")
    quantity = parse(fields["quantity"])
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
    price = fields.get("avg_price", fields.get("average_price"))
    if price is None and quantity:
        raise ValueError("it has no average price")
    with exact():
        return parse(price or 0) * quantity


def _amount(fields: Mapping[str, Any], name: str) -> Decimal:
    value = fields.get(name)
    return ZERO if value is None else parse(value)
