"""What the writer counts for the status."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from actors.database.transaction import Written


class Tally:
    """For the writer's thread alone."""

    def __init__(self) -> None:
        self.commits = 0
        self.rows = 0
        self.committed_at: float | None = None
        """Monotonic."""
        self.dead_letters = 0
        self._events: dict[str, Counter[str]] = {}

    def committed(self, written: Written, now: float) -> None:
        """Count one commit."""
        self.commits += 1
        self.rows += written.rows
        self.committed_at = now
        for unit in written.plan.fresh:
            self.dead_letters += unit.dead_letter is not None
            for event in unit.events:
                self._events.setdefault(event.broker_namespace, Counter())[event.event_type] += 1

    def events_pruned(self, counts: Mapping[tuple[str, str], int]) -> None:
        """So many events of each broker and type are gone: what is counted is what is stored."""
        for (broker, kind), events in counts.items():
            if broker in self._events:
                self._events[broker][kind] = max(0, self._events[broker][kind] - events)

    def purged(self, dead_letters: int) -> None:
        """So many dead letters are gone."""
        self.dead_letters = max(0, self.dead_letters - dead_letters)

    def knows(self, broker: str) -> bool:
        """Whether the broker's events are counted."""
        return broker in self._events

    def begin(self, broker: str, counts: dict[str, int]) -> None:
        """Count the broker's events on from these."""
        self._events[broker] = Counter(counts)

    def forget(self, broker: str) -> None:
        """Another process writes the broker's events."""
        self._events.pop(broker, None)

    @property
    def events(self) -> dict[str, dict[str, int]]:
        """Of each broker, how many events of each type are stored."""
        return {broker: dict(counts) for broker, counts in self._events.items()}
