"""Which messages have been dealt with: the idempotency keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection, text

from persistence import models
from persistence.bulk import encode, insert

_KEY = ("consumer", "message_id")
_COLUMNS = (*_KEY, "stream_seq")
_RELEASE = text("""
    DELETE FROM inbox WHERE consumer = :consumer AND message_id = :message_id AND received_at = :received_at
""")
_BY_INDEX = text("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
_PRUNE = text("""
    DELETE FROM inbox WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM inbox
        WHERE received_at < now() - make_interval(secs => :age_s)
          AND NOT EXISTS (
              SELECT FROM dead_letters AS replayed
              WHERE replayed.replays > 0 AND replayed.message_id = inbox.message_id
          )
        LIMIT :limit
    ))
""")


class InboxEntry(Protocol):
    """One message as a consumer got it."""

    @property
    def consumer(self) -> str: ...
    @property
    def message_id(self) -> str: ...
    @property
    def stream_seq(self) -> int | None: ...


class InboxRepository:
    """The keys (consumer, message id) of handled messages."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, entries: Sequence[InboxEntry]) -> set[tuple[str, str]]:
        """Note the messages as handled; returns the keys that were new. The others have had their effect
        already.

        Waits for a transaction that is noting the same key, and then sees its outcome.
        """
        if not entries:
            return set()
        statement = insert(models.inbox, _COLUMNS, _KEY) + " RETURNING consumer, message_id"
        return {(row[0], row[1]) for row in self._connection.exec_driver_sql(statement, (_encoded(entries),))}

    def note(self, entries: Iterable[InboxEntry]) -> int:
        """As `add`, but returns only how many of the keys, each given once, were new."""
        payload = _encoded(entries)
        return self._connection.exec_driver_sql(insert(models.inbox, _COLUMNS, _KEY), (payload,)).rowcount

    def release(self, consumer: str, message_id: str, received_at: datetime) -> bool:
        """Forget the key that the transaction of that time noted, so that its message may be handled after all; false
        when it was noted at another time, or not at all.
        """
        given = {"consumer": consumer, "message_id": message_id, "received_at": received_at}
        return self._connection.execute(_RELEASE, given).rowcount == 1

    def prune(self, age_s: float, limit: int) -> int:
        """Forget at most `limit` keys received that many seconds ago or earlier; returns how many went.

        Those of dead letters that were replayed are kept as long as the letters, as they may be replayed again. The
        index is walked whatever the planner thinks: of a table that grew since it was last analyzed it would read all,
        and by a bitmap all keys that are old.
        """
        self._connection.execute(_BY_INDEX)
        return self._connection.execute(_PRUNE, {"age_s": age_s, "limit": limit}).rowcount


def _encoded(entries: Iterable[InboxEntry]) -> str:
    return encode(
        [
            {"consumer": entry.consumer, "message_id": entry.message_id, "stream_seq": entry.stream_seq}
            for entry in entries
        ]
    )
