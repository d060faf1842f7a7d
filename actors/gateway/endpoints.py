"""The subjects that answer requests, and how often and how fast they did: what NATS's service protocol tells."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from actors.gateway.subjects import REQUEST_SESSION, REQUEST_SESSION_SAVE, REQUEST_SESSION_USE, REQUEST_STATUS

QUEUE = "panda"
"""Of several processes one answers a request about sessions; each answers for its own status."""


QUESTION_BYTES = 8 << 10
"""A user and a broker, however their 255 characters each are escaped."""
SAVE_BYTES = 32 << 10
"""An access token of 8192 characters, and all else that a save may say."""


@dataclass(slots=True)
class Endpoint:
    """One subject, and the bytes a request on it may have; counted from any thread, by nanoseconds of one clock."""

    name: str
    subject: str
    queue: str
    max_bytes: int = QUESTION_BYTES
    requests: int = 0
    errors: int = 0
    last_error: str = ""
    took_ns: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def answered(self, took_ns: int, error: str | None) -> None:
        """Count a request with its answer."""
        with self._lock:
            self.requests += 1
            self.took_ns += took_ns
            if error is not None:
                self.errors += 1
                self.last_error = error

    def info(self) -> dict[str, Any]:
        return {"name": self.name, "subject": self.subject, "queue_group": self.queue, "metadata": {}}

    def stats(self) -> dict[str, Any]:
        with self._lock:
            return {
                "name": self.name,
                "subject": self.subject,
                "queue_group": self.queue,
                "num_requests": self.requests,
                "num_errors": self.errors,
                "last_error": self.last_error,
                "processing_time": self.took_ns,
                "average_processing_time": self.took_ns // max(1, self.requests),
            }


@dataclass(frozen=True, slots=True)
class Endpoints:
    """All of them."""

    status: Endpoint = field(default_factory=lambda: Endpoint("status", REQUEST_STATUS, ""))
    session: Endpoint = field(default_factory=lambda: Endpoint("sessions-get", REQUEST_SESSION, QUEUE))
    session_use: Endpoint = field(default_factory=lambda: Endpoint("sessions-use", REQUEST_SESSION_USE, QUEUE))
    session_save: Endpoint = field(
        default_factory=lambda: Endpoint("sessions-save", REQUEST_SESSION_SAVE, QUEUE, SAVE_BYTES)
    )

    def every(self) -> tuple[Endpoint, ...]:
        return self.status, self.session, self.session_use, self.session_save
