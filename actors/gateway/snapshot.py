"""What the gateway shows of itself: the NATS part of the status."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from actors.runtime.metric import Metric, counter


@dataclass(frozen=True, slots=True)
class GatewaySnapshot:
    """The NATS part of the status."""

    state: str
    url: str
    embedded: bool
    error: str | None
    streams: dict[str, dict[str, int]]
    missing: tuple[str, ...]
    in_flight: int
    published: int
    unpublished: int
    unpublished_age_s: float
    ticks: int
    intake: str

    def as_status(self, _now: float, /) -> dict[str, Any]:
        return {
            "state": self.state,
            "url": self.url,
            "embedded": self.embedded,
            "error": self.error,
            "streams": self.streams,
            "missing": list(self.missing),
            "in_flight": self.in_flight,
            "published": self.published,
            "unpublished": self.unpublished,
            "unpublished_age_s": self.unpublished_age_s,
            "intake": self.intake,
        }

    @property
    def draining(self) -> bool:
        """Whether no messages are taken in; `intake` is `drained` once those in hand are finished, else `open`."""
        return self.intake != "open"

    def as_metrics(self) -> Iterator[Metric]:
        """What came in besides signals."""
        yield counter("market_ticks_received_total", "Ticks received.", ({"source": "nats"}, self.ticks))


def host_of(server: str) -> str:
    """The host and port of a server's URL, which may hold a user, a password or a token besides."""
    return urlsplit(server).netloc.rpartition("@")[2]
