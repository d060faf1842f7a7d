"""The laws of the books over random fills and marks, against an independent fold in fractions."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.messages import PortfolioData
from actors.trading.orders import Fill
from actors.trading.portfolio import Portfolio, apply, mark, open_portfolio
from actors.trading.records import from_record, to_row
from tests.trading.samples import NOW, fill

TOKENS = (101, 202, 303)
CASH = Decimal("1000000.10")

prices = st.decimals("0.00000001", "99999999", places=8).filter(lambda price: price > 0)
fees = st.decimals("0", "999.999999999999", places=12)
quantities = st.integers(1, 50) | st.integers(1, 10**9)
fills = st.builds(fill, st.sampled_from(["BUY", "SELL"]), quantities, prices, fees, st.sampled_from(TOKENS))
marks = st.dictionaries(st.sampled_from(TOKENS), prices, min_size=1)
histories = st.lists(fills | marks, max_size=40)

unhurried = settings(deadline=None)

History = list[Fill | dict[int, Decimal]]


def books(history: History) -> Portfolio:
    portfolio = open_portfolio("paper", "momentum", CASH)
    for step in history:
        portfolio = apply(portfolio, step) if isinstance(step, Fill) else mark(portfolio, step)
    return portfolio


def signed_cost(one: Fill) -> Fraction:
    return Fraction(one.price) * (one.quantity if one.side == "BUY" else -one.quantity)


class Ledger:
    """One instrument's books in fractions: close what stands against the fill, then open the rest."""

    def __init__(self) -> None:
        self.quantity = 0
        self.cost = Fraction(0)
        self.realized = Fraction(0)

    def trade(self, one: Fill) -> None:
        direction = 1 if one.side == "BUY" else -1
        against = abs(self.quantity) if self.quantity * direction < 0 else 0
        closing = min(one.quantity, against)
        if closing:
            released = self._released(closing)
            self.realized += -direction * closing * Fraction(one.price) - released
            self.cost -= released
            self.quantity += direction * closing
        self.quantity += direction * (one.quantity - closing)
        self.cost += direction * (one.quantity - closing) * Fraction(one.price)
        self.realized -= Fraction(one.fees)

    def _released(self, closing: int) -> Fraction:
        if closing == abs(self.quantity):
            return self.cost
        return Fraction(round(self.cost * closing / abs(self.quantity) * 10**10), 10**10)


@unhurried
@given(histories)
def test_cash_is_the_starting_cash_less_the_cost_of_every_fill_and_fees(history: History) -> None:
    portfolio = books(history)
    trades = [step for step in history if isinstance(step, Fill)]
    paid = sum((Fraction(one.fees) for one in trades), Fraction(0))

    assert Fraction(portfolio.cash) == Fraction(CASH) - sum(map(signed_cost, trades), Fraction(0)) - paid
    assert Fraction(portfolio.fees) == paid


@unhurried
@given(histories)
def test_realized_and_unrealized_profit_are_the_gain_in_total_value(history: History) -> None:
    portfolio = books(history)
    held = sum((Fraction(one.last_price or 0) * one.quantity for one in portfolio.positions.values()), Fraction(0))
    gain = Fraction(portfolio.cash) + held - Fraction(CASH)

    assert Fraction(portfolio.total_value) == Fraction(portfolio.cash) + held
    assert Fraction(portfolio.realized_pnl) + Fraction(portfolio.unrealized_pnl) == gain
    assert Fraction(portfolio.total_pnl) == gain


@unhurried
@given(histories)
def test_positions_equal_those_of_an_independent_fold_in_fractions(history: History) -> None:
    portfolio = books(history)
    ledgers: dict[int, Ledger] = {}
    for step in history:
        if isinstance(step, Fill):
            ledgers.setdefault(step.instrument_token, Ledger()).trade(step)

    assert set(portfolio.positions) == set(ledgers)
    for token, ledger in ledgers.items():
        position = portfolio.positions[token]
        assert position.quantity == ledger.quantity
        assert Fraction(position.cost_basis) == ledger.cost
        assert Fraction(position.realized_pnl) == ledger.realized


@unhurried
@given(histories)
def test_a_portfolio_is_the_sum_of_its_positions(history: History) -> None:
    portfolio = books(history)
    positions = portfolio.positions.values()

    assert Fraction(portfolio.realized_pnl) == sum(Fraction(one.realized_pnl) for one in positions)
    assert Fraction(portfolio.unrealized_pnl) == sum(Fraction(one.unrealized_pnl) for one in positions)
    assert all(one.cost_basis == 0 for one in positions if one.quantity == 0)


@unhurried
@given(histories)
def test_a_stored_portfolio_is_read_back_without_loss_and_trades_on_alike(history: History) -> None:
    portfolio = books(history)
    row = to_row(portfolio, NOW)
    stored = json.loads(json.dumps(row.positions))

    loaded = from_record(
        "paper", PortfolioData("momentum", stored, row.total_realized_pnl, row.cash, row.portfolio_id, 1)
    )

    assert loaded == portfolio
    further = fill("SELL", 7, "3.33", "0.01", TOKENS[0])
    assert apply(loaded, further) == apply(portfolio, further)
