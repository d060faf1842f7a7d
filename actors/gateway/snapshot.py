"""What the gateway shows of itself: the NATS part of the status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


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
        }


def host_of(server: str) -> str:
    """The host and port of a server's URL, which may hold a user, a password or a token besides."""
    return urlsplit(server).netloc.rpartition("@")[2]
