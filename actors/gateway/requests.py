"""Request and reply over plain NATS: the status, and sessions."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from actors.gateway.codec import BadMessage, decode_session_request
from actors.gateway.endpoints import Endpoint, Endpoints
from actors.gateway.wire import Frame, Wire, reply
from actors.messages import GetSession, StoredSession, UseSession
from actors.runtime.directory import Directory
from actors.sessions import shown


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
        self._send({"error": str(error)}, str(error))

    def _send(self, answer: Any, error: str | None) -> None:
        if self._subject:
            self._wire.post(reply(self._subject, orjson.dumps(answer)))
        self._endpoint.answered(time.perf_counter_ns() - self._began_ns, error)


class Requests:
    """Answers on one connection after the other; in the gateway's loop.

    Args:
        directory: the way to the actors.
        status: builds the status document.
        endpoints: where answers are counted.
    """

    def __init__(self, directory: Directory, status: Callable[[], dict[str, Any]], endpoints: Endpoints) -> None:
        self._directory = directory
        self._status = status
        self._endpoints = endpoints

    async def serve(self, wire: Wire) -> None:
        """Subscribe to the subjects of requests.

        Raises:
            nats.errors.Error: not connected.
        """
        answers = (
            (self._endpoints.status, self._answer_status),
            (self._endpoints.session, self._answer_session),
            (self._endpoints.session_use, self._use_session),
            (self._endpoints.session_save, self._save_session),
        )
        for endpoint, answer in answers:
            await wire.listen(endpoint.subject, self._asked(wire, endpoint, answer), endpoint.queue)

    def _asked(
        self, wire: Wire, endpoint: Endpoint, answer: Callable[[Frame, NatsReply], None]
    ) -> Callable[[Frame], None]:
        return lambda request: answer(request, NatsReply(wire, request.reply, endpoint))

    def _answer_status(self, _: Frame, asker: NatsReply) -> None:
        asker.complete(self._status())

    def _answer_session(self, request: Frame, asker: NatsReply) -> None:
        """`{"user_id": ...}` or the bare id."""
        text = request.data.decode(errors="replace").strip()
        try:
            parsed = orjson.loads(text)
        except orjson.JSONDecodeError:
            parsed = text
        user_id = parsed.get("user_id") if isinstance(parsed, dict) else parsed
        if not isinstance(user_id, str) or not user_id or "\0" in user_id:
            asker.fail(BadMessage("user_id: missing"))
        else:
            self._directory["auth"].post(GetSession(user_id), asker)

    def _use_session(self, request: Frame, asker: NatsReply) -> None:
        """`{"user_id": ..., "broker": ...}`, one of them at least: a broker's client works with the session."""
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

    def _save_session(self, request: Frame, asker: NatsReply) -> None:
        try:
            message = decode_session_request(request.data, str(uuid.uuid4()), datetime.now(UTC))
        except BadMessage as error:
            asker.fail(error)
        else:
            self._directory["auth"].post(message, asker)
