"""Acknowledgements that a server took and then lost, found by asking a real one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from actors.gateway import forgotten, subjects
from actors.gateway.connection import connect, ensure_streams, take_consumer
from actors.gateway.forgotten import find_forgotten
from actors.gateway.guard import Guard
from actors.gateway.puller import Puller
from actors.gateway.wire import Frame, Wire
from actors.tenure import Tenure
from settings import NatsSettings
from tests.system import streams

STREAM, CONSUMER = subjects.signals_stream("paper"), subjects.signals_consumer("paper")
SUBJECT = subjects.validated_signals("paper")
LONG_S = 1e6


class Stand:
    """A guarded puller on a real consumer; what it gets waits until it is acknowledged."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.doubts: list[str] = []
        self._frames: asyncio.Queue[Frame] = asyncio.Queue()
        tenures = {"paper": Tenure(1, 1, time.monotonic() + LONG_S)}
        guard = Guard("paper", 1, lambda: tenures, time.monotonic, lambda _broker, reason: self.doubts.append(reason))
        self.puller = Puller(
            wire, STREAM, CONSUMER, credit=10, batch=10, on_batch=self._keep, repair=self._repair, guard=guard
        )

    def _keep(self, batch: list[Frame]) -> None:
        for frame in batch:
            self._frames.put_nowait(frame)

    async def _repair(self) -> str:
        return CONSUMER

    async def publish(self, count: int) -> list[Frame]:
        """Returns them as they were delivered."""
        for _ in range(count):
            await streams.jetstream(self.wire.client).publish(SUBJECT, b"{}", timeout=streams.PATIENCE_S)
        return [await asyncio.wait_for(self._frames.get(), streams.PATIENCE_S) for _ in range(count)]

    async def acknowledge(self, frames: list[Frame]) -> None:
        for frame in frames:
            await self.wire.client.request(frame.reply.decode(), b"+ACK", timeout=streams.PATIENCE_S)


def on_stand(url: str, work: Callable[[Stand], Awaitable[None]]) -> None:
    async def run() -> None:
        client = await connect(NatsSettings(), [url], "test", None)
        js = streams.jetstream(client)
        await ensure_streams(js, subjects.streams(["paper"]))
        await take_consumer(js, STREAM, CONSUMER, SUBJECT, 10)
        stand = Stand(Wire(client))
        await stand.puller.start()
        try:
            await work(stand)
        finally:
            await stand.puller.stop()
            await client.close()

    streams.empty(url)
    asyncio.run(run())


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgotten, "LOOK_EVERY_S", 0.05)


def test_a_server_that_says_less_than_it_confirmed_is_doubted(nats_url: str) -> None:
    async def work(stand: Stand) -> None:
        await stand.acknowledge((await stand.publish(3))[:2])
        await asyncio.wait_for(find_forgotten(stand.wire, stand.puller, lambda: True), streams.PATIENCE_S)
        assert stand.doubts == ["its server forgot 1 acknowledgements"]
        assert stand.puller.halted

    on_stand(nats_url, work)


def test_a_server_that_forgot_nothing_is_not(nats_url: str) -> None:
    async def work(stand: Stand) -> None:
        await stand.acknowledge(await stand.publish(3))
        await asyncio.wait_for(find_forgotten(stand.wire, stand.puller, lambda: True), streams.PATIENCE_S)
        assert stand.doubts == []

    on_stand(nats_url, work)


def test_what_is_still_in_hand_is_waited_for(nats_url: str) -> None:
    async def work(stand: Stand) -> None:
        frames = await stand.publish(3)
        in_hand = list(frames)
        looked = asyncio.Event()

        def settled() -> bool:
            looked.set()
            return not in_hand

        looking = asyncio.create_task(find_forgotten(stand.wire, stand.puller, settled))
        await asyncio.wait_for(looked.wait(), streams.PATIENCE_S)
        await stand.acknowledge(frames)
        in_hand.clear()
        await asyncio.wait_for(looking, streams.PATIENCE_S)
        assert stand.doubts == []

    on_stand(nats_url, work)


def test_a_delivery_that_comes_while_the_server_is_asked_makes_it_ask_again(nats_url: str) -> None:
    async def work(stand: Stand) -> None:
        came: list[Frame] = []
        request = stand.wire.client.request

        async def settled_meanwhile(subject: str, payload: bytes = b"", **options: object) -> object:
            if "CONSUMER.INFO" in subject and not came:
                came.extend(await stand.publish(1))
                answer = await request(subject, payload, **options)  # type: ignore[arg-type]
                await request(came[0].reply.decode(), b"+ACK", timeout=streams.PATIENCE_S)
                return answer
            return await request(subject, payload, **options)  # type: ignore[arg-type]

        stand.wire.client.request = settled_meanwhile  # type: ignore[method-assign,assignment]
        await asyncio.wait_for(find_forgotten(stand.wire, stand.puller, lambda: True), streams.PATIENCE_S)
        assert came
        assert stand.doubts == []

    on_stand(nats_url, work)


def test_a_puller_that_was_halted_meanwhile_is_left_alone(nats_url: str) -> None:
    async def work(stand: Stand) -> None:
        await stand.publish(1)
        stand.puller.halt()
        await asyncio.wait_for(find_forgotten(stand.wire, stand.puller, lambda: True), streams.PATIENCE_S)
        assert stand.doubts == []

    on_stand(nats_url, work)
