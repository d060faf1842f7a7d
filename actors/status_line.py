"""The one line by which the service manager shows how the service fares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class StatusLine:
    """Written from one status document after another; it remembers the last one's signals, for their rate."""

    def __init__(self) -> None:
        self._signals: int | None = None
        self._at = 0.0

    def write(self, document: Mapping[str, Any], now: float) -> str:
        """For instance `ready: 2 brokers, 512 signals/s, postgres up, nats up`; `now` is monotonic seconds."""
        brokers = document["brokers"]
        signals = sum(broker["signals"] for broker in brokers.values())
        counted, self._signals = self._signals, signals
        passed_s, self._at = now - self._at, now
        rate = 0.0 if counted is None or passed_s <= 0 else max(0.0, (signals - counted) / passed_s)
        figures = [
            f"{len(brokers)} broker{'' if len(brokers) == 1 else 's'}",
            f"{rate:.0f} signals/s",
            f"postgres {document['database']['state']}",
            f"nats {document['nats']['state']}",
        ]
        return f"{document['state']}: {', '.join(figures)}"
