from __future__ import annotations

from decimal import Decimal

from sqlalchemy import text

from persistence.database import Database
from tests.persistence.rows import Portfolio, at

EXACT = Decimal("1234567890123456789.0123456789012345")


def test_a_portfolio_comes_back_exactly(database: Database) -> None:
    row = Portfolio("momentum", EXACT, {"738561": {"quantity": "5"}}, at(1))
    with database.writer_unit() as unit:
        unit.portfolios.upsert([row])
        (stored,) = unit.portfolios.load("paper")

    assert (stored.portfolio_id, stored.strategy_id) == ("paper:momentum", "momentum")
    assert (stored.cash, stored.positions, stored.snapshot_time) == (EXACT, row.positions, at(1))


def test_a_second_save_replaces_the_first(database: Database) -> None:
    with database.writer_unit() as unit:
        unit.portfolios.upsert([Portfolio("a", Decimal(1)), Portfolio("b", Decimal(1))])
        unit.portfolios.upsert([Portfolio("b", Decimal(2))])

        assert [one.cash for one in unit.portfolios.load("paper")] == [1, 2]


def test_only_a_new_portfolio_draws_an_id(database: Database) -> None:
    with database.writer_unit() as unit:
        for cash in range(3):
            unit.portfolios.upsert([Portfolio("a", Decimal(cash))])
        unit.portfolios.upsert([Portfolio("b")])
        ids = unit.connection.execute(text("SELECT id FROM portfolio_snapshots ORDER BY id")).scalars().all()

    assert ids == [1, 2]


def test_of_two_rows_for_one_portfolio_the_last_wins(database: Database) -> None:
    with database.writer_unit() as unit:
        unit.portfolios.upsert([Portfolio("a", Decimal(1)), Portfolio("a", Decimal(2))])

        assert [one.cash for one in unit.portfolios.load("paper")] == [2]


def test_brokers_are_kept_apart(database: Database) -> None:
    with database.writer_unit() as unit:
        unit.portfolios.upsert([Portfolio("a"), Portfolio("a", broker_namespace="zerodha")])

        assert [one.portfolio_id for one in unit.portfolios.load("zerodha")] == ["zerodha:a"]


def test_saving_again_and_again_does_not_use_up_the_ids(database: Database) -> None:
    with database.writer_unit() as unit:
        for number in range(50):
            unit.portfolios.upsert([Portfolio("a", Decimal(number)), Portfolio("b")])
        unit.portfolios.upsert([Portfolio("c")])
        ids = unit.connection.execute(text("SELECT id FROM portfolio_snapshots ORDER BY id")).scalars().all()

    assert ids == [1, 2, 3]
