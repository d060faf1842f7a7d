"""Whether the daemon can open the books of a database: its own reading of them, without it."""

from __future__ import annotations

from actors.messages import PortfolioData
from actors.trading.records import UnreadablePortfolio, from_record
from console.output import printable
from persistence.book_reading import read_books
from persistence.books import Unreadable, unreadable
from persistence.database import Database
from persistence.records import PortfolioRecord


def problem_of(one: PortfolioRecord) -> str | None:
    """Why the daemon could not open it, with its name and row; None where it could."""
    data = PortfolioData(one.strategy_id, one.positions, one.total_realized_pnl, one.cash, one.portfolio_id, one.row_id)
    try:
        from_record(one.broker_namespace, data)
    except UnreadablePortfolio as error:
        return printable(str(error))
    return None


def read_all(database: Database, timeout_s: float) -> Unreadable:
    """Read all of them.

    Raises:
        Unavailable: it took longer.
        PersistenceError: by class, whatever is wrong with the database.
    """
    return unreadable(read_books(database.engine, timeout_s), problem_of)
