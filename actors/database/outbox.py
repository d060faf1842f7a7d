"""What has been committed and is still to be published, by whom, and what of it nobody has in hand."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from actors.database.commit import decode_outbox
from actors.messages import OutboxBatch, OutboxLoaded
from actors.rows import OutboundMessage
from actors.runtime.clock import Clock
from persistence.database import Database

PIECE_BYTES = 2 << 20
"""Of compressed rows that are read at once; the messages take about eight times as much."""
STRAY_AFTER_S = 15.0
"""A row that old was left by a process that has ended: publishing takes milliseconds, and who has it in hand lives here
or holds the lease."""

SHARED = frozenset({"auth", "market"})
"""First tokens of subjects that are no broker's."""


class Outbox:
    """For the writer's thread alone.

    The gateway gets each commit's batch as it is committed. Rows that it does not have come from a commit whose answer
    was lost, from an earlier process, or from another that acted for a broker before this one: they are read from the
    table, a piece at a time, and the next piece when the last one is published.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._in_hand: set[str] = set()
        self._strays: set[str] = set()
        self._last: tuple[datetime, str] | None = None
        self._min_age_s = 0.0
        self.told_more = False
        """Whether the gateway holds back what is new, as more of what is old is to come."""
        self.published: list[str] = []
        """Rows to be dropped with the next commit."""

    @property
    def goes_on(self) -> bool:
        """Whether there is more to read, and what was read before is published."""
        return self._last is not None and not self._strays

    def hand_over(self, batch_id: str) -> None:
        """The gateway is told the batch."""
        self._in_hand.add(batch_id)

    def note_published(self, ids: Sequence[str]) -> None:
        """Every message of these rows is acknowledged."""
        self._in_hand.difference_update(ids)
        self._strays.difference_update(ids)
        self.published += ids

    def dropped(self) -> None:
        """The published rows are gone."""
        self.published = []

    def forget(self) -> None:
        """The gateway is a new one and has nothing in hand."""
        self._in_hand.clear()
        self.restart()

    def restart(self) -> None:
        """Read from the oldest row again."""
        self._strays.clear()
        self._last = None

    def load(self, brokers: Collection[str], min_age_s: float = 0.0) -> OutboxLoaded:
        """The next piece of what nobody has in hand; what is another process's to publish is left to it.

        Args:
            brokers: whose leases this process holds.
            min_age_s: rows younger than this many seconds are left out.

        Raises:
            Unavailable, Conflict: try again.
        """
        if self._last is None:
            self._min_age_s = min_age_s
        loaded = self._piece(SHARED.union(brokers))
        while not loaded.batches and loaded.more:
            loaded = self._piece(SHARED.union(brokers))
        return loaded

    def _piece(self, first_tokens: Collection[str]) -> OutboxLoaded:
        with self._database.read_unit() as work:
            records, now = work.outbox.load(PIECE_BYTES, self._min_age_s, self._last)
        batches, oldest_s, size = [], 0.0, 0
        for record in records:
            size += len(record.messages)
            if record.id in self._in_hand or record.id in self.published:
                continue
            messages = decode_outbox(record.messages)
            if _are_ours(messages, first_tokens):
                batches.append(OutboxBatch(record.id, messages))
                oldest_s = max(oldest_s, (now - record.created_at).total_seconds())
        self._last = (records[-1].created_at, records[-1].id) if size >= PIECE_BYTES else None
        self._strays |= {batch.id for batch in batches}
        self._in_hand |= self._strays
        return OutboxLoaded(tuple(batches), oldest_s, self._clock.monotonic(), self._last is not None)


def _are_ours(messages: Sequence[OutboundMessage], first_tokens: Collection[str]) -> bool:
    return all(message.subject.partition(".")[0] in first_tokens for message in messages)
