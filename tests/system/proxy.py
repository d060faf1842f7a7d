"""A proxy between the daemon and a server that can do to a connection what networks do: cut, reset, delay, swallow."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from persistence.urls import normalise_url

PIECE_BYTES = 65536
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST."""

Opened = Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]


class Connection:
    """One connection through the proxy."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.writers = (client, server)
        self.has_lost = False
        """Some of its bytes were swallowed; nothing passes any more until it is closed."""

    def close(self, *, reset: bool = False) -> None:
        for writer in self.writers:
            if reset:
                with contextlib.suppress(OSError):
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                writer.transport.abort()
            else:
                writer.close()


class Proxy:
    """Forwards connections of one loopback port, in a thread of its own.

    `cut_after` sees every piece sent to the server; once it returns true, the client's side is closed, the piece is
    forwarded, and the server is left to finish. `cut_before` is the same, but the piece is lost with the connection.

    Args:
        connect: opens a connection to the server.
        url_of: the URL by way of a port.
    """

    def __init__(self, connect: Callable[[], Opened], url_of: Callable[[int], str]) -> None:
        self._connect = connect
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = url_of(self._listener.getsockname()[1])
        self.cut_after: Callable[[bytes], bool] = lambda _: False
        self.cut_before: Callable[[bytes], bool] = lambda _: False
        self.cuts = self.accepted = self.refused = 0
        self.delay_s = 0.0
        """Each piece waits so long, either way."""
        self.silent = False
        """Nothing passes and nothing is closed, as if the network in between were gone."""
        self.life_s: Callable[[], float | None] = lambda: None
        """Asked for each new connection: after so many seconds it is reset."""
        self.refusing = False
        """New connections are closed at once."""
        self._connections: set[Connection] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def cut(self, *, reset: bool = False) -> None:
        """Close every connection there is; with RST, as by a peer that knows nothing of it, when `reset`."""

        def close() -> None:
            for connection in tuple(self._connections):
                connection.close(reset=reset)

        self._loop.call_soon_threadsafe(close)

    def heal(self) -> None:
        """Be a good network again; a connection whose bytes were swallowed stays dead."""
        self.delay_s, self.silent, self.refusing = 0.0, False, False
        self.cut_after = self.cut_before = lambda _: False

    def close(self) -> None:
        """Close everything and end the thread."""
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(10)

    async def _run(self) -> None:
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop.set_exception_handler(lambda _loop, _details: None)
        server = await asyncio.start_server(self._accept, sock=self._listener)
        self._ready.set()
        await self._closing.wait()
        server.close()
        for connection in tuple(self._connections):
            connection.close(reset=True)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            if self.refusing:
                self.refused += 1
                raise ConnectionRefusedError
            server, to_server = await self._connect()
        except OSError:
            to_client.transport.abort()
            return
        self.accepted += 1
        connection = Connection(to_client, to_server)
        self._connections.add(connection)
        if (life_s := self.life_s()) is not None:
            self._loop.call_later(life_s, functools.partial(connection.close, reset=True))
        ways = (self._requests(connection, client, to_server), self._answers(connection, server, to_client))
        tasks = [self._loop.create_task(way) for way in ways]
        self._tasks.update(tasks)
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.difference_update(tasks)
        self._connections.discard(connection)
        connection.close()

    async def _requests(
        self, connection: Connection, client: asyncio.StreamReader, server: asyncio.StreamWriter
    ) -> None:
        async for data in self._pieces(connection, client):
            if self.cut_before(data):
                self.cuts += 1
                connection.close()
                break
            is_last = self.cut_after(data)
            if is_last:
                self.cuts += 1
                connection.writers[0].close()
            server.write(data)
            await server.drain()
            if is_last:
                break
        else:
            server.close()

    async def _answers(
        self, connection: Connection, server: asyncio.StreamReader, client: asyncio.StreamWriter
    ) -> None:
        async for data in self._pieces(connection, server):
            if not client.is_closing():
                client.write(data)
                await client.drain()
        client.close()

    async def _pieces(self, connection: Connection, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        """What comes by and is let through, until the end."""
        with contextlib.suppress(OSError):
            while data := await reader.read(PIECE_BYTES):
                if self.delay_s:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._closing.wait(), self.delay_s)
                connection.has_lost |= self.silent
                if not connection.has_lost:
                    yield data


def postgres_proxy(url: str) -> Proxy:
    """To a PostgreSQL on a Unix socket or a port."""
    target = normalise_url(url)

    def connect() -> Opened:
        if "host" in target.query:
            return asyncio.open_unix_connection(f"{target.query['host']}/.s.PGSQL.{target.query['port']}")
        return asyncio.open_connection(target.host, target.port)

    def url_of(port: int) -> str:
        return target.set(query={}, host="127.0.0.1", port=port).render_as_string(hide_password=False)

    return Proxy(connect, url_of)


def nats_proxy(url: str) -> Proxy:
    """To a NATS server."""
    target = urlsplit(url)

    def url_of(port: int) -> str:
        return target._replace(netloc=f"{target.netloc.rpartition('@')[0]}@127.0.0.1:{port}").geturl()

    return Proxy(lambda: asyncio.open_connection(target.hostname, target.port), url_of)


@contextmanager
def proxy(postgres_url: str) -> Iterator[Proxy]:
    """A proxy to PostgreSQL that is closed at the end."""
    one = postgres_proxy(postgres_url)
    try:
        yield one
    finally:
        one.close()
