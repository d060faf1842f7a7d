"""The latest books of every strategy at every broker."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from persistence import models
from persistence.books import counting, leaving_out, record
from persistence.bulk import encode, upsert
from persistence.errors import Poison
from persistence.records import LeftOut, PortfolioRecord
from persistence.repositories.rows import last_of_each

_KEY = ("portfolio_id",)
_OF_A_BROKER = "broker_namespace = :broker"
_ITS_OWN = (
    "portfolio_snapshots.broker_namespace = excluded.broker_namespace"
    " AND portfolio_snapshots.strategy_id = excluded.strategy_id"
)
_OF_ANOTHER = text("""
    SELECT stored.id, stored.portfolio_id, stored.broker_namespace, stored.strategy_id
    FROM portfolio_snapshots AS stored
    JOIN jsonb_to_recordset(CAST(:rows AS jsonb)) AS x(portfolio_id text, broker_namespace text, strategy_id text)
      USING (portfolio_id)
    WHERE (stored.broker_namespace, stored.strategy_id) <> (x.broker_namespace, x.strategy_id)
    ORDER BY portfolio_id LIMIT 1
""")
_SHOWN = 64
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

        Raises:
            Poison: the books of another strategy are stored under the name of one of them; the text names the row.
        """
        if not rows:
            return 0
        payload = encode(last := last_of_each(rows, "portfolio_id"))
        statement = upsert(models.portfolio_snapshots, _COLUMNS, _KEY, where=_ITS_OWN)
        stored = self._connection.exec_driver_sql(statement, (payload,)).rowcount
        if stored < len(last):
            raise self._of_another(payload)
        return stored

    def _of_another(self, payload: str) -> Poison:
        row_id, name, broker, strategy = self._connection.execute(_OF_ANOTHER, {"rows": payload}).one()
        return Poison(
            f"portfolio {name[:_SHOWN]} (row {row_id} of {models.portfolio_snapshots.name}) is that of the strategy "
            f"{strategy[:_SHOWN]!r} at {broker[:_SHOWN]!r}: give the row another portfolio_id"
        )

    def load(self, broker: str) -> list[PortfolioRecord]:
        """The broker's books, by strategy: of each the snapshot that counts, see `persistence.books`."""
        wanted = text(counting(models.portfolio_snapshots.name, _OF_A_BROKER))
        return [record(tuple(row)) for row in self._connection.execute(wanted, {"broker": broker})]

    def left_out(self, broker: str) -> LeftOut:
        """The broker's snapshots that do not count."""
        count, names = self._connection.execute(text(leaving_out(_OF_A_BROKER)), {"broker": broker}).one()
        return LeftOut(count, tuple(names))
