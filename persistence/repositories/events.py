"""The history of trading events, written once each."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from persistence import models
from persistence.bulk import encode, insert

_COLUMNS = (
    "event_id",
    "event_type",
    "broker_namespace",
    "strategy_id",
    "instrument_token",
    "event_data",
    "correlation_id",
    "event_timestamp",
)


class EventRepository:
    """Rows of `trading_events`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, rows: Sequence[object]) -> int:
        """Append events in the order given; an `event_id` that is there already is left alone. Returns how
        many went in.

        Rows have the fields event_id, event_type, broker_namespace, strategy_id, instrument_token, event_data
        (any JSON), correlation_id and event_timestamp (aware).
        """
        if not rows:
            return 0
        statement = insert(models.trading_events, _COLUMNS, ("event_id",))
        return self._connection.exec_driver_sql(statement, (encode(rows),)).rowcount

    def count_by_type(self, broker: str) -> dict[str, int]:
        """How many events of each type the broker has."""
        table = models.trading_events
        counts = (
            select(table.c.event_type, func.count())
            .where(table.c.broker_namespace == broker)
            .group_by(table.c.event_type)
        )
        return {row[0]: row[1] for row in self._connection.execute(counts)}
