"""Every row before and after: where it is now, and whether anything of it has changed that may not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.persistence.databases import connected

KEYS = {
    "users": "id",
    "trading_sessions": "session_id",
    "strategy_configurations": "id",
    "portfolio_snapshots": "id",
    "trading_events": "id",
    "instruments": "instrument_token",
    "instrument_registry": "id",
}
SIDES = {
    "_dup_trading_sessions_0002": "trading_sessions",
    "_dup_portfolio_snapshots_0002": "portfolio_snapshots",
    "_nan_portfolio_snapshots_0002": "portfolio_snapshots",
    "_orphan_instrument_registry_0002": "instrument_registry",
}
MONEY = ("total_realized_pnl", "total_unrealized_pnl", "total_pnl", "cash")
DOCUMENTS = ("session_data", "instruments", "parameters", "positions", "event_data")
NOTHING = {"session_data": "null", "last_price": "NaN", "tick_size": "NaN", "strike": "NaN"}
"""Values that stand for NULL, and become it."""
RENAMED = {"live_trading_enabled": "zerodha_trading_enabled"}
Row = dict[str, str | None]


@dataclass(frozen=True)
class Books:
    """All rows of a database as text, by table and key."""

    rows: dict[str, dict[str, Row]]
    set_aside: dict[str, dict[str, Row]]
    mended: dict[tuple[str, str], dict[str, Row]]
    """By table and column."""


def books_of(url: str) -> Books:
    """Read everything."""
    with connected(url) as connection:
        names = set(connection.exec_driver_sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").scalars())

        def read(table: str, key: str) -> dict[str, Row]:
            columns = list(
                connection.exec_driver_sql(
                    f"SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0 "
                    "AND NOT attisdropped"
                ).scalars()
            )
            texts = ", ".join(f"{column}::text AS {column}" for column in columns)
            found = connection.exec_driver_sql(f"SELECT {texts} FROM {table}").mappings()
            return {str(row[key]): dict(row) for row in found}

        rows = {table: read(table, key) for table, key in KEYS.items() if table in names}
        aside: dict[str, dict[str, Row]] = {table: {} for table in KEYS}
        for side, table in SIDES.items():
            if side in names:
                aside[table] |= read(side, KEYS[table])
        mended = {
            (table, column): read(f"_json_{table}_{column}_0002", "key")
            for table in KEYS
            for column in DOCUMENTS
            if f"_json_{table}_{column}_0002" in names
        }
        return Books(rows, aside, mended)


def faults(before: Books, after: Books) -> list[str]:
    """What is lost, changed, in two places or of nowhere: a line each."""
    return [
        line
        for table, rows in before.rows.items()
        for line in _faults(table, rows, after.rows[table], after.set_aside[table], after)
    ]


def _faults(
    table: str, before: dict[str, Row], after: dict[str, Row], aside: dict[str, Row], books: Books
) -> Iterator[str]:
    for key, row in before.items():
        places = [place for place in (after, aside) if key in place]
        if len(places) != 1:
            yield f"{table} {key} is in {len(places)} places"
        elif key in aside:
            if aside[key] != row:
                yield f"{table} {key} was changed when it was set aside: {row} {aside[key]}"
        else:
            for column, value in row.items():
                now = after[key][RENAMED.get(column, column)]
                if not _same(table, column, key, value, now, books):
                    yield f"{table}.{column} {key}: {value} became {now}"
    yield from (f"{table} {key} is of nowhere" for key in (after.keys() | aside.keys()) - before.keys())


def _same(table: str, column: str, key: str, before: str | None, now: str | None, books: Books) -> bool:
    if before is None and table == "instrument_registry" and column in {"tradingsymbol", "exchange"}:
        return now is not None  # filled from the instrument, as a test of its own shows
    if now is None and before is not None:
        return before == NOTHING.get(column)
    if before is None or now is None:
        return before is now
    if column in MONEY and table == "portfolio_snapshots":
        return now == before if before in {"NaN", "Infinity", "-Infinity"} else Decimal(now) == Decimal(before)
    if column not in DOCUMENTS:
        return now == before
    mended = books.mended.get((table, column), {}).get(key)
    if mended is None:
        return _parsed(before) == _parsed(now)
    return mended["original"] == before and _parsed(mended["repaired"]) == _parsed(now)


def _parsed(text: str | None) -> Any:
    return json.loads(text or "null", parse_float=Decimal, parse_int=Decimal)
