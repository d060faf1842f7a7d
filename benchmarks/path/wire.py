"""The least that speaks to NATS: a blocking socket, so that a load costs its generator next to nothing."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import orjson

from benchmarks.measurement import BenchmarkFailed
from benchmarks.rounds import DEADLINE_S

PORT = 4222
CHUNK = 1 << 16


class Wire:
    """One connection, for one thread. Protocol: `nats.io` client protocol, with headers sent and none received."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._socket: socket.socket = socket.create_connection(
            (address.hostname or "127.0.0.1", address.port or PORT), timeout=DEADLINE_S
        )
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""
        greeting = orjson.loads(self._line().removeprefix(b"INFO "))
        if greeting.get("tls_required"):
            self._socket = ssl.create_default_context().wrap_socket(self._socket, server_hostname=address.hostname)
        options: dict[str, Any] = {"verbose": False, "pedantic": False, "headers": True, "no_responders": False}
        if address.username is not None:
            options |= {"user": unquote(address.username), "pass": unquote(address.password or "")}
        self._socket.sendall(b"CONNECT " + orjson.dumps(options) + b"\r\n")
        self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits for messages
        self._socket.close()

    def send(self, frames: bytes) -> None:
        """Frames as `pub` and `hpub` make them, one or many."""
        self._socket.sendall(frames)

    def subscribe(self, subject: str) -> None:
        """Get the subject's messages from now on: the server knows of it when this returns."""
        self._socket.sendall(b"SUB %s 1\r\n" % subject.encode())
        self.flush()

    def flush(self) -> None:
        """Wait until the server has handled all that was sent; only before the first message is expected."""
        self._socket.sendall(b"PING\r\n")
        while not (line := self._line()).startswith(b"PONG"):
            _check(line)

    def messages(self) -> Iterator[list[bytes]]:
        """The payloads that came, as many at a time as there are; waits for the first of them.

        Raises:
            BenchmarkFailed: nothing came within `DEADLINE_S`, or the server refused something.
        """
        while True:
            payloads, self._rest, pinged = _split(self._rest)
            if pinged:
                self._socket.sendall(b"PONG\r\n" * pinged)
            if payloads:
                yield payloads
            else:
                self._rest += self._receive()

    def _line(self) -> bytes:
        while b"\r\n" not in self._rest:
            self._rest += self._receive()
        line, _, self._rest = self._rest.partition(b"\r\n")
        return line

    def _receive(self) -> bytes:
        try:
            data = self._socket.recv(CHUNK)
        except TimeoutError:
            raise BenchmarkFailed(f"no answer within {DEADLINE_S:g} s") from None
        if not data:
            raise BenchmarkFailed("the NATS server closed the connection")
        return data


def pub(subject: str, payload: bytes, reply: str = "") -> bytes:
    """A message as it is sent."""
    return b"PUB %s %s %d\r\n%s\r\n" % (subject.encode(), reply.encode(), len(payload), payload)


def hpub(subject: str, payload: bytes, message_id: str, reply: str = "") -> bytes:
    """A message with `Nats-Msg-Id`; a stream acknowledges it to `reply`, if one is given."""
    header = b"NATS/1.0\r\nNats-Msg-Id: %s\r\n\r\n" % message_id.encode()
    sizes = (len(header), len(header) + len(payload))
    return b"HPUB %s %s %d %d\r\n%s%s\r\n" % (subject.encode(), reply.encode(), *sizes, header, payload)


def _split(data: bytes) -> tuple[list[bytes], bytes, int]:
    """The payloads of all whole frames, what is left, and how many of them were PINGs."""
    payloads, at, pinged = [], 0, 0
    while (end := data.find(b"\r\n", at)) >= 0:
        line = data[at:end]
        if line.startswith((b"MSG ", b"HMSG ")):
            parts = line.split(b" ")
            size, skipped = int(parts[-1]), int(parts[-2]) if line.startswith(b"HMSG ") else 0
            if len(data) < end + 4 + size:
                break
            payloads.append(data[end + 2 + skipped : end + 2 + size])
            at = end + 4 + size
        else:
            _check(line)
            pinged += line == b"PING"
            at = end + 2
    return payloads, data[at:], pinged


def _check(line: bytes) -> None:
    if line.startswith(b"-ERR"):
        raise BenchmarkFailed(f"the NATS server says {line.decode(errors='replace')}")
