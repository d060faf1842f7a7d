"""Answers to requests: where they may go, what they may say, and how large they may be."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

from actors.errors import NotDelivered, TryAgain
from actors.gateway.codec import BadMessage
from actors.gateway.endpoints import Endpoint
from actors.gateway.subjects import REQUESTS, streams
from actors.gateway.wire import Frame, Wire, reply
from actors.masking import masked
from actors.messages import StoredSession
from actors.sessions import shown

MAX_ERROR = 500
"""Characters of an error that are told."""
MAX_SUBJECT = 100
"""Bytes of a subject that are logged."""
NOT_ANSWERED = "a reply subject that we do not publish on"
_QUOTES_NOTHING = (BadMessage, NotDelivered, TryAgain)
"""Their texts have nothing of what was sent."""
_TAKEN = frozenset(subject.encode() for spec in streams(("*",)) for subject in spec.subjects)
_REFUSED = _TAKEN | {subject.encode() for subject in REQUESTS}


def may_be_answered(subject: bytes) -> bool:
    """Whether an answer may go to that reply subject; none is wanted on an empty one.

    Else whoever may ask could have us publish what the server forbids them: on what the streams of any broker take, on
    our own requests (a session that is shown reads as one to save), on the server's own `$...`, or on a wildcard.
    """
    _, dot, rest = subject.partition(b".")
    if subject.startswith(b"$") or not {b"*", b">"}.isdisjoint(subject.split(b".")):
        return False
    return subject not in _REFUSED and b"*" + dot + rest not in _TAKEN


def log_unanswered(request: Frame) -> None:
    """Say that the request is dropped for its reply subject."""
    subject, replied = (
        ascii(one[:MAX_SUBJECT].decode(errors="replace"))[1:-1] for one in (request.subject, request.reply)
    )
    structlog.get_logger("gateway").warning("request not answered", subject=subject, reply=replied, reason=NOT_ANSWERED)


def told(error: BaseException) -> str:
    """The error for whoever asked: without secrets, and short."""
    text = masked(str(error))
    return text if len(text) <= MAX_ERROR else f"{text[:MAX_ERROR]}..."


def counted(error: BaseException) -> str:
    """The error for everybody who asks for figures: its text only where that has nothing of what was sent."""
    return told(error) if isinstance(error, _QUOTES_NOTHING) else type(error).__name__


def encoded(answer: Any, limit: int) -> bytes:
    """The answer as JSON of at most `limit` bytes; where it has more, an error that says so, else nothing at all.

    The server cuts the connection of whoever sends more.
    """
    payload = orjson.dumps(answer)
    if len(payload) > limit:
        excess = f"the answer has {len(payload)} bytes, and the server's max_payload is {limit}"
        payload = orjson.dumps({"error": excess})
    return payload if len(payload) <= limit else b""


class NatsReply:
    """The reply subject of a request; completed or failed once, from any thread, and counted for its endpoint."""

    __slots__ = ("_began_ns", "_endpoint", "_subject", "_wire")

    def __init__(self, wire: Wire, subject: bytes, endpoint: Endpoint) -> None:
        self._wire = wire
        self._subject = subject
        self._endpoint = endpoint
        self._began_ns = time.perf_counter_ns()

    def complete(self, value: Any) -> None:
        self._send(shown(value, datetime.now(UTC)) if isinstance(value, StoredSession) else value, None)

    def fail(self, error: BaseException) -> None:
        self._send({"error": told(error)}, counted(error))

    def _send(self, answer: Any, error: str | None) -> None:
        if self._subject:
            self._wire.post(reply(self._subject, encoded(answer, self._wire.client.max_payload)))
        self._endpoint.answered(time.perf_counter_ns() - self._began_ns, error)
