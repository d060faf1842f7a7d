"""While the server is away: what was in hand is kept, the mailbox waits, and the same is tried again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from actors.errors import TryAgain
from actors.masking import masked
from actors.messages import CommitUnit, RetryCommit
from actors.runtime.cell import Context
from persistence.errors import Conflict, Unavailable

RETRY_MIN_S = 0.05
RETRY_MAX_S = 1.0


class Parking:
    """For the writer's thread alone.

    Args:
        context: the writer's.
        log: the writer's.
        changed: called when the server is found to be away.
    """

    def __init__(self, context: Context, log: Any, changed: Callable[[], None]) -> None:
        self._context = context
        self._log = log
        self._changed = changed
        self._retry_s = RETRY_MIN_S
        self.away: str | None = None
        """Why the server is away; None while it is not."""
        self.units: list[CommitUnit] = []
        """What was in hand, to be tried again first."""

    def park(self, units: Sequence[CommitUnit], error: Exception) -> None:
        """Keep the units, serve no messages, and have `RetryCommit` come."""
        if self.away is None:
            self._log.warning("waiting for PostgreSQL", reason=str(error))
        self.away = masked(str(error))
        self.units += units
        self._context.suspend()
        self._context.after(self._retry_s, RetryCommit())
        self._retry_s = min(RETRY_MAX_S, self._retry_s * 2)
        self._changed()

    def take(self) -> list[CommitUnit]:
        """What is parked; it is no longer."""
        units, self.units = self.units, []
        return units

    def leave(self, units: int) -> None:
        """The server is back, and so many units have been tried again: serve messages."""
        self._log.info("resumed", units=units)
        self.away = None
        self._retry_s = RETRY_MIN_S
        self._context.resume()
        self._changed()

    def attempt(self, work: Callable[[], None]) -> bool:
        """Do the work; parks and returns False if the server turns out to be away."""
        try:
            work()
        except (Unavailable, Conflict) as error:
            self.park([], error)
            return False
        return True

    def later(self, handler: Callable[[Any], None]) -> Callable[[Any], None]:
        """A handler that, with the server away, leaves its message in the mailbox and parks."""

        def handle(message: Any) -> None:
            try:
                handler(message)
            except (Unavailable, Conflict) as error:
                self._context.push_back(message)
                self.park([], error)

        return handle

    def or_again(self, handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """A handler for somebody who waits: with the server away, it is theirs to ask again. What an answer that was
        lost leaves to publish is found in the outbox once the server is back.
        """

        def handle(message: Any) -> Any:
            try:
                return handler(message)
            except (Unavailable, Conflict) as error:
                self.park([], error)
                raise TryAgain(masked(f"{error}; try again")) from error

        return handle
