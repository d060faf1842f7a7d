"""Bad messages on their way to the writer: in order, few at a time, within bounds, and their credit free at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from actors.gateway import given_up
from actors.gateway.given_up import GivenUp
from actors.messages import CommitUnit, Delivery
from actors.runtime.clock import SystemClock
from actors.runtime.dead_letters import DeadLetters
from actors.runtime.directory import Directory, Handle
from actors.runtime.mailbox import Mailbox
from actors.runtime.telemetry import Telemetry
from tests.actors.messages import delivery

TURNS = 20


class Desk:
    """The letters in hand beside a writer that does nothing by itself."""

    def __init__(self) -> None:
        clock = SystemClock()
        self.dead = DeadLetters(clock)
        self.mailbox = Mailbox(1000, clock)
        directory = Directory()
        directory.handles = {"database": Handle("database", self.mailbox, Telemetry(), self.dead, clock)}
        self.freed: list[int] = []
        self.given_up = GivenUp(directory, lambda one: self.freed.append(one.stream_seq))

    def add(self, *deliveries: Delivery) -> None:
        for one in deliveries:
            self.given_up.add(one, "no signal", "BadMessage", "paper")

    async def told(self) -> list[int]:
        """What the writer was told since it was last asked, by position in the stream."""
        return [one.stream_seq for one in await self.deliveries()]

    async def deliveries(self) -> list[Delivery]:
        loop = asyncio.get_running_loop()
        for _ in range(TURNS):
            turned = loop.create_future()
            loop.call_soon(turned.set_result, None)
            await turned
        letters = self.mailbox.take(1000, self.mailbox.generation, timeout_s=0)
        units: list[CommitUnit] = [letter.message for letter in letters]
        return [unit.delivery for unit in units if unit.delivery is not None]


def bad(seqs: Sequence[int], **fields: Any) -> list[Delivery]:
    return [delivery(b"bad", stream_seq=seq, **fields) for seq in seqs]


def on_loop(work: Callable[[Desk], Any]) -> None:
    async def run() -> None:
        await work(Desk())

    asyncio.run(run())


@pytest.fixture(autouse=True)
def bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given_up, "IN_HAND", 6)
    monkeypatch.setattr(given_up, "OUTSTANDING", 3)


def test_the_writer_gets_them_in_order_and_the_next_ones_when_the_first_are_committed() -> None:
    async def work(desk: Desk) -> None:
        desk.add(*bad(range(5)))
        assert await desk.told() == [0, 1, 2]
        desk.given_up.settled(bad([0, 1]))
        assert await desk.told() == [3, 4]
        desk.given_up.settled(bad([2, 3, 4]))
        assert desk.given_up.in_hand == 0

    on_loop(work)


def test_the_credit_is_free_at_once_and_only_once() -> None:
    async def work(desk: Desk) -> None:
        desk.add(*bad(range(2)))
        assert desk.freed == [0, 1]
        assert [one.on_credit for one in await desk.deliveries()] == [False, False]
        desk.given_up.settled(bad([0, 1]))
        assert desk.freed == [0, 1]

    on_loop(work)


def test_beyond_the_bound_they_hold_their_credit_until_there_is_room() -> None:
    async def work(desk: Desk) -> None:
        desk.add(*bad(range(9)))
        assert desk.freed == [0, 1, 2, 3, 4, 5]
        assert await desk.told() == [0, 1, 2]
        desk.given_up.settled(bad([0, 1]))
        assert desk.freed == [0, 1, 2, 3, 4, 5, 6, 7]
        for told, settled in (([3, 4], [2, 3, 4]), ([5, 6, 7], [5, 6, 7]), ([8], [8])):
            assert await desk.told() == told
            desk.given_up.settled(bad(settled))
        assert (desk.given_up.in_hand, len(desk.freed)) == (0, 9)

    on_loop(work)


def test_their_bytes_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given_up, "IN_HAND_BYTES", 6)
    monkeypatch.setattr(given_up, "OUTSTANDING_BYTES", 1)

    async def work(desk: Desk) -> None:
        desk.add(*bad(range(4)))
        assert desk.freed == [0, 1]
        assert await desk.told() == [0]
        desk.given_up.settled(bad([0]))
        assert desk.freed == [0, 1, 2]

    on_loop(work)


def test_one_that_is_delivered_again_is_written_from_its_place_and_acknowledged_by_its_newest_reply() -> None:
    async def work(desk: Desk) -> None:
        desk.add(*bad(range(8)))
        again = [replace(one, reply="again") for one in bad([1, 3, 7])]
        desk.add(*again)
        assert await desk.told() == [0, 1, 2]
        desk.given_up.settled(bad([0, 1, 2]))
        third, *_ = await desk.deliveries()
        assert (third.stream_seq, third.reply) == (3, "again")
        desk.given_up.settled(bad([3, 4, 5]))
        *_, last = await desk.deliveries()
        assert (last.stream_seq, last.reply) == (7, "again")
        assert sorted(desk.freed) == [0, 1, 1, 2, 3, 3, 4, 5, 6, 7, 7]
        desk.given_up.settled(bad([6, 7]))
        assert desk.given_up.in_hand == 0

    on_loop(work)


def test_those_that_a_writer_took_down_with_it_do_not_stop_the_others() -> None:
    async def work(desk: Desk) -> None:
        desk.add(*bad(range(5)))
        assert await desk.told() == [0, 1, 2]
        desk.mailbox.hand_over(1)
        desk.given_up.go_on()
        assert await desk.told() == [3, 4]

    on_loop(work)


def test_a_crowded_writer_gets_none() -> None:
    async def work(desk: Desk) -> None:
        for _ in range(500):
            desk.given_up._directory["database"].tell(CommitUnit("x", "x"))
        desk.add(*bad(range(2)))
        assert await desk.told() == []
        desk.given_up.go_on()
        assert await desk.told() == [0, 1]

    on_loop(work)


def test_ticks_take_half_of_the_room_and_the_rest_of_them_are_dropped() -> None:
    async def work(desk: Desk) -> None:
        desk.add(*bad(range(5), consumer="ticks"))
        desk.add(*bad(range(2)))
        assert await desk.told() == [0, 1, 2]
        desk.given_up.settled(bad(range(3), consumer="ticks"))
        assert await desk.told() == [0, 1]
        assert desk.dead.counts() == {("database", "bad tick"): 2}

    on_loop(work)


def test_a_flood_has_one_line_in_the_log_a_second() -> None:
    async def work(desk: Desk) -> None:
        desk.add(*bad(range(6)))

    with capture_logs() as lines:
        on_loop(work)

    assert [line["event"] for line in lines] == ["bad message"]
