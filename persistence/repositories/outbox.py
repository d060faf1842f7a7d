"""What has been committed and is still to be published: one row for each commit."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, delete, insert, select

from persistence import models
from persistence.records import OutboxRecord

_table = models.outbox


class OutboxRepository:
    """Rows of `outbox`; a row is deleted once its messages are acknowledged."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, row_id: UUID | str, messages: bytes) -> None:
        """Keep the messages of this commit. The repeat of an ambiguous commit needs an id of its own."""
        self._connection.execute(insert(_table).values(id=str(row_id), messages=messages))

    def load(self, limit: int) -> list[OutboxRecord]:
        """At most `limit` rows, oldest first."""
        oldest = select(_table).order_by(_table.c.created_at, _table.c.id).limit(limit)
        return [OutboxRecord(row.id, bytes(row.messages), row.created_at) for row in self._connection.execute(oldest)]

    def delete(self, ids: Sequence[UUID | str]) -> int:
        """Drop published rows; ids that are gone already are no error. Returns how many went."""
        if not ids:
            return 0
        return self._connection.execute(delete(_table).where(_table.c.id.in_([str(one) for one in ids]))).rowcount
