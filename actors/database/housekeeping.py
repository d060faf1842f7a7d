"""What the writer tidies up in the course of time, a few rows at once, so that no commit has to wait for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from actors.database.chores import Chore, chores
from actors.database.parking import Parking
from actors.database.publication import Publication
from actors.database.tally import Tally
from actors.messages import PruneMore, TidyUp
from actors.runtime.cell import Context
from persistence.database import Database
from settings import HousekeepingSettings

TIDY_EVERY_S = 10.0
PRUNE_AGAIN_S = 0.25
"""Between two portions while there are more: up to 8,000 keys or 2,000 events a second, half of it for two tables."""


class Housekeeping:
    """Strays of the outbox, and rows that are too old; for the writer's thread alone.

    Args:
        context: the writer's.
        database: where the rows are.
        publication: for the outbox.
        parking: for when the server is away.
        settings: how long what is kept.
        tally: counts what goes, once that is committed.
    """

    def __init__(
        self,
        context: Context,
        database: Database,
        publication: Publication,
        parking: Parking,
        settings: HousekeepingSettings,
        tally: Tally,
    ) -> None:
        self._context = context
        self._database = database
        self._publication = publication
        self._parking = parking
        self._chores = chores(settings, tally.events_pruned, tally.purged)
        self._waiting: list[Chore] = []
        self._status = self._built()

    def handlers(self) -> Mapping[type, Callable[[Any], None]]:
        """What its messages have the writer do."""
        return {TidyUp: self._tidy_up, PruneMore: self._prune_more}

    def begin(self) -> None:
        """Have the first round come."""
        self._context.after(TIDY_EVERY_S, TidyUp())

    def as_status(self) -> Mapping[str, Any]:
        """What is pruned and how far that is, by table; what is kept for ever is not in it."""
        return self._status

    def _tidy_up(self, _: TidyUp) -> None:
        """Begin a round, unless one is under way; an outage ends it."""
        self._context.after(TIDY_EVERY_S, TidyUp())
        if self._parking.away is not None:
            self._waiting = []
        elif self._parking.attempt(self._publication.look_for_strays) and not self._waiting:
            self._waiting = list(self._chores)
            self._prune_more(PruneMore())

    def _prune_more(self, _: PruneMore) -> None:
        """One portion of the table whose turn it is; one that is not done yet comes again after the others."""
        if self._parking.away is not None or not self._parking.attempt(self._do_next):
            self._waiting = []
        elif self._waiting:
            self._context.after(PRUNE_AGAIN_S, PruneMore())

    def _do_next(self) -> None:
        chore = self._waiting.pop(0)
        if chore.do(self._database, self._context.clock.now()):
            self._waiting.append(chore)
        self._status = self._built()

    def _built(self) -> Mapping[str, Any]:
        return {chore.table: chore.as_status() for chore in self._chores}
