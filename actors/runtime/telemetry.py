"""What an actor shows of itself while it works: plain attributes written by its own thread, read by anybody."""

from __future__ import annotations

from typing import Any, Protocol


class Snapshot(Protocol):
    """An immutable picture that an actor publishes of its own part of the world."""

    def as_status(self, now: float, /) -> dict[str, Any]:
        """Its part of the status document; `now` is the clock's monotonic seconds, for ages."""


class Telemetry:
    """One incarnation's, with counters that go on from its predecessor's."""

    __slots__ = ("dead_letters", "failed", "handled", "handling", "handling_since", "snapshot")

    def __init__(self) -> None:
        self.handled = 0
        self.failed = 0
        self.dead_letters = 0
        self.handling: str | None = None
        self.handling_since = 0.0
        self.snapshot: Snapshot | None = None

    def successor(self) -> Telemetry:
        """What the next incarnation writes to; what an abandoned one still writes is seen by nobody."""
        fresh = Telemetry()
        fresh.handled, fresh.failed, fresh.dead_letters = self.handled, self.failed, self.dead_letters
        fresh.snapshot = self.snapshot
        return fresh
