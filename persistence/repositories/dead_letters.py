"""Messages that could not be handled, kept with their reason and original bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from persistence import models
from persistence.bulk import encode, insert
from persistence.records import DeadLetterRecord
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
)
_table = models.dead_letters

DeadLetters = list[DeadLetterRecord]


class DeadLetterRepository:
    """Rows of `dead_letters`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, rows: Sequence[object]) -> int:
        """Store the letters; an id that is there already is left alone. Returns how many went in.

        Rows have the fields of `DeadLetterRecord` but for `created_at`, the payload as bytes. Text that
        PostgreSQL refuses is made storable, as a dead letter must never become poison itself; the payload
        stays exact.
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
        newest = select(_table).order_by(_table.c.created_at.desc(), _table.c.id).limit(limit)
        return [
            DeadLetterRecord(**{**row, "payload": bytes(row["payload"])})
            for row in self._connection.execute(newest).mappings()
        ]


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
    if isinstance(value, Mapping):
        return {_storable(str(name)): _storable(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_storable(one) for one in value]
    return value
