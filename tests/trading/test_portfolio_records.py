"""The stored form of a portfolio, and those that an Alpha Panda left behind."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from actors.messages import PortfolioData
from actors.trading.portfolio import apply, open_portfolio
from actors.trading.records import UnreadablePortfolio, from_record, to_row
from tests.trading.samples import INFY, NOW, RELIANCE, fill


def load(positions: Any, realized: Any = Decimal(0), cash: Any = Decimal(1000)) -> Any:
    return from_record("paper", PortfolioData("momentum", positions, realized, cash, "book-7", 7))


def test_a_row_has_the_columns_and_the_position_keys_of_alpha_panda() -> None:
    portfolio = apply(open_portfolio("paper", "momentum", Decimal(10_000)), fill("BUY", 10, "100.50", "1.005"))

    row = to_row(portfolio, NOW)

    assert (row.portfolio_id, row.broker_namespace, row.strategy_id) == (
        "paper:momentum",
        "paper",
        "momentum",
    )
    assert (row.total_realized_pnl, row.total_unrealized_pnl, row.total_pnl) == (
        Decimal("-1.005"),
        Decimal(0),
        Decimal("-1.005"),
    )
    assert row.cash == Decimal("8993.995")
    assert row.snapshot_time == NOW
    assert row.positions == {
        str(RELIANCE): {
            "instrument_token": RELIANCE,
            "quantity": 10,
            "avg_price": "100.5000000000",
            "last_price": "100.50",
            "realized_pnl": "-1.005",
            "unrealized_pnl": "0.00",
            "cost_basis": "1005.00",
            "fees": "1.005",
        }
    }


def test_no_amount_is_stored_with_an_exponent() -> None:
    portfolio = apply(open_portfolio("paper", "momentum", Decimal("1E+6")), fill("BUY", 10, "1E+3", "1E-9"))

    assert "E" not in json.dumps(to_row(portfolio, NOW).positions)


@pytest.mark.parametrize("number", [float, str], ids=["floats", "strings"])
def test_a_record_without_cost_basis_is_read_with_average_price_times_quantity(number: type) -> None:
    old = {
        str(RELIANCE): {
            "instrument_token": RELIANCE,
            "quantity": 10,
            "avg_price": number(100.55),
            "last_price": number(101.5),
            "realized_pnl": number(12.5),
            "unrealized_pnl": number(9.5),
        }
    }

    portfolio = load(old, realized=12.5, cash=9007.0)

    position = portfolio.positions[RELIANCE]
    assert position.cost_basis == Decimal("1005.50")
    assert position.average_price == Decimal("100.55")
    assert position.unrealized_pnl == Decimal("9.5")
    assert position.fees == 0
    assert portfolio.realized_pnl == Decimal("12.5")
    assert portfolio.starting_cash == Decimal(10000)
    assert portfolio.total_pnl == portfolio.total_value - portfolio.starting_cash


def test_an_old_record_trades_on_in_balance() -> None:
    old = {str(INFY): {"instrument_token": INFY, "quantity": 3, "avg_price": 33.333333333333336}}

    portfolio = apply(load(old), fill("SELL", 5, "40.1", "0.2", INFY))

    assert portfolio.positions[INFY].quantity == -2
    assert portfolio.total_pnl == portfolio.total_value - portfolio.starting_cash


@pytest.mark.parametrize("unseen", [None, 0, 0.0, "0"])
def test_a_stored_last_price_of_nothing_or_zero_means_that_none_was_seen(unseen: object) -> None:
    held = {str(INFY): {"instrument_token": INFY, "quantity": 3, "avg_price": 100, "last_price": unseen}}

    portfolio = load(held)

    assert portfolio.positions[INFY].last_price is None
    assert portfolio.unrealized_pnl == 0
    assert portfolio.total_value == Decimal(1300)


def test_a_position_of_nothing_needs_no_price() -> None:
    assert load({"408065": {"quantity": 0, "realized_pnl": 5}}).positions[408065].quantity == 0


def test_a_record_without_positions_is_all_cash() -> None:
    assert load({}, realized=Decimal(0), cash=Decimal(1000)) == open_portfolio("paper", "momentum", Decimal(1000))


@pytest.mark.parametrize(
    ("positions", "complaint"),
    [
        ([], "positions is not an object"),
        ({"408065": 5}, "position 408065: not an object"),
        ({"infy": {"quantity": 5}}, "position infy: .*'infy'"),
        ({"408065": {"quantity": 1.5}}, "quantity 1.5 is not a whole number"),
        ({"408065": {"quantity": True}}, "True is not an amount"),
        ({"408065": {"qty": 10, "avg_price": 1400}}, "position 408065: it has no quantity"),
        ({"408065": {"quantity": None, "avg_price": 1400}}, "position 408065: it has no quantity"),
        ({"408065": {"quantity": 10}}, "position 408065: it has no average price"),
        ({"408065": {"quantity": 10, "avg_price": None}}, "position 408065: it has no average price"),
        ({"408065": {"quantity": 5, "avg_price": "dear"}}, "'dear' is not an amount"),
        ({"408065": {"quantity": 5, "avg_price": float("nan")}}, "nan is not an amount"),
        ({"408065": {"quantity": "1E+999999999"}}, "cannot|can be booked exactly"),
        ({"408065": {"quantity": "9" * 32, "avg_price": "9" * 32 + "." + "9" * 48}}, "too long to be booked exactly"),
        ({"408065": {"quantity": 5, "avg_price": "x" * 9999}}, "^.{100,260}$"),
    ],
)
def test_a_record_of_an_unknown_form_is_refused_by_name(positions: Any, complaint: str) -> None:
    with pytest.raises(UnreadablePortfolio, match=complaint) as caught:
        load(positions)
    assert str(caught.value).startswith("portfolio book-7 (row 7 of portfolio_snapshots): ")
