"""The TCP connection of nats-py, so that it never waits for one that is gone."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import ParseResult

from nats.aio.transport import TcpTransport


class LostTransport(ConnectionResetError, RuntimeError):
    """The connection was closed before it could be written to; nats-py's pings end quietly by a `RuntimeError` only."""


class Transport(TcpTransport):
    """Tells a loss as nats-py expects it.

    uvloop raises `RuntimeError` where a connection is written to that has been reset. nats-py only knows `OSError`:
    its attempt to reconnect would end by the other for good, and nothing would be connected any more.
    """

    def __bool__(self) -> bool:
        return True  # else nats-py would put its own in this one's place

    def write(self, payload: bytes) -> None:
        with _lost():
            super().write(payload)  # type: ignore[no-untyped-call]

    def writelines(self, payload: list[bytes]) -> None:
        with _lost():
            super().writelines(payload)  # type: ignore[no-untyped-call]

    async def connect_tls(
        self, uri: str | ParseResult, ssl_context: ssl.SSLContext, buffer_size: int, connect_timeout: int
    ) -> None:
        with _lost():
            await super().connect_tls(uri, ssl_context, buffer_size, connect_timeout)


@contextmanager
def _lost() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise LostTransport(str(error)) from error
