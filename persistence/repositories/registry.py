"""The registry: which instruments are subscribed to, and in which order."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert

from persistence import models
from persistence.records import InstrumentRecord, SubscriptionRecord

DEFAULT_PRIORITY = 100
Subscriptions = list[SubscriptionRecord]
_table, _instruments = models.instrument_registry, models.instruments


class RegistryRepository:
    """Rows of `instrument_registry`, at most one for each instrument; they go with their instrument."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def subscribe(
        self, instrument: InstrumentRecord, added_by: str, priority: int | None = None, notes: str | None = None
    ) -> SubscriptionRecord:
        """Subscribe to the instrument; what is not given of one that is there already stays as it is, its id too.

        Raises:
            Poison: there is no such instrument any more, or a text is too long.
        """
        given = {name: value for name, value in (("priority", priority), ("notes", notes)) if value is not None}
        names = {"tradingsymbol": instrument.tradingsymbol, "exchange": instrument.exchange, "is_subscribed": True}
        row = {"instrument_token": instrument.instrument_token, "added_by": added_by, **names}
        # First, as an insert draws an id even where it then only changes the row.
        change = update(_table).where(_table.c.instrument_token == instrument.instrument_token)
        changed = self._connection.execute(change.values({**names, **given}).returning(*_columns()))
        if known := changed.mappings().one_or_none():
            return SubscriptionRecord(**known)
        statement = (
            insert(_table)
            .values({"priority": DEFAULT_PRIORITY, **row, **given})
            .on_conflict_do_update(index_elements=["instrument_token"], set_={**names, **given})
            .returning(*_columns())
        )
        return SubscriptionRecord(**self._connection.execute(statement).mappings().one())

    def unsubscribe(self, token: int) -> bool:
        """End the subscription and keep its row; false if there was none."""
        wanted = update(_table).where(_table.c.instrument_token == token, _table.c.is_subscribed.is_not(False))
        return self._connection.execute(wanted.values(is_subscribed=False)).rowcount > 0

    def list(self, *, ended: bool = False) -> Subscriptions:
        """The subscriptions by priority, then symbol; with `ended` also those that have ended."""
        wanted = select(*_columns()).order_by(
            func.coalesce(_table.c.priority, DEFAULT_PRIORITY), _table.c.tradingsymbol, _table.c.exchange
        )
        if not ended:
            wanted = wanted.where(_table.c.is_subscribed.is_not(False))
        return [SubscriptionRecord(**row) for row in self._connection.execute(wanted).mappings()]

    def find(self, symbol: str, exchange: str | None = None) -> Subscriptions:
        """The rows with that symbol, in whatever case."""
        wanted = select(*_columns()).where(func.upper(_table.c.tradingsymbol) == symbol.upper())
        if exchange is not None:
            wanted = wanted.where(_table.c.exchange == exchange.upper())
        return [SubscriptionRecord(**row) for row in self._connection.execute(wanted).mappings()]

    def follow_catalogue(self) -> int:
        """Give the rows the symbols that their instruments bear now; returns how many changed."""
        known = _instruments.c
        renamed = (
            update(_table)
            .values(tradingsymbol=known.tradingsymbol, exchange=known.exchange)
            .where(
                _table.c.instrument_token == known.instrument_token,
                (_table.c.tradingsymbol != known.tradingsymbol) | (_table.c.exchange != known.exchange),
            )
        )
        return self._connection.execute(renamed).rowcount


def _columns() -> tuple[ColumnElement[Any], ...]:
    return (
        _table.c.instrument_token,
        _table.c.tradingsymbol,
        _table.c.exchange,
        func.coalesce(_table.c.is_subscribed, True).label("is_subscribed"),
        func.coalesce(_table.c.priority, DEFAULT_PRIORITY).label("priority"),
        _table.c.added_at,
        _table.c.added_by,
        _table.c.notes,
    )
