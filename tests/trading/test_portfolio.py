"""Average price, realized and unrealized profit of the books, case by case."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from decimal import Decimal, Inexact

import pytest

from actors.trading.portfolio import Portfolio, Position, apply, mark, open_portfolio
from tests.trading.samples import INFY, RELIANCE, fill

CASH = Decimal(1_000_000)


def after(*trades: tuple[str, int, str]) -> Position:
    portfolio = open_portfolio("paper", "momentum", CASH)
    for side, quantity, price in trades:
        portfolio = apply(portfolio, fill(side, quantity, price))
    return portfolio.positions[RELIANCE]


@pytest.mark.parametrize(
    ("trades", "quantity", "average", "realized"),
    [
        pytest.param([("BUY", 10, "100")], 10, "100", "0", id="open long"),
        pytest.param([("BUY", 10, "100"), ("BUY", 30, "104")], 40, "103", "0", id="add to long"),
        pytest.param([("BUY", 10, "100"), ("SELL", 4, "110")], 6, "100", "40", id="close long in part"),
        pytest.param([("BUY", 10, "100"), ("SELL", 10, "90")], 0, "0", "-100", id="close long in full"),
        pytest.param([("BUY", 10, "100"), ("SELL", 15, "110")], -5, "110", "100", id="long to short"),
        pytest.param([("SELL", 10, "100")], -10, "100", "0", id="open short"),
        pytest.param([("SELL", 10, "100"), ("SELL", 10, "90")], -20, "95", "0", id="add to short"),
        pytest.param([("SELL", 10, "100"), ("BUY", 4, "90")], -6, "100", "40", id="close short in part"),
        pytest.param([("SELL", 10, "100"), ("BUY", 10, "110")], 0, "0", "-100", id="close short in full"),
        pytest.param([("SELL", 10, "100"), ("BUY", 15, "90")], 5, "90", "100", id="short to long"),
        pytest.param([("BUY", 1, "100"), ("BUY", 2, "100.5")], 3, "100.3333333333", "0", id="periodic average"),
        pytest.param(
            [("BUY", 10, "100"), ("SELL", 10, "90"), ("BUY", 2, "80")],
            2,
            "80",
            "-100",
            id="reopen after flat",
        ),
    ],
)
def test_a_position_has_the_expected_quantity_average_price_and_profit(
    trades: list[tuple[str, int, str]], quantity: int, average: str, realized: str
) -> None:
    position = after(*trades)

    assert position.quantity == quantity
    assert position.average_price == Decimal(average)
    assert position.realized_pnl == Decimal(realized)


def test_closing_a_part_leaves_the_exact_remainder_of_the_cost() -> None:
    opened = after(("BUY", 1, "100"), ("BUY", 2, "100.5"))
    reduced = after(("BUY", 1, "100"), ("BUY", 2, "100.5"), ("SELL", 1, "101"))

    assert opened.cost_basis == Decimal("301.0")
    assert reduced.cost_basis == Decimal("301.0") - Decimal("100.3333333333")
    assert reduced.realized_pnl == Decimal(101) - Decimal("100.3333333333")


@pytest.mark.parametrize(("cost", "released"), [("0.0000000003", "0.0000000002"), ("0.0000000005", "0.0000000002")])
def test_a_released_cost_between_two_tenth_decimals_goes_to_the_even_one(cost: str, released: str) -> None:
    held = Position(RELIANCE, 2, Decimal(cost))
    portfolio = Portfolio("paper", "momentum", CASH, CASH, positions={RELIANCE: held})

    position = apply(portfolio, fill("SELL", 1, "1")).positions[RELIANCE]

    assert position.cost_basis == Decimal(cost) - Decimal(released)


def test_fees_reduce_cash_and_realized_profit_at_once() -> None:
    portfolio = apply(open_portfolio("paper", "momentum", CASH), fill("BUY", 10, "100", fees="1.25"))

    assert portfolio.cash == CASH - Decimal("1001.25")
    assert portfolio.realized_pnl == Decimal("-1.25")
    assert portfolio.fees == Decimal("1.25")
    assert portfolio.positions[RELIANCE].cost_basis == Decimal(1000)


def test_the_price_of_a_fill_is_a_mark() -> None:
    assert after(("BUY", 10, "100"), ("BUY", 10, "110")).unrealized_pnl == Decimal(100)


def test_a_mark_moves_only_what_is_unrealized() -> None:
    traded = apply(open_portfolio("paper", "momentum", CASH), fill("SELL", 10, "100"))

    marked = mark(traded, {RELIANCE: Decimal("99.5"), INFY: Decimal(5)})

    assert marked.unrealized_pnl == marked.total_pnl == Decimal(5)
    assert marked.total_value == CASH + 5
    assert (marked.cash, marked.realized_pnl) == (traded.cash, traded.realized_pnl)
    assert set(marked.positions) == {RELIANCE}


def test_marks_that_change_nothing_return_the_same_portfolio() -> None:
    portfolio = apply(open_portfolio("paper", "momentum", CASH), fill("BUY", 10, "100"))

    assert mark(portfolio, {RELIANCE: Decimal(100), INFY: Decimal(5)}) is portfolio


def test_a_mark_that_cannot_be_booked_exactly_is_ignored() -> None:
    portfolio = apply(open_portfolio("paper", "momentum", CASH), fill("BUY", 10, "100"))

    assert mark(portfolio, {RELIANCE: Decimal("1E-60")}) is portfolio
    assert mark(portfolio, {RELIANCE: Decimal("NaN")}) is portfolio


def test_amounts_that_would_have_to_be_rounded_are_an_error() -> None:
    portfolio = open_portfolio("paper", "momentum", CASH)

    with pytest.raises(Inexact):
        apply(portfolio, fill("BUY", 1, "1." + "0" * 120 + "1"))


def test_a_portfolio_cannot_be_changed_in_place() -> None:
    portfolio = apply(open_portfolio("paper", "momentum", CASH), fill("BUY", 10, "100"))

    with pytest.raises(TypeError):
        portfolio.positions[INFY] = Position(INFY)  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        portfolio.cash = Decimal(0)  # type: ignore[misc]


def test_applying_a_fill_leaves_the_portfolio_before_it_as_it_was() -> None:
    before = apply(open_portfolio("paper", "momentum", CASH), fill("BUY", 10, "100"))
    apply(before, fill("SELL", 20, "90"))

    assert before.positions[RELIANCE].quantity == 10
    assert before.cash == CASH - 1000


def test_a_new_portfolio_is_all_cash() -> None:
    portfolio = open_portfolio("paper", "momentum", CASH)

    assert portfolio.portfolio_id == "paper:momentum"
    assert portfolio.total_value == CASH
    assert portfolio.total_pnl == 0
