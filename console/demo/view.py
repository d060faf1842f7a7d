"""The books and the proofs as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.markup import escape
from rich.table import Table

from console.demo.proofs import Proof
from console.output import money, plain_table
from persistence.records import PortfolioRecord


def books_table(portfolios: Sequence[PortfolioRecord], symbols: Mapping[int, str]) -> Table:
    """One row for each instrument of each strategy, and the cash of the strategy below."""
    figures = ("quantity", "average", "last", "realised", "unrealised")
    table = plain_table("strategy", "instrument", *figures, right=frozenset(figures))
    for portfolio in portfolios:
        for token, position in portfolio.positions.items():
            table.add_row(
                escape(portfolio.strategy_id),
                escape(symbols.get(int(token), token)),
                f"{position['quantity']:,}",
                money(position["avg_price"]),
                money(position["last_price"]),
                money(position["realized_pnl"]),
                money(position["unrealized_pnl"]),
            )
        earned = money(portfolio.total_realized_pnl), money(portfolio.total_unrealized_pnl)
        table.add_row(escape(portfolio.strategy_id), f"cash {money(portfolio.cash)}", "", "", "", *earned, style="bold")
    return table


def proofs_table(proofs: Sequence[Proof]) -> Table:
    """One row for each claim: whether it holds, and what was found."""
    table = plain_table("", "claim", "found")
    for proof in proofs:
        mark = "[green]ok[/]" if proof.holds else "[red]FAIL[/]"
        table.add_row(mark, escape(proof.claim), escape(proof.found))
    return table
