"""The way from the outbox to the gateway and back: what to publish, and what is published and can be dropped."""

from __future__ import annotations

from actors.database.leases import Leases
from actors.database.outbox import STRAY_AFTER_S, Outbox
from actors.runtime.directory import Directory
from persistence.database import Database


class Publication:
    """For the writer's thread alone. Its methods raise `Unavailable` and `Conflict`: try again."""

    def __init__(self, database: Database, directory: Directory, outbox: Outbox, leases: Leases) -> None:
        self._database = database
        self._directory = directory
        self._outbox = outbox
        self._leases = leases

    def begin(self) -> None:
        """Tell a gateway that has nothing in hand what there is, also when there is nothing."""
        self._outbox.forget()
        loaded = self._outbox.load(self._leases.books)
        self._outbox.told_more = loaded.more
        self._directory["gateway"].tell_control(loaded)

    def restart(self) -> None:
        """Read from the oldest row again, and have the gateway publish what nobody else does."""
        self._outbox.restart()
        self.go_on()

    def go_on(self, min_age_s: float = 0.0) -> None:
        """Have the gateway publish the next piece of what nobody else does."""
        loaded = self._outbox.load(self._leases.books, min_age_s)
        if loaded.batches or self._outbox.told_more:
            self._outbox.told_more = loaded.more
            self._directory["gateway"].tell_control(loaded)

    def look_for_strays(self) -> None:
        """Have the gateway publish what a process left behind that has ended."""
        if not self._outbox.goes_on:
            self.go_on(STRAY_AFTER_S)

    def drop_published(self) -> None:
        """Drop the rows at once, as there is no commit to do it with."""
        with self._database.writer_unit() as work:
            work.outbox.delete(self._outbox.published)
            work.commit()
        self._outbox.dropped()
