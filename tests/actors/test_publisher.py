"""What waits for its publication: bounded, and sent again when there is somebody to send it to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from actors.gateway import publisher
from actors.gateway.publisher import Publisher
from actors.gateway.wire import Frame, Wire
from actors.messages import OutboxBatch
from actors.rows import OutboundMessage


class Line:
    """The publisher on a connection that can be lost; it notes what is written to it and answers on demand."""

    def __init__(self) -> None:
        self.client = SimpleNamespace(is_connected=True, max_payload=1 << 20, new_inbox=lambda: "_INBOX")
        self.sent: list[bytes] = []
        self.rooms: list[bool] = []
        self.publisher = Publisher(lambda _: None, lambda: None, lambda: self.rooms.append(self.publisher.full))

    async def listen(self, _subject: str, sink: Callable[[Frame], None]) -> None:
        self._sink = sink

    def send(self, frames: bytes) -> None:
        self.sent.append(frames)

    def add(self, *ids: str, payload: bytes = b"{}") -> None:
        for name in ids:
            self.publisher.add(OutboxBatch(name, (OutboundMessage("paper.orders.filled", name, payload),)))

    def acknowledge(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._sink(Frame(b"_INBOX.%d" % number, b"", b"", b'{"stream": "PAPER_ORDERS", "seq": 1}'))


def on_line(work: Callable[[Line], Awaitable[None]]) -> None:
    async def run() -> None:
        line = Line()
        await line.publisher.attach(cast(Wire, line))
        await work(line)
        await line.publisher.detach()

    asyncio.run(run())


async def turn_over(until: Callable[[], Any] | None = None, turns: int = 50) -> None:
    """Let the loop go round, for so long as it takes or so many times."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 60
    while until() is False if until else turns > 0:
        turns -= 1
        assert loop.time() < deadline
        turned = loop.create_future()
        loop.call_later(0.001, turned.set_result, None)
        await turned


def test_nothing_is_sent_while_nobody_is_connected_and_all_of_it_once_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publisher, "ACK_TIMEOUT_S", 0.005)

    async def work(line: Line) -> None:
        line.add("1")
        await turn_over(lambda: len(line.sent) >= 2)
        line.client.is_connected = False
        line.sent.clear()
        line.add("2")
        await turn_over()
        assert line.sent == []
        monkeypatch.setattr(publisher, "ACK_TIMEOUT_S", 60)
        line.client.is_connected = True
        line.publisher.resend()
        await turn_over()
        assert [b"Nats-Msg-Id: %d\r\n" % number in sent for number, sent in enumerate(line.sent, 1)] == [True, True]

    on_line(work)


@pytest.mark.parametrize("bound", ["FULL", "FULL_BYTES"])
def test_it_is_full_beyond_its_bound_and_has_room_again_below_half_of_it(
    monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(publisher, bound, 4)

    async def work(line: Line) -> None:
        line.add("0", "1", "2", "3", payload=b"x")
        assert not line.publisher.full
        line.add("4", payload=b"x")
        assert line.publisher.full
        await turn_over(lambda: len(line.sent) == 5)
        line.acknowledge([0, 1])
        assert (line.publisher.full, line.rooms) == (True, [])
        line.acknowledge([2, 3, 4])
        assert (line.publisher.full, line.rooms) == (False, [False])

    on_line(work)


def test_acknowledgements_that_are_lost_while_all_slots_are_taken_have_all_of_it_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publisher, "ACK_TIMEOUT_S", 0.01)
    monkeypatch.setattr(publisher, "MAX_IN_FLIGHT", 4)

    async def work(line: Line) -> None:
        line.add(*(str(number) for number in range(6)))
        await turn_over(lambda: sum(b"Nats-Msg-Id: 0\r\n" in sent for sent in line.sent) >= 3)

    on_line(work)
