"""Request and reply over plain NATS: the status, and sessions."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg

from actors.gateway.codec import BadMessage, decode_session_request
from actors.gateway.subjects import REQUEST_SESSION, REQUEST_SESSION_SAVE, REQUEST_STATUS
from actors.messages import GetSession, StoredSession
from actors.runtime.directory import Directory
from actors.sessions import shown

QUEUE = "panda"
"""Of several processes one answers a request about sessions; each answers for its own status."""


class NatsReply:
    """The reply subject of a request; completed or failed once, from any thread."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send

    def complete(self, value: Any) -> None:
        answer = shown(value, datetime.now(UTC)) if isinstance(value, StoredSession) else value
        self._send(orjson.dumps(answer))

    def fail(self, error: BaseException) -> None:
        self._send(orjson.dumps({"error": str(error)}))


class Requests:
    """Answers on one connection; in the gateway's loop.

    Args:
        client: the connection.
        directory: the way to the actors.
        status: builds the status document.
        spawn: runs a coroutine in the loop and minds its errors.
    """

    def __init__(
        self,
        client: Client,
        directory: Directory,
        status: Callable[[], dict[str, Any]],
        spawn: Callable[[Awaitable[None]], None],
    ) -> None:
        self._client = client
        self._directory = directory
        self._status = status
        self._spawn = spawn
        self._loop = asyncio.get_running_loop()

    async def serve(self) -> None:
        """Subscribe to the subjects of requests."""
        await self._client.subscribe(REQUEST_STATUS, cb=self._answer_status)
        await self._client.subscribe(REQUEST_SESSION, queue=QUEUE, cb=self._answer_session)
        await self._client.subscribe(REQUEST_SESSION_SAVE, queue=QUEUE, cb=self._save_session)

    async def _answer_status(self, request: Msg) -> None:
        self._reply_to(request).complete(self._status())

    async def _answer_session(self, request: Msg) -> None:
        """`{"user_id": ...}` or the bare id."""
        text = request.data.decode(errors="replace").strip()
        try:
            parsed = orjson.loads(text)
        except orjson.JSONDecodeError:
            parsed = text
        user_id = parsed.get("user_id") if isinstance(parsed, dict) else parsed
        reply = self._reply_to(request)
        if not isinstance(user_id, str) or not user_id or "\0" in user_id:
            reply.fail(BadMessage("user_id: missing"))
        else:
            self._directory["auth"].post(GetSession(user_id), reply)

    async def _save_session(self, request: Msg) -> None:
        reply = self._reply_to(request)
        try:
            message = decode_session_request(request.data, str(uuid.uuid4()), datetime.now(UTC))
        except BadMessage as error:
            reply.fail(error)
        else:
            self._directory["auth"].post(message, reply)

    def _reply_to(self, request: Msg) -> NatsReply:
        def send(payload: bytes) -> None:
            if request.reply and not self._loop.is_closed():
                answering = self._client.publish
                self._loop.call_soon_threadsafe(lambda: self._spawn(answering(request.reply, payload)))

        return NatsReply(send)
