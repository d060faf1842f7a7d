"""An independent fold of fills, in fractions, to compare the books with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from tests.conftest import execute

STARTING_CASH = Fraction(1_000_000)


@dataclass
class Account:
    """One strategy's cash and holdings."""

    cash: Fraction = STARTING_CASH
    fees: Fraction = Fraction(0)
    quantities: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    prices: dict[int, Fraction] = field(default_factory=dict)

    @property
    def total_pnl(self) -> Fraction:
        held = sum((quantity * self.prices[token] for token, quantity in self.quantities.items()), Fraction())
        return self.cash + held - STARTING_CASH


def fold_signals(
    signals: list[dict[str, Any]], slippage_percent: str = "0.05", fee_percent: str = "0.1"
) -> dict[str, Account]:
    """What the paper broker's books must be after the signals, in their order."""
    accounts: dict[str, Account] = defaultdict(Account)
    slippage, rate = Fraction(slippage_percent) / 100, Fraction(fee_percent) / 100
    for message in signals:
        original = message["data"]["original_signal"]
        account, token = accounts[original["strategy_id"]], original["instrument_token"]
        buys = original["signal_type"] == "BUY"
        quantity = original["quantity"] if buys else -original["quantity"]
        price = Fraction(original["price"]) * (1 + slippage if buys else 1 - slippage)
        fee = abs(quantity) * price * rate
        account.cash -= quantity * price + fee
        account.fees += fee
        account.quantities[token] += quantity
        account.prices[token] = price
    return accounts


def fold_fills(fills: Iterable[Mapping[str, Any]]) -> dict[str, Account]:
    """What the books must be after the fills, the data of `order_filled` events, in their order."""
    accounts: dict[str, Account] = defaultdict(Account)
    for fill in fills:
        account, token = accounts[fill["strategy_id"]], fill["instrument_token"]
        quantity = fill["quantity"] if fill["side"] == "BUY" else -fill["quantity"]
        price, fee = Fraction(fill["fill_price"]), Fraction(fill["fees"])
        account.cash -= quantity * price + fee
        account.fees += fee
        account.quantities[token] += quantity
        account.prices[token] = price
    return accounts


def stored(url: str) -> dict[str, Account]:
    """The books as the database has them; prices are the positions' last ones."""
    accounts = {}
    rows = execute(url, "SELECT strategy_id, cash, positions, total_pnl FROM portfolio_snapshots")
    for strategy, cash, positions, total_pnl in rows:
        account = Account(cash=Fraction(str(cash)))
        assert isinstance(positions, dict)
        for token, position in positions.items():
            account.quantities[int(token)] = position["quantity"]
            account.prices[int(token)] = Fraction(position["last_price"])
        assert account.total_pnl == Fraction(str(total_pnl))
        accounts[str(strategy)] = account
    return accounts


def assert_equal(url: str, signals: list[dict[str, Any]]) -> None:
    """The database's books equal the fold of the signals, to the last digit."""
    expected, found = fold_signals(signals), stored(url)
    assert found.keys() == expected.keys()
    for strategy, account in expected.items():
        assert found[strategy].cash == account.cash
        assert dict(found[strategy].quantities) == dict(account.quantities)


def count_events(url: str) -> dict[str, int]:
    """Rows of `trading_events` by type."""
    rows = execute(url, "SELECT event_type, count(*) FROM trading_events GROUP BY 1")
    return {str(kind): int(str(number)) for kind, number in rows}
