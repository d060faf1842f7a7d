"""The hot part of a NATS connection: whole batches of frames in and out, around what nats-py does for each message.

nats-py connects, logs in, reconnects and answers pings. What is read is parsed here, and handed to a sink for the
subscriptions that have one; what is written goes out as one piece. Protocol: NATS client protocol, `MSG`, `HMSG`,
`PUB`, `HPUB`. `check` names what is used of nats-py's inside; a test runs it against the installed version.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import nats.errors
from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.protocol.parser import Parser

CRLF = b"\r\n"
CLIENT_INSIDE = ("_ps", "_transport", "_pending", "_pending_data_size", "_flush_queue", "_process_msg")
PARSER_INSIDE = ("parse", "reset", "nc")
MAX_LINE_BYTES = 1 << 16
_ONLY_ID = b"NATS/1.0\r\nNats-Msg-Id:"


class Frame(NamedTuple):
    """One message as it came; `header` is empty without one, else whole, its first line included."""

    subject: bytes
    reply: bytes
    header: bytes
    data: bytes


Sink = Callable[[Frame], None]


def check(client: Client) -> None:
    """Make sure that this nats-py has what is used of its inside.

    Raises:
        AttributeError: it has not; the text names what is missing.
    """
    missing = [f"Client.{name}" for name in CLIENT_INSIDE if not hasattr(client, name)]
    missing += [f"Parser.{name}" for name in PARSER_INSIDE if not hasattr(Parser(client), name)]
    if missing:
        raise AttributeError(f"this nats-py lacks {', '.join(missing)}")


class FrameParser(Parser):
    """Takes the place of nats-py's parser: messages are found in the bytes as they are read, whole ones at a time."""

    def __init__(self, client: Client) -> None:
        self.sinks: dict[int, Sink] = {}
        super().__init__(client)

    def reset(self) -> None:
        super().reset()
        self._parts: list[bytes] = []
        self._size = 0
        self._wanted = 0
        self._life = object()

    async def parse(self, data: bytes = b"") -> None:
        """Hand over every message that is whole by now.

        Raises:
            nats.errors.ProtocolError: what came is not NATS.
        """
        if self._parts:
            self._parts.append(data)
            self._size += len(data)
            if self._size < self._wanted:
                return
            data, self._parts = b"".join(self._parts), []
        life = self._life
        at = await self._frames(data)
        if at < len(data) and life is self._life:
            self._parts = [data[at:]]
            self._size = len(data) - at

    async def _frames(self, data: bytes) -> int:
        """Handle the whole frames; returns where the rest begins, and notes how much of it is wanted."""
        at, end, sinks, life = 0, len(data), self.sinks, self._life
        self._wanted = 0
        while life is self._life and (stop := data.find(CRLF, at)) >= 0:
            operation = data[at : at + 4]
            if operation not in {b"MSG ", b"HMSG"}:
                await super().parse(data[at : stop + 2])
                at = stop + 2
                continue
            try:
                arguments = data[at + 4 : stop].split()
                size = int(arguments[-1])
                skipped = int(arguments[-2]) if operation == b"HMSG" else 0
                sid = int(arguments[1])
                extra = len(arguments) - len(operation.rstrip())
                if extra not in {0, 1} or not 0 <= skipped <= size:
                    raise ValueError
            except (ValueError, IndexError):
                raise nats.errors.ProtocolError from None
            begin = stop + 2
            after = begin + size + 2
            if after > end:
                self._wanted = after - at
                return at
            reply = arguments[2] if extra else b""
            header, payload = data[begin : begin + skipped], data[begin + skipped : begin + size]
            sink = sinks.get(sid)
            if sink is not None:
                try:
                    sink(Frame(arguments[0], reply, header, payload))
                except Exception as error:  # noqa: BLE001  # else nats-py would stop reading, and say that all is well
                    failure = {"message": "a sink failed", "exception": error, "handle": sink}
                    asyncio.get_running_loop().call_exception_handler(failure)
            else:
                await self.nc._process_msg(sid, arguments[0], reply, payload, header or None)
            at = after
        if end - at > MAX_LINE_BYTES:
            raise nats.errors.ProtocolError
        return at


class Wire:
    """One connection, for the loop that made it.

    Args:
        client: made by `connection.connect`, with a `FrameParser`.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self._parser: FrameParser = client._ps  # type: ignore[assignment]
        self._loop = asyncio.get_running_loop()
        self._posted: deque[bytes] = deque()
        self._roused = False

    async def listen(self, subject: str, sink: Sink, queue: str = "") -> Subscription:
        """Have the sink called with each frame of the subject, also after a reconnect; of those who listen under the
        name of one `queue`, one gets each.

        Raises:
            nats.errors.Error: not connected.
        """
        subscription = await self.client.subscribe(subject, queue=queue, cb=_unheard)
        self._parser.sinks[subscription._id] = sink
        return subscription

    async def leave(self, subscription: Subscription) -> None:
        """Call its sink no more."""
        self._parser.sinks.pop(subscription._id, None)
        if not self.client.is_closed:
            await subscription.unsubscribe()

    def send(self, frames: bytes) -> None:
        """Write the frames when the loop gets to it, after those of before.

        Raises:
            nats.errors.ConnectionClosedError: for good.
            nats.errors.ConnectionReconnectingError: not now. Nothing is kept for later, as what was lost on its way has
                to go first.
        """
        client = self.client
        if client.is_closed:
            raise nats.errors.ConnectionClosedError
        if not client.is_connected:
            raise nats.errors.ConnectionReconnectingError
        client._pending.append(frames)
        client._pending_data_size += len(frames)
        queue = client._flush_queue
        if queue is not None and queue.empty():
            queue.put_nowait(self._loop.create_future())

    def drop_unsent(self) -> None:
        """Forget what was not written when the connection was lost."""
        self.client._pending.clear()
        self.client._pending_data_size = 0

    def post(self, frames: bytes) -> None:
        """As `send`, from any thread: all that come before the loop gets to them wake it once. On a connection that is
        closed they are lost.
        """
        self._posted.append(frames)
        if not self._roused:
            self._roused = True
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._send_posted)

    def _send_posted(self) -> None:
        self._roused = False
        frames = []
        with contextlib.suppress(IndexError):
            while True:
                frames.append(self._posted.popleft())
        with contextlib.suppress(nats.errors.Error):
            self.send(b"".join(frames))


async def _unheard(_: object) -> None:
    """nats-py wants a callback; the frames go to the sink."""


def pub(subject: str, payload: bytes, reply: str = "") -> bytes:
    """A message without a header."""
    return f"PUB {subject} {reply} {len(payload)}\r\n".encode() + payload + CRLF


def reply(subject: bytes, payload: bytes) -> bytes:
    """An answer; the subject is as the asker wrote it, which need not be text."""
    return b"PUB %s %d\r\n%s\r\n" % (subject, len(payload), payload)


def pubs(subjects: Sequence[str], payload: bytes) -> bytes:
    """The same payload to each of the subjects."""
    tail = f" {len(payload)}\r\n{payload.decode()}\r\n"
    return "".join([f"PUB {subject}{tail}" for subject in subjects]).encode()


def hpub(subject: str, payload: bytes, reply: str, message_id: str) -> bytes:
    """A message with `Nats-Msg-Id`."""
    header = f"NATS/1.0\r\nNats-Msg-Id: {message_id}\r\n\r\n".encode()
    skipped = len(header)
    line = f"HPUB {subject} {reply} {skipped} {skipped + len(payload)}\r\n".encode()
    return b"".join((line, header, payload, CRLF))


def headers_of(header: bytes) -> dict[str, str]:
    """The fields of a header; a line that is none is left out, bytes that are no UTF-8 are replaced."""
    if header.startswith(_ONLY_ID) and header.count(CRLF) == 3:
        return {"Nats-Msg-Id": header[len(_ONLY_ID) : -4].decode(errors="replace").strip()}
    fields = {}
    for line in header.decode(errors="replace").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            fields[name.strip()] = value.strip()
    return fields


def status_of(header: bytes) -> tuple[str, str]:
    """The status and description in a header's first line; both empty for a message."""
    _, _, line = header.partition(b"\r\n")[0].decode(errors="replace").partition(" ")
    status, _, description = line.partition(" ")
    return status, description
