"""Trading events: rows that are new, inserted once each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import orjson
from sqlalchemy.dialects.postgresql import insert

from benchmarks.database import rows
from benchmarks.database.server import server
from benchmarks.database.writing import Batches, by_executemany, by_repository, by_row
from benchmarks.measurement import Measurement, Options, Sample
from benchmarks.path.servers import execute
from benchmarks.rounds import interleave, seconds
from persistence.models import trading_events

COLUMNS = (
    "event_id",
    "event_type",
    "broker_namespace",
    "strategy_id",
    "instrument_token",
    "event_data",
    "correlation_id",
    "event_timestamp",
)
BY_ROW = f"""
    INSERT INTO trading_events ({", ".join(COLUMNS)}) VALUES ({", ".join(f"%({name})s" for name in COLUMNS)})
    ON CONFLICT (event_id) DO NOTHING
"""
INSERT = insert(trading_events).on_conflict_do_nothing(index_elements=["event_id"])
A_COMMIT = 1_000


def events(options: Options) -> list[Measurement]:
    """The two ways of the repository, and the same by row and by executemany."""
    count = options.size(20_000, 200)

    def rate(write: Callable[[Batches], None], shape: Callable[[rows.EventRow], Any]) -> float:
        batches = rows.batches([shape(row) for row in rows.events(count)], A_COMMIT)
        execute(url, "TRUNCATE trading_events")
        return count / seconds(lambda: write(batches))

    with server() as used:
        url = used.new_database()
        figures = interleave(
            options,
            lambda: rate(lambda given: by_repository(url, given, lambda unit, some: unit.events.copy(some)), _same),
            lambda: rate(lambda given: by_repository(url, given, lambda unit, some: unit.events.add(some)), _same),
            lambda: rate(lambda given: by_row(url, given, BY_ROW), _with_text),
            lambda: rate(lambda given: by_executemany(url, given, INSERT), _with_object),
        )
    copied, added, by_rows, by_core = (Sample(side) for side in figures)
    found = []
    for way, ours in (("copied", copied), ("added", added)):
        what = f"events {way}, {A_COMMIT:,} a commit"
        found.append(Measurement(what, "rows/s", ours, by_rows, None, "psycopg2 by row"))
        found.append(
            Measurement(f"{what}, beside executemany", "rows/s", ours, by_core, None, "SQLAlchemy executemany")
        )
    return found


def _same(row: rows.EventRow) -> rows.EventRow:
    return row


def _with_text(row: rows.EventRow) -> dict[str, Any]:
    return {**asdict(row), "event_data": row.event_data.decode()}


def _with_object(row: rows.EventRow) -> dict[str, Any]:
    return {**asdict(row), "event_data": orjson.loads(row.event_data)}
