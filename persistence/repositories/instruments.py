"""The catalogue of instruments, as it is read."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, collate, func, literal_column, or_, select, union_all
from sqlalchemy import text as sql_text

from persistence import models
from persistence.records import InstrumentCounts, InstrumentRecord, LoadRecord

_table, _loads = models.instruments, models.instrument_loads
_NAMES = tuple(InstrumentRecord.__dataclass_fields__)
_ACTIVE = _table.c.is_active.is_not(False)
_COLUMNS: tuple[ColumnElement[Any], ...] = tuple(
    _ACTIVE.label(name) if name == "is_active" else _table.c[name] for name in _NAMES
)
Instruments = list[InstrumentRecord]


class InstrumentRepository:
    """Rows of `instruments`. One whose `is_active` is NULL counts as active, as an old loader left it so."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, token: int) -> InstrumentRecord | None:
        """The instrument with that token, active or not."""
        return next(iter(self._read(select(*_COLUMNS).where(_table.c.instrument_token == token))), None)

    def named(self, symbol: str, exchange: str | None = None) -> Instruments:
        """The active instruments with exactly that symbol, in whatever case; of several exchanges, by exchange."""
        wanted = select(*_COLUMNS).where(_upper(_table.c.tradingsymbol) == symbol.upper(), _ACTIVE)
        if exchange is not None:
            wanted = wanted.where(_table.c.exchange == exchange.upper())
        return self._read(wanted.order_by(_table.c.exchange))

    def search(self, text: str, limit: int, exchange: str | None = None) -> Instruments:
        """At most `limit` active instruments with the text in symbol or name, in whatever case.

        First come those whose symbol begins with it, then those whose name does, which an index finds; only where they
        are fewer than `limit` are the others looked for, through all of the catalogue.
        """
        found = self._read(_beginning_with(text, limit, exchange))
        if len(found) < limit:
            found += self._read(_holding(text, limit, exchange))
        return list({one.instrument_token: one for one in found}.values())[:limit]

    def counts(self) -> InstrumentCounts:
        """How many there are; reads the whole table."""
        active = func.count().filter(_ACTIVE)
        return InstrumentCounts(*self._connection.execute(select(active, func.count()).select_from(_table)).one())

    def counts_by_exchange(self) -> dict[str, InstrumentCounts]:
        """The same for each exchange, by name."""
        active = func.count().filter(_ACTIVE)
        wanted = select(_table.c.exchange, active, func.count()).group_by(_table.c.exchange).order_by(_table.c.exchange)
        return {row[0]: InstrumentCounts(row[1], row[2]) for row in self._connection.execute(wanted)}

    def last_load(self) -> LoadRecord | None:
        """The newest load; None before the first."""
        newest = select(_loads).order_by(_loads.c.id.desc()).limit(1)
        row = self._connection.execute(newest).mappings().one_or_none()
        return None if row is None else LoadRecord(**row)

    def _read(self, wanted: Select[*tuple[Any, ...]]) -> Instruments:
        return [InstrumentRecord(**row) for row in self._connection.execute(wanted).mappings()]


def _upper(column: ColumnElement[str]) -> ColumnElement[str]:
    return func.upper(column)


def _beginning_with(text: str, limit: int, exchange: str | None) -> Select[*tuple[Any, ...]]:
    """Those that an index finds, in its order, so that no more are read than shown."""
    parts = []
    for rank, column in enumerate((_table.c.tradingsymbol, _table.c.name)):
        key = _upper(column)
        part = (
            select(*_COLUMNS, literal_column(str(rank)).label("rank"), key.label("key"))
            .where(key.startswith(text.upper(), autoescape=True), _ACTIVE, *_on(exchange))
            .order_by(sql_text(f"upper({column.name}) USING ~<~"))
            .limit(limit)
        )
        parts.append(part.subquery().select())
    both = union_all(*parts).subquery()
    return select(*(both.c[name] for name in _NAMES)).order_by(both.c.rank, collate(both.c.key, "C"), both.c.exchange)


def _holding(text: str, limit: int, exchange: str | None) -> Select[*tuple[Any, ...]]:
    searched, wanted_text = (_table.c.tradingsymbol, _table.c.name), text.upper()
    held = or_(*(_upper(column).contains(wanted_text, autoescape=True) for column in searched))
    wanted = select(*_COLUMNS).where(held, _ACTIVE, *_on(exchange))
    return wanted.order_by(_table.c.tradingsymbol, _table.c.exchange).limit(limit)


def _on(exchange: str | None) -> tuple[ColumnElement[bool], ...]:
    return () if exchange is None else (_table.c.exchange == exchange.upper(),)
