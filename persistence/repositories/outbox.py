"""What has been committed and is still to be published: one row for each commit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Connection, delete, func, insert, select, text

from persistence import models
from persistence.records import OutboxRecord
from persistence.token_cipher import SEALED, TokenCipher, TokenKeyError

_table = models.outbox
_SEALED = SEALED.encode()
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LOWEST = str(UUID(int=0))
_LOAD = text("""
    SELECT id, messages, created_at
    FROM outbox JOIN (
        SELECT id, sum(octet_length(messages)) OVER (ORDER BY created_at, id) - octet_length(messages) AS earlier_bytes
        FROM outbox
        WHERE created_at <= clock_timestamp() - make_interval(secs => :min_age_s)
          AND (created_at, id) > (CAST(:at AS timestamptz), CAST(:last AS uuid))
    ) AS wanted USING (id)
    WHERE earlier_bytes < :max_bytes
    ORDER BY created_at, id
""")


class OutboxRepository:
    """Rows of `outbox`; a row is deleted once its messages are acknowledged."""

    def __init__(self, connection: Connection, cipher: TokenCipher | None = None) -> None:
        self._connection = connection
        self._cipher = cipher or TokenCipher(())

    def add(self, row_id: UUID | str, messages: bytes, *, secret: bool = False) -> None:
        """Keep the messages of this commit, sealed if they are secret and there is a key. The repeat of an ambiguous
        commit needs an id of its own.
        """
        kept = _SEALED + self._cipher.encrypt(messages) if secret and self._cipher.seals else messages
        self._connection.execute(insert(_table).values(id=str(row_id), messages=kept))

    def load(
        self, max_bytes: int, min_age_s: float = 0.0, after: tuple[datetime, str] | None = None
    ) -> tuple[list[OutboxRecord], datetime]:
        """Rows of that age, oldest first, until they have so many bytes, at least one; and the database's time.

        `after` is the time and id of the last row that was read before. Rows that no configured key opens are left out.
        """
        at, last = after or (_EARLIEST, _LOWEST)
        given = {"max_bytes": max_bytes, "min_age_s": min_age_s, "at": at, "last": last}
        now = self._connection.execute(select(func.clock_timestamp())).scalar_one()
        rows = self._connection.execute(_LOAD, given)
        opened = ((row, self._opened(bytes(row.messages))) for row in rows)
        return [OutboxRecord(str(row.id), data, row.created_at) for row, data in opened if data is not None], now

    def _opened(self, kept: bytes) -> bytes | None:
        if not kept.startswith(_SEALED):
            return kept
        try:
            return self._cipher.decrypt(kept.removeprefix(_SEALED))
        except TokenKeyError:
            return None

    def delete(self, ids: Sequence[UUID | str]) -> int:
        """Drop published rows; ids that are gone already are no error. Returns how many went."""
        if not ids:
            return 0
        return self._connection.execute(delete(_table).where(_table.c.id.in_([str(one) for one in ids]))).rowcount
