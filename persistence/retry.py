"""The one place where work is repeated because the database could not serve it just now.

Whole transactions are repeated, each on a fresh snapshot, with pauses that grow and are drawn at random, until the
budget is spent; then the last error goes to the caller. The writer does not use this: it repeats by timer messages, so
that its mailbox never waits for a pause.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from persistence.errors import Conflict, PersistenceError, Unavailable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Budget:
    """How often and how long work is tried.

    Args:
        attempts: at most, with the first.
        within_s: no attempt begins later than this after the first began.
        first_pause_s: before the second attempt, at most; doubled each time.
        longest_pause_s: where the doubling ends.
        of: the errors after which another attempt can succeed.
    """

    attempts: int = 5
    within_s: float = 5.0
    first_pause_s: float = 0.01
    longest_pause_s: float = 1.0
    of: tuple[type[PersistenceError], ...] = (Conflict, Unavailable)

    def pause_s(self, attempt: int, chance: float) -> float:
        """The pause after that attempt, the first being 1: half to all of its length, by `chance` from 0 to 1."""
        return min(self.longest_pause_s, self.first_pause_s * 2.0 ** min(attempt - 1, 60)) * (0.5 + chance / 2)


READING = Budget(attempts=3, within_s=0.5, longest_pause_s=0.05)
"""For an actor that reads: a lost connection costs it a moment, an outage is told at once."""


def retried(work: Callable[[], T], budget: Budget) -> T:
    """What `work` returns, which is a whole transaction and may be done twice. Blocks the calling thread meanwhile.

    Raises:
        PersistenceError: the last attempt's error, or one that no repeat can help.
    """
    began = time.monotonic()
    attempt = 1
    while True:
        try:
            return work()
        except budget.of:
            pause_s = budget.pause_s(attempt, random.random())  # noqa: S311
            if attempt >= budget.attempts or time.monotonic() + pause_s > began + budget.within_s:
                raise
        time.sleep(pause_s)
        attempt += 1
