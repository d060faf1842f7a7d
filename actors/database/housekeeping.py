"""What the writer tidies up in the course of time, a few rows at once, so that no commit has to wait for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from actors.database.parking import Parking
from actors.database.publication import Publication
from actors.messages import PruneInbox, TidyUp
from actors.runtime.cell import Context
from persistence.database import Database

TIDY_EVERY_S = 10.0
INBOX_KEPT_S = 2 * 86_400.0
"""A key is kept twice as long as a stream keeps the message that it stands for."""
PRUNED_AT_ONCE = 2_000
PRUNE_AGAIN_S = 0.5
"""Between two prunings while there is more: up to 4,000 keys a second, more than come in the long run."""


class Housekeeping:
    """Strays of the outbox, and the oldest keys of the inbox; for the writer's thread alone."""

    def __init__(self, context: Context, database: Database, publication: Publication, parking: Parking) -> None:
        self._context = context
        self._database = database
        self._publication = publication
        self._parking = parking

    def handlers(self) -> Mapping[type, Callable[[Any], None]]:
        """What its messages have the writer do."""
        return {TidyUp: self._tidy_up, PruneInbox: self._prune_more}

    def begin(self) -> None:
        """Have the first round come."""
        self._context.after(TIDY_EVERY_S, TidyUp())

    def _tidy_up(self, _: TidyUp) -> None:
        self._context.after(TIDY_EVERY_S, TidyUp())
        if self._parking.away is None:
            with self._parking.on_outage():
                self._publication.look_for_strays()
                self._prune()

    def _prune_more(self, _: PruneInbox) -> None:
        if self._parking.away is None:
            with self._parking.on_outage():
                self._prune()

    def _prune(self) -> None:
        with self._database.writer_unit() as work:
            gone = work.inbox.prune(INBOX_KEPT_S, PRUNED_AT_ONCE)
            work.commit()
        if gone == PRUNED_AT_ONCE:
            self._context.after(PRUNE_AGAIN_S, PruneInbox())
