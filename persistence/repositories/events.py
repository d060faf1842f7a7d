"""The history of trading events, written once each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

import orjson
import psycopg2
from sqlalchemy import Connection, func, select, text

from persistence import models
from persistence.bulk import encode, insert
from persistence.repositories.rows import as_columns

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

_COPY = f"COPY trading_events ({', '.join(_COLUMNS)}) FROM STDIN"
_PIECE_ROWS = 300
_MAX_LINE_BYTES = 1 << 22
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


_PRUNE = text("""
    WITH oldest AS (
        SELECT id, COALESCE(created_at, event_timestamp) < now() - make_interval(secs => :age_s) AS is_old
        FROM trading_events WHERE id > :after ORDER BY id LIMIT :limit
    ), gone AS (
        DELETE FROM trading_events USING oldest WHERE oldest.is_old AND trading_events.id = oldest.id
        RETURNING trading_events.id, broker_namespace, event_type
    )
    SELECT broker_namespace, event_type, count(*) AS events, max(id) AS last FROM gone GROUP BY 1, 2
""")


class Pruned(NamedTuple):
    """How many events were deleted, the last id among them, and how many of each broker and type."""

    events: int
    after: int
    counts: dict[tuple[str, str], int]


class Event(Protocol):
    """One event to be copied; `event_data` is JSON, `event_timestamp` is aware, or a text that PostgreSQL reads."""

    @property
    def event_id(self) -> str: ...
    @property
    def event_type(self) -> str: ...
    @property
    def broker_namespace(self) -> str: ...
    @property
    def strategy_id(self) -> str: ...
    @property
    def instrument_token(self) -> int: ...
    @property
    def event_data(self) -> bytes: ...
    @property
    def correlation_id(self) -> str | None: ...
    @property
    def event_timestamp(self) -> datetime | str: ...


class _Lines:
    """A file of the rows' lines, made a piece at a time: PostgreSQL takes one while the next is made."""

    def __init__(self, rows: Sequence[Event]) -> None:
        self._rows = rows
        self._at = 0
        self.error: UnicodeEncodeError | None = None
        """Why a line cannot be made, as the driver only says that there was an error."""

    def read(self, _size: int) -> bytes:
        some = self._rows[self._at : self._at + _PIECE_ROWS]
        self._at += len(some)
        try:
            return "".join([_line(row) for row in some]).encode()
        except UnicodeEncodeError as error:
            self.error = error
            raise


class EventRepository:
    """Rows of `trading_events`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, rows: Sequence[object]) -> int:
        """Append events in the order given; an `event_id` that is there already is left alone. Returns how
        many went in.

        Rows have the fields event_id, event_type, broker_namespace, strategy_id, instrument_token, event_data
        (JSON as bytes, or what becomes JSON), correlation_id and event_timestamp (aware).
        """
        if not rows:
            return 0
        statement = insert(models.trading_events, _COLUMNS, ("event_id",))
        given = [as_columns(row, _COLUMNS) for row in rows]
        for row in given:
            if isinstance(row["event_data"], bytes):
                row["event_data"] = orjson.Fragment(row["event_data"])
        return self._connection.exec_driver_sql(statement, (encode(given),)).rowcount

    def copy(self, rows: Sequence[Event]) -> None:
        """Append events that are new, in the order given, in two thirds of the time that `add` takes.

        Raises:
            psycopg2.errors.UniqueViolation: one is there already; nothing is appended.
        """
        if not self._connection.in_transaction():
            self._connection.begin()  # SQLAlchemy does not see what the driver's cursor does
        cursor = self._connection.connection.cursor()
        lines = _Lines(rows)
        try:
            cursor.copy_expert(_COPY, lines, _MAX_LINE_BYTES)
        except psycopg2.Error:
            if lines.error is not None:
                raise lines.error from None
            raise
        finally:
            cursor.close()

    def prune(self, age_s: float, limit: int, after: int) -> Pruned:
        """Delete at most `limit` of the events stored that many seconds ago or earlier, in the order they were stored.

        Only the first `limit` rows beyond the id `after` are looked at, by the key, so that it takes the same time
        however many there are; after a young one among them comes none that is old.
        """
        given = {"age_s": age_s, "limit": limit, "after": after}
        counts: dict[tuple[str, str], int] = {}
        for row in self._connection.execute(_PRUNE, given):
            counts[row.broker_namespace, row.event_type] = row.events
            after = max(after, row.last)
        return Pruned(sum(counts.values()), after, counts)

    def count_by_type(self, broker: str) -> dict[str, int]:
        """How many events of each type the broker has."""
        table = models.trading_events
        counts = (
            select(table.c.event_type, func.count())
            .where(table.c.broker_namespace == broker)
            .group_by(table.c.event_type)
        )
        return {row[0]: row[1] for row in self._connection.execute(counts)}


def _line(row: Event) -> str:
    """The event as a line of COPY's text format."""
    fields = f"{row.event_id}\t{row.event_type}\t{row.broker_namespace}\t{row.strategy_id}\t{row.instrument_token}"
    correlation_id = row.correlation_id
    data = row.event_data.decode()
    if correlation_id is None or _is_special(fields, 4) or _is_special(correlation_id, 0):
        texts = (row.event_id, row.event_type, row.broker_namespace, row.strategy_id)
        fields = "\t".join((*(text.translate(_ESCAPES) for text in texts), str(row.instrument_token)))
        correlation_id = "\\N" if correlation_id is None else correlation_id.translate(_ESCAPES)
    if "\\" in data:
        data = data.replace("\\", "\\\\")
    return f"{fields}\t{data}\t{correlation_id}\t{row.event_timestamp}\n"


def _is_special(text: str, tabs: int) -> bool:
    return text.count("\t") != tabs or "\\" in text or "\n" in text or "\r" in text
