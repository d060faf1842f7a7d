"""Messages that could not be handled, kept with their reason and original bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, case, delete, func, or_, select, update

from persistence import models
from persistence.bulk import encode, insert
from persistence.records import DeadLetterRecord, DeadLetterSummary
from persistence.repositories.rows import as_columns

_COLUMNS = (
    "id",
    "subject",
    "reason",
    "error_class",
    "broker",
    "consumer",
    "message_id",
    "stream",
    "stream_seq",
    "payload",
    "headers",
    "stored_at",
)
_table = models.dead_letters
_newest_first = (_table.c.created_at.desc(), _table.c.id)

DeadLetters = list[DeadLetterRecord]
Summaries = list[DeadLetterSummary]


class DeadLetterRepository:
    """Rows of `dead_letters`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, rows: Sequence[object]) -> int:
        """Store the letters; an id that is there already is left alone. Returns how many went in.

        Rows have the fields of `DeadLetterRecord` but for `created_at` and what is told of replays, the payload as
        bytes. Text that PostgreSQL refuses is made storable, as a dead letter must never become poison itself; the
        payload stays exact.
        """
        if not rows:
            return 0
        storable = [{name: _storable(value) for name, value in as_columns(row, _COLUMNS).items()} for row in rows]
        statement = insert(_table, _COLUMNS, ("id",))
        return self._connection.exec_driver_sql(statement, (encode(storable),)).rowcount

    def count(self) -> int:
        """How many there are."""
        return self._connection.execute(select(func.count()).select_from(_table)).scalar_one()

    def list(self, limit: int) -> DeadLetters:
        """At most `limit` letters, newest first."""
        newest = select(_table).order_by(*_newest_first).limit(limit)
        return [_record(row) for row in self._connection.execute(newest)]

    def summaries(self, limit: int, reason: str | None = None) -> Summaries:
        """At most `limit` letters without their bytes, newest first; those alone whose reason or error class holds
        the text `reason`, if given, in whatever case.
        """
        known = _table.c
        size = func.length(known.payload).label("size")
        columns = (known.id, known.subject, known.reason, known.error_class, size, known.created_at)
        wanted = select(*columns, known.replays, known.replayed_at).order_by(*_newest_first).limit(limit)
        if reason is not None:
            holds = (column.icontains(reason, autoescape=True) for column in (known.reason, known.error_class))
            wanted = wanted.where(or_(*holds))
        return [DeadLetterSummary(**row) for row in self._connection.execute(wanted).mappings()]

    def find(self, first_id: str, last_id: str, limit: int) -> DeadLetters:
        """At most `limit` letters whose ids lie between these two, both included."""
        wanted = select(_table).where(_table.c.id.between(first_id, last_id)).order_by(_table.c.id).limit(limit)
        return [_record(row) for row in self._connection.execute(wanted)]

    def claim(self, letter_id: str, *, again: bool) -> DeadLetterRecord | None:
        """Note that the letter is published again, and return it; None if it is gone.

        None also if it was published again before, unless `again`. Of several transactions that claim a letter at
        once, the later ones wait for the first.
        """
        marked = {"replays": _table.c.replays + 1, "replayed_at": func.now()}
        wanted = update(_table).where(_table.c.id == letter_id).values(marked).returning(_table)
        if not again:
            wanted = wanted.where(_table.c.replays == 0)
        row = self._connection.execute(wanted).one_or_none()
        return None if row is None else _record(row)

    def older_than(self, age_s: float) -> tuple[datetime, int]:
        """The time so many seconds ago, by the database's clock, and how many letters were stored before it."""
        before = self._connection.execute(select(func.now() - func.make_interval(0, 0, 0, 0, 0, 0, age_s))).scalar_one()
        counted = select(func.count(case((_table.c.created_at < before, 1)))).select_from(_table)
        return before, self._connection.execute(counted).scalar_one()

    def purge(self, before: datetime, limit: int) -> int:
        """Delete at most `limit` letters stored before that time, oldest first; returns how many went."""
        oldest = select(_table.c.id).where(_table.c.created_at < before).order_by(_table.c.created_at).limit(limit)
        return self._connection.execute(delete(_table).where(_table.c.id.in_(oldest))).rowcount


def _record(row: Row[Any]) -> DeadLetterRecord:
    return DeadLetterRecord(**{**row._mapping, "payload": bytes(row.payload)})


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
    if isinstance(value, Mapping):
        return {_storable(str(name)): _storable(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_storable(one) for one in value]
    return value
