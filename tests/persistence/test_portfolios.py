from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import text

from persistence.database import Database
from persistence.errors import Poison
from persistence.records import LeftOut
from persistence.unit_of_work import UnitOfWork
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


NAMES = ("paper:zz", "book-1", "paper:a", "book-2")
"""Of one strategy `a`; the last of them by text is not its own."""


def store_under(unit: UnitOfWork, *named: tuple[str, Portfolio]) -> None:
    for name, row in named:
        object.__setattr__(row, "portfolio_id", name)
        unit.portfolios.upsert([row])


def test_the_snapshot_that_is_named_as_books_are_saved_counts_however_old_it_is(database: Database) -> None:
    with database.writer_unit() as unit:
        rows = [Portfolio("a", Decimal(age), snapshot_time=at(age)) for age in (9, 3, 1, 2)]
        store_under(unit, *zip(NAMES, rows, strict=True))

        (counted,) = unit.portfolios.load("paper")
        assert (counted.portfolio_id, counted.cash) == ("paper:a", 1)
        assert unit.portfolios.left_out("paper") == LeftOut(3, ("book-1", "book-2", "paper:zz"))


def test_without_one_of_that_name_the_newest_counts_and_of_equals_the_last_stored(database: Database) -> None:
    with database.writer_unit() as unit:
        times = {"z": at(1), "b": at(9), "a": at(9), "y": None}
        store_under(unit, *((name, Portfolio("a", snapshot_time=time)) for name, time in times.items()))
        unit.connection.execute(text("UPDATE portfolio_snapshots SET created_at = NULL WHERE portfolio_id = 'y'"))

        assert [one.portfolio_id for one in unit.portfolios.load("paper")] == ["a"]


def test_books_that_were_saved_are_those_that_are_read_next(database: Database) -> None:
    with database.writer_unit() as unit:
        store_under(unit, ("paper:zz", Portfolio("a", Decimal(1), snapshot_time=at(3600))))
        unit.portfolios.upsert([Portfolio("a", Decimal(2), snapshot_time=at(0))])

        assert [one.cash for one in unit.portfolios.load("paper")] == [2]


@pytest.mark.parametrize("another", [Portfolio("y"), Portfolio("x", broker_namespace="zerodha")])
def test_the_books_of_another_strategy_are_not_overwritten(database: Database, another: Portfolio) -> None:
    with database.writer_unit() as unit:
        store_under(unit, ("paper:x", another))
        with pytest.raises(Poison, match=r"portfolio paper:x \(row 1 of portfolio_snapshots\) is that of the strategy"):
            unit.portfolios.upsert([Portfolio("w"), Portfolio("x", Decimal(5))])

        assert [
            one.cash for one in unit.portfolios.load(another.broker_namespace) if one.portfolio_id == "paper:x"
        ] == [another.cash]


def test_names_of_what_is_left_out_are_few(database: Database) -> None:
    with database.writer_unit() as unit:
        store_under(unit, *((f"b{number}", Portfolio("a")) for number in range(9)))

        left_out = unit.portfolios.left_out("paper")
        assert (left_out.count, len(left_out.names)) == (8, 5)
        assert unit.portfolios.left_out("zerodha") == LeftOut(0, ())


def test_numbers_that_no_binary_float_holds_are_read(database: Database) -> None:
    with database.writer_unit() as unit:
        unit.portfolios.upsert([Portfolio("a")])
        unit.connection.execute(text("UPDATE portfolio_snapshots SET positions = '{\"1\": 1e400}'"))

        (stored,) = unit.portfolios.load("paper")
        assert stored.positions == {"1": Decimal("1e400")}


def test_saving_again_and_again_does_not_use_up_the_ids(database: Database) -> None:
    with database.writer_unit() as unit:
        for number in range(50):
            unit.portfolios.upsert([Portfolio("a", Decimal(number)), Portfolio("b")])
        unit.portfolios.upsert([Portfolio("c")])
        ids = unit.connection.execute(text("SELECT id FROM portfolio_snapshots ORDER BY id")).scalars().all()

    assert ids == [1, 2, 3]
