"""The tables that are pruned: what of them is too old, and how much of it goes at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from persistence.database import Database
from persistence.unit_of_work import UnitOfWork
from settings import HousekeepingSettings

DAY_S = 86_400.0
KEYS_AT_ONCE = 2_000
EVENTS_AT_ONCE = 500
LETTERS_AT_ONCE = 100
SESSIONS_AT_ONCE = 100


class Chore:
    """One table's pruning.

    Args:
        table: its name.
        kept_days: the age from which on rows go.
        at_once: the rows of one portion.
        prune: deletes at most so many rows of an age in seconds; returns how many.
    """

    def __init__(
        self, table: str, kept_days: float, at_once: int, prune: Callable[[UnitOfWork, float, int], int]
    ) -> None:
        self.table = table
        self._kept_days = kept_days
        self._at_once = at_once
        self._prune = prune
        self._pruned = 0
        self._pruned_at: datetime | None = None
        self._goes_on = False

    def do(self, database: Database, now: datetime) -> bool:
        """Prune one portion, in a transaction of its own; returns whether there may be more.

        Raises:
            Unavailable, Conflict: try again.
        """
        with database.writer_unit() as work:
            gone = self._prune(work, self._kept_days * DAY_S, self._at_once)
            work.commit()
        if gone:
            self._pruned, self._pruned_at = self._pruned + gone, now
            self.settled(gone)
        self._goes_on = gone == self._at_once
        return self._goes_on

    def settled(self, gone: int) -> None:
        """Run after a portion, of so many rows, is committed."""

    def as_status(self) -> dict[str, Any]:
        """How long rows are kept, how many went since the writer started, and whether more are about to."""
        return {
            "kept_days": self._kept_days,
            "pruned": self._pruned,
            "pruned_at": None if self._pruned_at is None else self._pruned_at.isoformat().replace("+00:00", "Z"),
            "in_progress": self._goes_on,
        }


class _Letters(Chore):
    """Tells how many dead letters are gone."""

    def __init__(self, kept_days: float, told: Callable[[int], None]) -> None:
        super().__init__("dead_letters", kept_days, LETTERS_AT_ONCE, lambda work, *how: work.dead_letters.prune(*how))
        self._told = told

    def settled(self, gone: int) -> None:
        self._told(gone)


class _Events(Chore):
    """Goes on behind the last event that went, as the index still has the keys of those that are gone."""

    def __init__(self, kept_days: float, told: Callable[[Mapping[tuple[str, str], int]], None]) -> None:
        super().__init__("trading_events", kept_days, EVENTS_AT_ONCE, self._prune_events)
        self._told = told
        self._after = self._next_after = 0
        self._counts: Mapping[tuple[str, str], int] = {}

    def _prune_events(self, work: UnitOfWork, age_s: float, limit: int) -> int:
        done = work.events.prune(age_s, limit, self._after)
        self._next_after, self._counts = done.after, done.counts
        return done.events

    def settled(self, gone: int) -> None:  # noqa: ARG002  # the counts have it
        self._after = self._next_after
        self._told(self._counts)


def chores(
    kept: HousekeepingSettings,
    events_pruned: Callable[[Mapping[tuple[str, str], int]], None],
    letters_pruned: Callable[[int], None],
) -> list[Chore]:
    """Those of the tables that are not kept for ever; who counts their rows is told how many went."""
    wanted = [Chore("inbox", kept.inbox_kept_days, KEYS_AT_ONCE, lambda work, *how: work.inbox.prune(*how))]
    if kept.events_kept_days is not None:
        wanted.append(_Events(kept.events_kept_days, events_pruned))
    if kept.dead_letters_kept_days is not None:
        wanted.append(_Letters(kept.dead_letters_kept_days, letters_pruned))
    if kept.sessions_kept_days is not None:
        days = kept.sessions_kept_days
        wanted.append(Chore("trading_sessions", days, SESSIONS_AT_ONCE, lambda work, *how: work.sessions.prune(*how)))
    return wanted
