"""Request and reply over plain NATS: the status, and sessions."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from actors.gateway.codec import BadMessage, decode_session_request
from actors.gateway.subjects import REQUEST_SESSION, REQUEST_SESSION_SAVE, REQUEST_SESSION_USE, REQUEST_STATUS
from actors.gateway.wire import Frame, Wire, reply
from actors.messages import GetSession, StoredSession, UseSession
from actors.runtime.directory import Directory
from actors.sessions import shown

QUEUE = "panda"
"""Of several processes one answers a request about sessions; each answers for its own status."""


class NatsReply:
    """The reply subject of a request; completed or failed once, from any thread."""

    __slots__ = ("_subject", "_wire")

    def __init__(self, wire: Wire, subject: bytes) -> None:
        self._wire = wire
        self._subject = subject

    def complete(self, value: Any) -> None:
        self._send(shown(value, datetime.now(UTC)) if isinstance(value, StoredSession) else value)

    def fail(self, error: BaseException) -> None:
        self._send({"error": str(error)})

    def _send(self, answer: Any) -> None:
        if self._subject:
            self._wire.post(reply(self._subject, orjson.dumps(answer)))


class Requests:
    """Answers on one connection; in the gateway's loop.

    Args:
        wire: the connection.
        directory: the way to the actors.
        status: builds the status document.
    """

    def __init__(self, wire: Wire, directory: Directory, status: Callable[[], dict[str, Any]]) -> None:
        self._wire = wire
        self._directory = directory
        self._status = status

    async def serve(self) -> None:
        """Subscribe to the subjects of requests."""
        await self._wire.listen(REQUEST_STATUS, self._answer_status)
        await self._wire.listen(REQUEST_SESSION, self._answer_session, QUEUE)
        await self._wire.listen(REQUEST_SESSION_USE, self._use_session, QUEUE)
        await self._wire.listen(REQUEST_SESSION_SAVE, self._save_session, QUEUE)

    def _answer_status(self, request: Frame) -> None:
        NatsReply(self._wire, request.reply).complete(self._status())

    def _answer_session(self, request: Frame) -> None:
        """`{"user_id": ...}` or the bare id."""
        text = request.data.decode(errors="replace").strip()
        try:
            parsed = orjson.loads(text)
        except orjson.JSONDecodeError:
            parsed = text
        user_id = parsed.get("user_id") if isinstance(parsed, dict) else parsed
        asker = NatsReply(self._wire, request.reply)
        if not isinstance(user_id, str) or not user_id or "\0" in user_id:
            asker.fail(BadMessage("user_id: missing"))
        else:
            self._directory["auth"].post(GetSession(user_id), asker)

    def _use_session(self, request: Frame) -> None:
        """`{"user_id": ..., "broker": ...}`, one of them at least: a broker's client works with the session."""
        asker = NatsReply(self._wire, request.reply)
        try:
            parsed = orjson.loads(request.data)
        except orjson.JSONDecodeError:
            parsed = None
        wanted = {name: parsed.get(name) for name in ("user_id", "broker")} if isinstance(parsed, dict) else {}
        given = [value for value in wanted.values() if value is not None]
        if not given or any(not isinstance(value, str) or "\0" in value for value in given):
            asker.fail(BadMessage("user_id or broker: missing"))
        else:
            self._directory["auth"].post(UseSession(**wanted), asker)

    def _save_session(self, request: Frame) -> None:
        asker = NatsReply(self._wire, request.reply)
        try:
            message = decode_session_request(request.data, str(uuid.uuid4()), datetime.now(UTC))
        except BadMessage as error:
            asker.fail(error)
        else:
            self._directory["auth"].post(message, asker)
