"""How much of its time long work takes while somebody trades: after each portion a pause in proportion to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SHARE = 0.15
"""Of the time, that is spent working beside who trades."""
LONGEST_PAUSE_S = 0.5
"""Far below the server's limit on a transaction that is idle, also after a portion that waited for a lock."""
ASKED_EVERY_S = 1.0


def pause_s(worked_s: float, *, trading: bool) -> float:
    """Seconds to pause after a portion that took `worked_s`."""
    return min(worked_s * (1 - SHARE) / SHARE, LONGEST_PAUSE_S) if trading else 0.0


class Pacing:
    """The pauses of one piece of work, on the thread that does it.

    Args:
        is_trading: asked before the first portion and then about once a second.
    """

    def __init__(self, is_trading: Callable[[], bool]) -> None:
        self._is_trading = is_trading
        self._trading = False
        self._asked_at = float("-inf")
        self.paused_s = 0.0
        """So far."""

    def trading(self) -> bool:
        """Whether somebody trades, as it was told within the last second."""
        if time.monotonic() - self._asked_at >= ASKED_EVERY_S:
            self._trading = self._is_trading()
            self._asked_at = time.monotonic()
        return self._trading

    @contextmanager
    def portion(self) -> Iterator[None]:
        """Around one portion of the work: pauses after it, unless it fails."""
        began = time.monotonic()
        yield
        pause = pause_s(time.monotonic() - began, trading=self.trading())
        if pause:
            time.sleep(pause)
            self.paused_s += pause
