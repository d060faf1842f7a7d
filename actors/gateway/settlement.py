"""The answers to deliveries, on their way to the server: acknowledged, ended or released."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import nats.errors
import structlog
from nats.aio.client import Client

from actors.gateway.errors import line
from actors.gateway.wire import Wire, pubs

CONFIRM_TIMEOUT_S = 5


class Settlement:
    """Writes answers; in the gateway's loop.

    Args:
        spawn: runs a coroutine on the side.
    """

    def __init__(self, spawn: Callable[[object], None]) -> None:
        self._spawn = spawn
        self._log = structlog.get_logger("nats")

    def send(self, wire: Wire, replies: list[str], verb: bytes) -> None:
        """Write to all the replies at once; the server confirms the last, unless the messages are to come again."""
        confirmed = not verb.startswith(b"-NAK")
        try:
            wire.send(pubs(replies[:-1] if confirmed else replies, verb))
        except nats.errors.Error as error:
            self._log.warning("not settled; the messages come again", reason=line(error), messages=len(replies))
            return
        if confirmed:
            self._spawn(self._confirm(wire.client, replies[-1], verb))

    async def _confirm(self, client: Client, reply: str, verb: bytes) -> None:
        with contextlib.suppress(nats.errors.TimeoutError, nats.errors.NoRespondersError):
            await client.request(reply, verb, timeout=CONFIRM_TIMEOUT_S)
