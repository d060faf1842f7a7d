"""How fast messages go out: pure arithmetic on a clock's readings."""

from __future__ import annotations

BURST_S = 0.01
"""What is late is made up for in bursts of at most so much time's messages, each in half that time at the least."""


class Pace:
    """Spaces messages evenly: `rate` a second on average, however unpunctual the sleeps between them are.

    Args:
        rate: messages per second.
        now: the clock's present reading, seconds; the first message is due at once.
    """

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._started = now
        self._sent = 0
        self._most = max(1, int(rate * BURST_S))
        self._burst = 0
        self._burst_began = now

    def pause_s(self, now: float) -> float:
        """Seconds to wait before the next message, which is taken to be sent then."""
        due = self._started + self._sent / self._rate
        self._sent += 1
        self._burst += 1
        pause = max(0.0, due - now)
        if not pause and self._burst > self._most:
            pause = max(0.0, self._burst_began + BURST_S / 2 - now)
            self._begin(now + pause)
        elif pause:
            self._begin(due)
        return pause

    def _begin(self, moment: float) -> None:
        self._burst, self._burst_began = 1, moment
