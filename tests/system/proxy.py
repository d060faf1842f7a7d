"""A proxy that cuts a connection at a chosen moment: after a request went on to the server, before its answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from persistence.urls import normalise_url


class Proxy:
    """Forwards loopback connections to a PostgreSQL on a Unix socket.

    `cut_after` sees every piece sent to the server; once it returns true, the piece is forwarded, the client's side is
    closed, and the server is left to finish.
    """

    def __init__(self, postgres_url: str) -> None:
        self._target = normalise_url(postgres_url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.cut_after: Callable[[bytes], bool] = lambda _: False
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        port = self._listener.getsockname()[1]
        bare = self._target.set(query={}, host="127.0.0.1", port=port)
        return bare.render_as_string(hide_password=False)

    def close(self) -> None:
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(f"{self._target.query['host']}/.s.PGSQL.{self._target.query['port']}")
                self._open += [client, server]
                threading.Thread(target=self._requests, args=(client, server), daemon=True).start()
                threading.Thread(target=self._answers, args=(server, client), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                cut = self.cut_after(data)
                if cut:
                    self.cuts += 1
                    client.shutdown(socket.SHUT_RDWR)
                server.sendall(data)
                if cut:
                    return
            server.shutdown(socket.SHUT_RDWR)

    def _answers(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxy(postgres_url: str) -> Iterator[Proxy]:
    """A proxy that is closed at the end."""
    one = Proxy(postgres_url)
    try:
        yield one
    finally:
        one.close()
