"""Request and reply over plain NATS: the status, and sessions."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from actors.gateway.codec import BadMessage, decode_session_request
from actors.gateway.endpoints import Endpoint, Endpoints
from actors.gateway.questions import decode_get, decode_use
from actors.gateway.replies import NOT_ANSWERED, NatsReply, log_unanswered, may_be_answered
from actors.gateway.wire import Frame, Wire
from actors.messages import GetSession, SaveSession, UseSession
from actors.runtime.directory import Directory

Answer = Callable[[bytes, NatsReply], None]


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
        answers: tuple[tuple[Endpoint, Answer], ...] = (
            (self._endpoints.status, lambda _, asker: asker.complete(self._status())),
            (self._endpoints.session, self._by_auth(decode_get)),
            (self._endpoints.session_use, self._by_auth(decode_use)),
            (self._endpoints.session_save, self._by_auth(_decode_save)),
        )
        for endpoint, answer in answers:
            await wire.listen(endpoint.subject, _asked(wire, endpoint, answer), endpoint.queue)

    def _by_auth(self, decode: Callable[[bytes], GetSession | UseSession | SaveSession]) -> Answer:
        def answer(data: bytes, asker: NatsReply) -> None:
            try:
                message = decode(data)
            except BadMessage as error:
                asker.fail(error)
            else:
                self._directory["auth"].post(message, asker)

        return answer


def _asked(wire: Wire, endpoint: Endpoint, answer: Answer) -> Callable[[Frame], None]:
    """Let through what may be answered and is not larger than any such request has reason to be."""

    def asked(request: Frame) -> None:
        if not may_be_answered(request.reply):
            log_unanswered(request)
            endpoint.answered(0, NOT_ANSWERED)
            return
        asker = NatsReply(wire, request.reply, endpoint)
        if len(request.data) > endpoint.max_bytes:
            asker.fail(BadMessage(f"larger than {endpoint.max_bytes} bytes"))
        else:
            answer(request.data, asker)

    return asked


def _decode_save(data: bytes) -> SaveSession:
    return decode_session_request(data, str(uuid.uuid4()), datetime.now(UTC))
