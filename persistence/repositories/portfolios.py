"""The latest books of every strategy at every broker."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from persistence import models
from persistence.books import counting, leaving_out, record
from persistence.bulk import encode, upsert
from persistence.records import LeftOut, PortfolioRecord
from persistence.repositories.rows import last_of_each

_KEY = ("portfolio_id",)
_OF_A_BROKER = "broker_namespace = :broker"
_COLUMNS = (
    "portfolio_id",
    "broker_namespace",
    "strategy_id",
    "positions",
    "total_realized_pnl",
    "total_unrealized_pnl",
    "total_pnl",
    "cash",
    "snapshot_time",
)


class PortfolioRepository:
    """Rows of `portfolio_snapshots`, one for each portfolio."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def upsert(self, rows: Sequence[object]) -> int:
        """Store the portfolios whole; of several rows for one `portfolio_id` the last wins. Returns how many.

        Rows have the fields of `PortfolioRecord`.
        """
        if not rows:
            return 0
        payload = encode(last_of_each(rows, "portfolio_id"))
        statement = upsert(models.portfolio_snapshots, _COLUMNS, _KEY)
        return self._connection.exec_driver_sql(statement, (payload,)).rowcount

    def load(self, broker: str) -> list[PortfolioRecord]:
        """The broker's books, by strategy: of each the snapshot that counts, see `persistence.books`."""
        wanted = text(counting(models.portfolio_snapshots.name, _OF_A_BROKER))
        return [record(tuple(row)) for row in self._connection.execute(wanted, {"broker": broker})]

    def left_out(self, broker: str) -> LeftOut:
        """The broker's snapshots that do not count."""
        count, names = self._connection.execute(text(leaving_out(_OF_A_BROKER)), {"broker": broker}).one()
        return LeftOut(count, tuple(names))
