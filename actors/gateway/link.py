"""The gateway's asyncio side: one connection at a time, its pullers, its publisher and its request endpoints."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import nats.errors
import nats.js.errors
import structlog
from nats.aio.client import Client

from actors.errors import ActorError
from actors.gateway import subjects
from actors.gateway.connection import (
    ConnectionEvents,
    connect,
    delivered,
    ensure_consumer,
    ensure_streams,
    take_consumer,
    ticks_consumer,
)
from actors.gateway.guard import Guard
from actors.gateway.inbound import Inbound
from actors.gateway.publisher import Publisher
from actors.gateway.puller import Puller
from actors.gateway.requests import Requests
from actors.gateway.resumption import Resumption
from actors.gateway.wire import Frame, Wire, pubs
from actors.messages import BooksInvalidated, Delivery, OutboxBatch, OutboxLoaded
from actors.runtime.clock import Clock
from actors.runtime.directory import Directory
from actors.tenure import Tenure
from settings import NatsSettings

RETRY_S = 0.5
CATCH_UP_S = 10.0
RESUME_AGAIN_S = 5.0
NATS_ERRORS = (nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError, asyncio.TimeoutError)


class Link:
    """Keeps the service connected until told to stop. Its methods run in the loop's thread.

    Args:
        settings: how to connect.
        servers: where.
        brokers: whose streams are made.
        inbound: where messages go.
        directory: the way to the actors that answer requests.
        status: builds the status document.
        credit: signals handed over and not yet settled, per broker.
        tenures: the brokers' leases as the writer shows them now.
        clock: of the leases' ends.
        on_state: told whenever the connection comes or goes, with the error if there is one.
    """

    def __init__(
        self,
        settings: NatsSettings,
        servers: list[str],
        brokers: Sequence[str],
        inbound: Inbound,
        directory: Directory,
        status: Callable[[], dict[str, Any]],
        credit: int,
        tenures: Callable[[], Mapping[str, Tenure]],
        clock: Clock,
        on_state: Callable[[str, str | None], None],
    ) -> None:
        self._settings = settings
        self._servers = servers
        self._specs = subjects.streams(brokers)
        self._consumers = subjects.durable_consumers(brokers)
        self._inbound = inbound
        self._directory = directory
        self._status = status
        self._credit = credit
        self._client: Client | None = None
        self._wire: Wire | None = None
        self._pullers: dict[str, Puller] = {}
        self._tenures = tenures
        self._clock = clock
        self._open: dict[str, int] = {}
        self._opening: dict[str, asyncio.Lock] = {}
        self._lost = asyncio.Event()
        self._caught_up = asyncio.Event()
        self._stopping = False
        self._failure: str | None = None
        self._logged: str | None = None
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._log = structlog.get_logger("nats")
        self.publisher = Publisher(inbound.published, lambda: self._spawn(self._ensure_streams()), self._go_on)
        self._resumption = Resumption(self.publisher.add, self._specs)
        self._on_state = on_state

    async def run(self) -> None:
        """Connect, serve, and connect anew whenever the connection is closed for good; returns after `stop`."""
        while not self._stopping:
            try:
                await self._serve()
            except NATS_ERRORS as error:
                self._failure = _line(error)
                if self._failure != self._logged:
                    self._log.warning("not connected", reason=self._failure)
                    self._logged = self._failure
            finally:
                await self._close()
            if not self._stopping:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._lost.wait(), RETRY_S)

    async def _serve(self) -> None:
        self._lost = asyncio.Event()
        self._caught_up = asyncio.Event()
        events = ConnectionEvents(self._disconnected, self._reconnected, self._closed, self._failed)
        name = f"alpha-panda/{socket.gethostname()}"
        connecting = connect(self._settings, self._servers, name, events)
        self._client = client = await asyncio.wait_for(connecting, 2 * len(self._servers) + 3)
        self._wire = wire = Wire(client)
        await self._ensure_streams()
        await self.publisher.attach(wire)
        await self._publish_left()
        await Requests(wire, self._directory, self._status).serve()
        await self._pull_ticks(wire)
        await self._pull_sessions(wire)
        self._failure = self._logged = None
        self._on_state("up", None)
        self._log.info("connected", server=_address(client))
        for broker in tuple(self._open):
            self._spawn(self._pull_broker(broker))
        await self._lost.wait()

    async def _close(self) -> None:
        self._on_state("away", self._failure)
        for task in tuple(self._tasks):
            task.cancel()
        await self.publisher.detach()
        for puller in self._pullers.values():
            await puller.stop()
        self._pullers = {}
        if self._client is not None and not self._client.is_closed:
            with contextlib.suppress(*NATS_ERRORS):
                await asyncio.wait_for(self._client.close(), 3)
        self._client = self._wire = None

    # What the gateway asks for

    def open_broker(self, broker: str, reign: int) -> None:
        """Let the broker's signals in, as its lease was verified just now."""
        self._open[broker] = reign
        if self._wire is not None:
            self._spawn(self._pull_broker(broker))

    def close_broker(self, broker: str) -> None:
        """Leave the broker's signals in their stream."""
        self._open.pop(broker, None)
        puller = self._pullers.pop(subjects.signals_consumer(broker), None)
        if puller is not None:
            puller.halt()
            self._spawn(puller.stop())

    def resume(self, left: OutboxLoaded) -> None:
        """Publish what nobody has in hand."""
        self._resumption.add(left)
        self._spawn(self._publish_left())

    def publish(self, batch: OutboxBatch) -> None:
        """Publish what was committed now, after what was left from before."""
        self._resumption.publish(batch)

    def settle(self, deliveries: Sequence[Delivery], verb: bytes) -> None:
        """Acknowledge, end or release deliveries; the last one's acknowledgement is confirmed by the server."""
        deliveries = [delivery for delivery in deliveries if delivery.consumer != "ticks"]
        if not deliveries:
            return
        sizes: dict[str, list[int]] = {}
        for delivery in deliveries:
            if delivery.on_credit:
                sizes.setdefault(delivery.consumer, []).append(len(delivery.data))
        for consumer, several in sizes.items():
            if consumer in self._pullers:
                self._pullers[consumer].settle(len(several), sum(several))
        if self._wire is not None and not self._wire.client.is_closed:
            self._send(self._wire, [delivery.reply for delivery in deliveries], verb)

    def free(self, delivery: Delivery) -> None:
        """Give back the credit of a delivery that is not settled yet."""
        if delivery.consumer != "ticks" and delivery.consumer in self._pullers:
            self._pullers[delivery.consumer].settle(1, len(delivery.data))

    @property
    def in_flight(self) -> int:
        """Messages handed over and not yet settled."""
        return sum(puller.in_flight for name, puller in self._pullers.items() if name != "ticks")

    async def measure(self) -> dict[str, dict[str, int]]:
        """By stream: messages kept, waiting for us (`pending`), handed over and not settled (`ack_pending`)."""
        client = self._client
        if client is None or not client.is_connected:
            return {}
        js = client.jetstream(timeout=2)
        measured = {}
        for spec in self._specs:
            info = await js.stream_info(spec.name)
            measured[spec.name] = {"messages": info.state.messages, "pending": 0, "ack_pending": 0}
        for stream, name in self._consumers:
            with contextlib.suppress(nats.js.errors.NotFoundError):
                consumer = await js.consumer_info(stream, name)
                waiting = {"pending": consumer.num_pending or 0, "ack_pending": consumer.num_ack_pending or 0}
                measured[stream] |= waiting
        return measured

    async def stop_pulling(self) -> None:
        """Let nothing more in."""
        self._open.clear()
        for puller in self._pullers.values():
            await puller.stop()

    def stop(self) -> None:
        """End `run`."""
        self._stopping = True
        self._lost.set()

    async def flush(self) -> None:
        """Wait until the server has what was sent."""
        if self._client is not None and self._client.is_connected:
            with contextlib.suppress(*NATS_ERRORS):
                await self._client.flush(2)

    # Inside

    def _is_full(self) -> bool:
        return self.publisher.full or self._resumption.crowded

    def _go_on(self) -> None:
        """What was committed is published: signals may come again."""
        for puller in self._pullers.values():
            puller.pull()

    async def _ensure_streams(self) -> None:
        assert self._client is not None
        await ensure_streams(self._client.jetstream(), self._specs)

    async def _publish_left(self) -> None:
        if self._client is None or not self._client.is_connected:
            return
        try:
            await self._resumption.work_off(self._client)
        except NATS_ERRORS as error:
            self._log.warning("what was left is not published yet", reason=_line(error))
            self._loop.call_later(RESUME_AGAIN_S, lambda: self._spawn(self._publish_left()))

    async def _pull_broker(self, broker: str) -> None:
        """Pull the broker's signals once the ticks are as new as the stream has them."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._caught_up.wait(), CATCH_UP_S)
        wire, consumer = self._wire, subjects.signals_consumer(broker)
        async with self._opening.setdefault(broker, asyncio.Lock()):
            while wire is not None and wire is self._wire and (reign := self._open.get(broker)) is not None:
                current = self._pullers.get(consumer)
                if current is not None and current.guard is not None:
                    if current.guard.reign == reign and not current.halted:
                        return
                    current.halt()
                guard = Guard(broker, reign, self._tenures, self._clock.monotonic, self._doubted)
                try:
                    if guard.confirmed:
                        await self._pull_anew(wire, consumer, guard, current)
                        continue
                except NATS_ERRORS as error:
                    self._log.warning("not pulled yet", consumer=consumer, reason=_line(error))
                await asyncio.sleep(RETRY_S)

    async def _pull_anew(self, wire: Wire, consumer: str, guard: Guard, earlier: Puller | None) -> None:
        """Pull from a consumer made anew, which ends whatever anybody else has asked of it."""
        stream, subject = subjects.signals_stream(guard.broker), subjects.validated_signals(guard.broker)
        if earlier is not None:
            await earlier.stop()

        async def check() -> str:
            await self._ensure_streams()
            if await delivered(wire.client.jetstream(), stream, consumer) != puller.seen:
                puller.doubt("its consumer is gone, or messages were lost on their way")
            return consumer

        await self._ensure_streams()
        await take_consumer(wire.client.jetstream(), stream, consumer, subject, self._credit)
        puller = self._puller(wire, stream, consumer, check, guard)
        if earlier is not None and earlier.guard is not None and earlier.guard.reign == guard.reign:
            puller.inherit(earlier)
        if self._open.get(guard.broker) == guard.reign:
            self._pullers[consumer] = puller
            await puller.start()

    async def _pull_sessions(self, wire: Wire) -> None:
        stream, consumer = subjects.SESSIONS_STREAM, subjects.SESSIONS_CONSUMER

        async def ensure() -> str:
            await self._ensure_streams()
            return await ensure_consumer(wire.client.jetstream(), stream, consumer, None, self._credit)

        await ensure()
        self._pullers[consumer] = self._puller(wire, stream, consumer, ensure, None)
        await self._pullers[consumer].start()

    def _puller(
        self, wire: Wire, stream: str, consumer: str, repair: Callable[[], Awaitable[str]], guard: Guard | None
    ) -> Puller:
        return Puller(
            wire,
            stream,
            consumer,
            credit=self._credit,
            batch=self._credit // 2,
            on_batch=self._inbound.of(consumer),
            repair=repair,
            guard=guard,
            paused=lambda: consumer != subjects.SESSIONS_CONSUMER and self._is_full(),
        )

    def _doubted(self, broker: str, reason: str) -> None:
        """Pull no more until the broker's books have been opened again: that somebody else took them is then known."""
        puller = self._pullers.get(subjects.signals_consumer(broker))
        if puller is not None:
            self._spawn(puller.stop())
        self._directory[f"trading.{broker}"].tell_control(BooksInvalidated(broker, 0, reason))

    async def _pull_ticks(self, wire: Wire) -> None:
        async def ensure() -> str:
            await self._ensure_streams()
            name, waiting = await ticks_consumer(wire.client.jetstream(), self._inbound.last_tick_seq)
            self._inbound.ticks_waiting = waiting
            if waiting == 0:
                self._caught_up.set()
            return name

        def receive(batch: list[Frame]) -> None:
            self._inbound.ticks(batch)
            puller.settle(len(batch), sum(len(message.data) for message in batch))
            if self._inbound.ticks_waiting <= 0:
                self._caught_up.set()

        puller = Puller(
            wire,
            subjects.TICKS_STREAM,
            await ensure(),
            credit=8192,
            batch=2048,
            on_batch=receive,
            repair=ensure,
        )
        self._pullers["ticks"] = puller
        await puller.start()

    def _send(self, wire: Wire, replies: list[str], verb: bytes) -> None:
        """Write to all the replies at once; the server confirms the last, unless the messages are to come again."""
        confirmed = not verb.startswith(b"-NAK")
        try:
            wire.send(pubs(replies[:-1] if confirmed else replies, verb))
        except nats.errors.Error as error:
            self._log.warning("not settled; the messages come again", reason=_line(error), messages=len(replies))
            return
        if confirmed:
            self._spawn(self._confirm(wire.client, replies[-1], verb))

    async def _confirm(self, client: Client, reply: str, verb: bytes) -> None:
        with contextlib.suppress(nats.errors.TimeoutError, nats.errors.NoRespondersError):
            await client.request(reply, verb, timeout=5)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, (*NATS_ERRORS, ActorError)):
            self._log.warning("not sent", reason=_line(error))
        else:
            self._log.error("unexpected failure; connecting anew", exc_info=error)
            self._lost.set()

    async def _disconnected(self) -> None:
        if self._wire is not None:
            self._wire.drop_unsent()
        self._on_state("away", "disconnected")
        if not self._stopping:
            self._log.warning("NATS is away; reconnecting")

    async def _reconnected(self) -> None:
        self._on_state("up", None)
        self._log.info("reconnected")
        for name, puller in self._pullers.items():
            if name == "ticks":
                puller.reset()
            else:
                puller.check()
        for broker in tuple(self._open):
            self._spawn(self._pull_broker(broker))
        self.publisher.resend()

    async def _closed(self) -> None:
        self._lost.set()

    async def _failed(self, error: Exception) -> None:
        self._on_state("away" if self._client is None or not self._client.is_connected else "up", _line(error))


def _line(error: BaseException) -> str:
    text = str(error).strip().split("\n", 1)[0]
    return text or type(error).__name__


def _address(client: Client) -> str:
    url = client.connected_url
    return url.netloc.rpartition("@")[2] if url is not None else ""
