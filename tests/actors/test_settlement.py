"""Answers to deliveries: written until their arrival is known, and no more afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import cast

import nats.errors
import pytest

from actors.gateway import settlement
from actors.gateway.settlement import Settlement
from actors.gateway.wire import Frame, Wire


class Line:
    """A settlement on a connection that can be lost; it notes what is written to it and confirms on demand."""

    def __init__(self) -> None:
        self.client = SimpleNamespace(new_inbox=lambda: "_INBOX")
        self.connected = True
        self.sent: list[bytes] = []
        self.settlement = Settlement()

    async def listen(self, _subject: str, sink: Callable[[Frame], None]) -> None:
        self._sink = sink

    def send(self, frames: bytes) -> None:
        if not self.connected:
            raise nats.errors.ConnectionReconnectingError
        self.sent.append(frames)

    def confirm(self, number: int, header: bytes = b"") -> None:
        self._sink(Frame(b"_INBOX.%d" % number, b"", header, b""))

    async def until_sent(self, pieces: int) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + 60
        while len(self.sent) < pieces:
            assert loop.time() < deadline
            turned = loop.create_future()
            loop.call_later(0.001, turned.set_result, None)
            await turned


def on_line(work: Callable[[Line], Awaitable[None]]) -> None:
    async def run() -> None:
        line = Line()
        await line.settlement.attach(cast(Wire, line))
        await work(line)
        line.settlement.detach()

    asyncio.run(run())


def test_the_last_answer_of_a_batch_asks_for_a_confirmation_and_all_are_one_piece() -> None:
    async def work(line: Line) -> None:
        line.settlement.send(["$JS.ACK.1", "$JS.ACK.2"], b"+ACK")
        assert line.sent == [b"PUB $JS.ACK.1 4\r\n+ACK\r\nPUB $JS.ACK.2 _INBOX.0 4\r\n+ACK\r\n"]

    on_line(work)


def test_what_was_written_to_a_connection_that_is_lost_is_written_again_once_to_the_next() -> None:
    async def work(line: Line) -> None:
        line.settlement.send(["$JS.ACK.1"], b"+ACK")
        line.settlement.send(["$JS.ACK.2"], b"+TERM")
        line.confirm(0)
        line.connected = False
        line.settlement.send(["$JS.ACK.3"], b"+ACK")
        line.connected, line.sent = True, []
        line.settlement.resend()
        assert line.sent == [
            b"PUB $JS.ACK.2 _INBOX.1 5\r\n+TERM\r\n",
            b"PUB $JS.ACK.3 _INBOX.2 4\r\n+ACK\r\n",
        ]
        line.confirm(1)
        line.confirm(2)
        line.sent = []
        line.settlement.resend()
        assert line.sent == []
        assert line.settlement.unconfirmed == 0

    on_line(work)


def test_an_answer_that_nobody_confirms_is_written_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settlement, "CONFIRM_TIMEOUT_S", 0.005)

    async def work(line: Line) -> None:
        line.settlement.send(["$JS.ACK.1"], b"+ACK")
        await line.until_sent(3)
        assert len(set(line.sent)) == 1
        line.settlement.send(["$JS.ACK.2"], b"+ACK")
        line.confirm(1)
        assert line.settlement.unconfirmed == 1

    on_line(work)


def test_a_consumer_that_is_gone_is_not_answered_again() -> None:
    async def work(line: Line) -> None:
        line.settlement.send(["$JS.ACK.1"], b"+ACK")
        line.confirm(0, b"NATS/1.0 503\r\n\r\n")
        assert line.settlement.unconfirmed == 0

    on_line(work)


def test_a_connection_made_anew_is_told_nothing_of_the_old_one() -> None:
    async def work(line: Line) -> None:
        line.settlement.send(["$JS.ACK.1"], b"+ACK")
        line.settlement.detach()
        line.settlement.send(["$JS.ACK.2"], b"+ACK")
        line.sent = []
        await line.settlement.attach(cast(Wire, line))
        line.settlement.resend()
        assert line.sent == []

    on_line(work)
