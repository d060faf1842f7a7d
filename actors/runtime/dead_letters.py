"""Messages that no actor will handle: counted exactly, logged at a bounded rate, the last ones kept."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from actors.runtime.clock import Clock
from actors.runtime.correlation import ids_of

KEPT = 100
"""The newest ones that are kept of each actor, and of all together."""
ACTORS_KEPT = 1000
"""Of more actors than this, those are dropped whose newest dead letter is the oldest."""
LOG_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that was not handled; only its type is kept, as its content may be secret."""

    actor: str
    message_type: str
    reason: str
    at: datetime


class DeadLetters:
    """Thread-safe. `on_delivery` is told each dead message that came from a stream, so that it is delivered again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._by_actor: Counter[str] = Counter()
        self._last: deque[DeadLetter] = deque(maxlen=KEPT)
        self._last_of: OrderedDict[str, deque[DeadLetter]] = OrderedDict()
        self._logged_at = float("-inf")
        self._unlogged = 0
        self._log = structlog.get_logger("dead_letters")
        self.on_delivery: Callable[[Any], None] | None = None

    def add(self, actor: str, message: Any, reason: str) -> None:
        """Record one message addressed to `actor` that will not be handled."""
        letter = DeadLetter(actor, type(message).__name__, reason, self._clock.now())
        with self._lock:
            self._counts[actor, reason] += 1
            self._by_actor[actor] += 1
            self._keep(letter)
            now = self._clock.monotonic()
            due = now - self._logged_at >= LOG_EVERY_S
            more, self._unlogged = (self._unlogged, 0) if due else (0, self._unlogged + 1)
            if due:
                self._logged_at = now
        if due:
            about = {"message": letter.message_type, "reason": reason, **ids_of(message)}
            self._log.warning("dead letter", actor=actor, **about, more=more)
        delivery = getattr(message, "delivery", None)
        if delivery is not None and self.on_delivery is not None:
            self.on_delivery(delivery)

    def _keep(self, letter: DeadLetter) -> None:
        self._last.append(letter)
        kept = self._last_of.setdefault(letter.actor, deque(maxlen=KEPT))
        kept.append(letter)
        self._last_of.move_to_end(letter.actor)
        if len(self._last_of) > ACTORS_KEPT:
            self._last_of.popitem(last=False)

    def total(self) -> int:
        with self._lock:
            return self._counts.total()

    def count(self, actor: str) -> int:
        """How many were addressed to that actor."""
        with self._lock:
            return self._by_actor[actor]

    def counts(self) -> dict[tuple[str, str], int]:
        """How many by (actor, reason)."""
        with self._lock:
            return dict(self._counts)

    def reasons(self, actor: str) -> dict[str, int]:
        """How many were addressed to that actor, by reason."""
        return {reason: count for (name, reason), count in self.counts().items() if name == actor}

    def last(self, actor: str | None = None) -> tuple[DeadLetter, ...]:
        """The newest ones, oldest first: of that actor, or of all."""
        with self._lock:
            return tuple(self._last if actor is None else self._last_of.get(actor, ()))
