"""Reads the books of every broker, for a proof."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Engine, text

from persistence.books import TABLE, counting, record
from persistence.database import UNLIMITED_TRANSACTION
from persistence.records import PortfolioRecord
from persistence.translation import translated

_PORTION = 1_000


def read_books(engine: Engine, timeout_s: float) -> Iterator[PortfolioRecord]:
    """What counts of every broker, a portion at a time.

    Raises:
        Unavailable: it took longer.
        PersistenceError: it could not be asked.
    """
    only_reading = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with translated(), engine.connect().execution_options(**only_reading) as connection:
        connection.execute(text(f"SET LOCAL statement_timeout = {max(1, int(timeout_s * 1000))}"))
        connection.execute(UNLIMITED_TRANSACTION)
        rows = connection.execution_options(yield_per=_PORTION).execute(text(counting(TABLE)))
        for row in rows:
            yield record(tuple(row))
