"""Messages that could not be handled, kept with their reason and original bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, RowMapping, case, delete, func, or_, select, update

from persistence import models
from persistence.bulk import encode, insert
from persistence.kept_payloads import HEAD_BYTES, is_current, keep, original_size, read
from persistence.records import DeadLetterRecord, DeadLetterSummary, Resealed
from persistence.repositories.rows import as_columns, value_of
from persistence.token_cipher import TokenCipher

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
PIECE_BYTES = 2 << 20
_table = models.dead_letters
_newest_first = (_table.c.created_at.desc(), _table.c.id)

DeadLetters = list[DeadLetterRecord]
Summaries = list[DeadLetterSummary]


class DeadLetterRepository:
    """Rows of `dead_letters`."""

    def __init__(self, connection: Connection, cipher: TokenCipher | None = None) -> None:
        self._connection = connection
        self._cipher = cipher or TokenCipher(())

    def add(self, rows: Sequence[object]) -> int:
        """Store the letters; an id that is there already is left alone. Returns how many went in.

        Rows have the fields of `DeadLetterRecord` but for `created_at` and what is told of replays, the payload as
        bytes. Text that PostgreSQL refuses is made storable, as a dead letter must never become poison itself. The
        payload stays exact, unless the row has a `substitute`, as in `kept_payloads`: then it is sealed, or replaced.
        """
        if not rows:
            return 0
        storable = [
            {name: _storable(value) for name, value in as_columns(row, _COLUMNS).items()} | {"payload": self._kept(row)}
            for row in rows
        ]
        statement = insert(_table, _COLUMNS, ("id",))
        return self._connection.exec_driver_sql(statement, (encode(storable),)).rowcount

    def count(self) -> int:
        """How many there are."""
        return self._connection.execute(select(func.count()).select_from(_table)).scalar_one()

    def list(self, limit: int) -> DeadLetters:
        """At most `limit` letters, newest first."""
        newest = select(_table).order_by(*_newest_first).limit(limit)
        return [self._record(row) for row in self._connection.execute(newest)]

    def summaries(self, limit: int, reason: str | None = None) -> Summaries:
        """At most `limit` letters without their bytes, newest first; those alone whose reason or error class holds
        the text `reason`, if given, in whatever case.
        """
        known = _table.c
        head = func.substring(known.payload, 1, HEAD_BYTES).label("head")
        size = func.length(known.payload).label("size")
        columns = (known.id, known.subject, known.reason, known.error_class, head, size, known.created_at)
        wanted = select(*columns, known.replays, known.replayed_at).order_by(*_newest_first).limit(limit)
        if reason is not None:
            holds = (column.icontains(reason, autoescape=True) for column in (known.reason, known.error_class))
            wanted = wanted.where(or_(*holds))
        return [_summary(row) for row in self._connection.execute(wanted).mappings()]

    def find(self, first_id: str, last_id: str, limit: int) -> DeadLetters:
        """At most `limit` letters whose ids lie between these two, both included."""
        wanted = select(_table).where(_table.c.id.between(first_id, last_id)).order_by(_table.c.id).limit(limit)
        return [self._record(row) for row in self._connection.execute(wanted)]

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
        return None if row is None else self._record(row)

    def older_than(self, age_s: float) -> tuple[datetime, int]:
        """The time so many seconds ago, by the database's clock, and how many letters were stored before it."""
        before = self._connection.execute(select(func.now() - func.make_interval(0, 0, 0, 0, 0, 0, age_s))).scalar_one()
        counted = select(func.count(case((_table.c.created_at < before, 1)))).select_from(_table)
        return before, self._connection.execute(counted).scalar_one()

    def purge(self, before: datetime, limit: int) -> int:
        """Delete at most `limit` letters stored before that time, oldest first; returns how many went."""
        oldest = select(_table.c.id).where(_table.c.created_at < before).order_by(_table.c.created_at).limit(limit)
        return self._connection.execute(delete(_table).where(_table.c.id.in_(oldest))).rowcount

    def prune(self, age_s: float, limit: int) -> int:
        """Delete at most `limit` letters stored that many seconds ago or earlier, oldest first; returns how many."""
        before = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, age_s)
        oldest = select(_table.c.id).where(_table.c.created_at < before).order_by(_table.c.created_at).limit(limit)
        return self._connection.execute(delete(_table).where(_table.c.id.in_(oldest))).rowcount

    def reseal(self, after: str | None, limit: int, substitute: Callable[[str, bytes], bytes | None]) -> Resealed:
        """Seal the payloads of at most `limit` letters, and of no more once they have `PIECE_BYTES`, in the order of
        their ids, with the first key. `last` is None once there is none to look at.

        Args:
            after: the last id of the portion before.
            limit: of the letters that are looked at.
            substitute: tells by subject and payload what may be kept in clear, as in `kept_payloads`.
        """
        rows = self._portion(after, limit)
        counts = Counter[str]()
        unreadable = []
        for row in rows:
            kept = bytes(row.payload)
            current, found = is_current(kept, self._cipher), read(kept, self._cipher)
            if current:
                counts["current"] += 1
            elif current is False and found.lost:
                unreadable.append(row.id)
            elif current is False or (not found.lost and substitute(row.subject, found.data) is not None):
                sealed = keep(found.data, b"", self._cipher)
                same = (_table.c.id == row.id) & (_table.c.payload == kept)
                done = self._connection.execute(update(_table).where(same).values(payload=sealed)).rowcount
                counts["in_clear" if current is None else "resealed"] += done
        last = rows[-1].id if rows else None
        return Resealed(last, counts["resealed"], counts["current"], counts["in_clear"], tuple(unreadable))

    def _portion(self, after: str | None, limit: int) -> Sequence[Any]:
        size = func.octet_length(_table.c.payload)
        earlier = (func.sum(size).over(order_by=_table.c.id) - size).label("earlier_bytes")
        wanted = select(_table.c.id, earlier).order_by(_table.c.id).limit(limit)
        if after is not None:
            wanted = wanted.where(_table.c.id > after)
        first = wanted.subquery()
        columns = (_table.c.id, _table.c.subject, _table.c.payload)
        some = select(*columns).join(first, first.c.id == _table.c.id).where(first.c.earlier_bytes < PIECE_BYTES)
        return self._connection.execute(some.order_by(_table.c.id)).all()

    def _kept(self, row: object) -> bytes:
        substitute = None if isinstance(row, Mapping) else getattr(row, "substitute", None)
        return keep(value_of(row, "payload"), substitute, self._cipher)

    def _record(self, row: Row[Any]) -> DeadLetterRecord:
        payload = read(bytes(row.payload), self._cipher)
        return DeadLetterRecord(
            **{**row._mapping, "payload": payload.data}, size=payload.size, payload_lost=payload.lost
        )


def _summary(row: RowMapping) -> DeadLetterSummary:
    columns = dict(row)
    head, length = bytes(columns.pop("head")), columns.pop("size")
    return DeadLetterSummary(**columns, size=original_size(head, length))


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
    if isinstance(value, Mapping):
        return {_storable(str(name)): _storable(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_storable(one) for one in value]
    return value
