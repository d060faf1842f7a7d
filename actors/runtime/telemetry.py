"""What an actor shows of itself while it works: plain attributes written by its own thread, read by anybody."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

CRASHES_KEPT = 5


class Snapshot(Protocol):
    """An immutable picture that an actor publishes of its own part of the world."""

    def as_status(self, now: float, /) -> dict[str, Any]:
        """Its part of the status document; `now` is the clock's monotonic seconds, for ages."""


@dataclass(frozen=True, slots=True)
class CrashRecord:
    """One crash of an actor; of the message only its type is kept, as its content may be secret."""

    at: datetime
    generation: int
    message_type: str
    error: str
    traceback: str


class Telemetry:
    """One incarnation's, with counters that go on from its predecessor's.

    `handling` is the type of the message in hand, or a word for what else it does; `handling_since` is monotonic, and
    stays when the handler ends. `busy_s` is how long the batches of messages took that are done with. `pulse`,
    monotonic too, is the last sign of life of a thread that the actor has besides its own; 0 if there is none.
    """

    __slots__ = ("busy_s", "crashes", "failed", "handled", "handling", "handling_since", "pulse", "snapshot", "thread")

    def __init__(self) -> None:
        self.handled = 0
        self.failed = 0
        self.busy_s = 0.0
        self.handling: type | str | None = None
        self.handling_since = 0.0
        self.pulse = 0.0
        self.snapshot: Snapshot | None = None
        self.crashes: deque[CrashRecord] = deque(maxlen=CRASHES_KEPT)
        self.thread: threading.Thread | None = None

    @property
    def doing(self) -> str | None:
        """`handling` as a word."""
        handling = self.handling
        return handling.__name__ if isinstance(handling, type) else handling

    def successor(self) -> Telemetry:
        """What the next incarnation writes to; what an abandoned one still writes is seen by nobody."""
        fresh = Telemetry()
        fresh.handled, fresh.failed, fresh.busy_s = self.handled, self.failed, self.busy_s
        fresh.snapshot = self.snapshot
        fresh.crashes = self.crashes.copy()
        return fresh
