"""What is pulled: the signals of every broker whose lease is ours, the sessions, and the ticks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from actors.gateway import subjects
from actors.gateway.connection import ensure_consumer, progress, take_consumer, ticks_consumer
from actors.gateway.errors import NATS_ERRORS, line
from actors.gateway.forgotten import find_forgotten
from actors.gateway.guard import Guard
from actors.gateway.inbound import Inbound
from actors.gateway.puller import Puller
from actors.gateway.wire import Frame, Wire
from actors.messages import BooksInvalidated, Delivery
from actors.runtime.clock import Clock
from actors.runtime.directory import Directory
from actors.tenure import Tenure

RETRY_S = 0.5
CATCH_UP_S = 10.0


class Intake:
    """The pullers of one connection after the other; in the gateway's loop.

    Args:
        inbound: where messages go.
        directory: the way to the brokers whose lease is doubted.
        credit: signals handed over and not yet settled, per broker.
        tenures: the brokers' leases as the writer shows them now.
        clock: of the leases' ends.
        ensure_streams: makes the streams, or brings them up to date.
        full: whether so much waits to be published that no signals should come.
        settled: whether nothing is left to be said of what has no credit any more.
        spawn: runs a coroutine on the side.
    """

    def __init__(
        self,
        inbound: Inbound,
        directory: Directory,
        credit: int,
        tenures: Callable[[], Mapping[str, Tenure]],
        clock: Clock,
        ensure_streams: Callable[[], Awaitable[None]],
        full: Callable[[], bool],
        settled: Callable[[], bool],
        spawn: Callable[[object], None],
    ) -> None:
        self._inbound = inbound
        self._directory = directory
        self._credit = credit
        self._tenures = tenures
        self._clock = clock
        self._ensure_streams = ensure_streams
        self._full = full
        self._settled = settled
        self._spawn = spawn
        self._wire: Wire | None = None
        self._pullers: dict[str, Puller] = {}
        self._open: dict[str, int] = {}
        self._opening: dict[str, asyncio.Lock] = {}
        self._caught_up = asyncio.Event()
        self._draining = False
        self._drains = 0
        self.dry = False
        """Whether nothing comes any more, as it drains."""
        self._log = structlog.get_logger("nats")

    async def attach(self, wire: Wire) -> None:
        """Pull ticks and sessions on a new connection.

        Raises:
            nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError: the consumers cannot be made.
        """
        self._wire = wire
        self._caught_up = asyncio.Event()
        await self._pull_ticks(wire)
        if not self._draining:
            await self._pull_sessions(wire)

    async def detach(self) -> None:
        """Forget the connection; what was open stays so for the next one."""
        self._wire = None
        await self._stop_pullers()
        self._pullers = {}

    def reopen(self) -> None:
        """Pull the signals of the brokers that are open."""
        for broker in tuple(self._open):
            self._spawn(self._pull_broker(broker))

    def open(self, broker: str, reign: int) -> None:
        """Let the broker's signals in, as its lease was verified just now."""
        self._open[broker] = reign
        if self._wire is not None:
            self._spawn(self._pull_broker(broker))

    def close(self, broker: str) -> None:
        """Leave the broker's signals in their stream."""
        self._open.pop(broker, None)
        puller = self._pullers.pop(subjects.signals_consumer(broker), None)
        if puller is not None:
            puller.halt()
            self._spawn(puller.stop())

    def drain(self) -> None:
        """Let nothing in but ticks until `refill`; what was handed over can still be settled."""
        self._draining = True
        several = [puller for name, puller in self._pullers.items() if name != "ticks"]
        for puller in several:
            puller.halt()
        self._drains += 1
        self._spawn(self._run_dry(several, self._drains))

    async def _run_dry(self, several: list[Puller], number: int) -> None:
        for puller in several:
            await puller.stop()
        self.dry = self._draining and number == self._drains

    def refill(self) -> None:
        """Let in again what comes."""
        self._draining = self.dry = False
        if self._wire is not None:
            self._spawn(self._pull_sessions_again(self._wire))
        self.reopen()

    async def close_all(self) -> None:
        """Let nothing more in."""
        self._open.clear()
        await self._stop_pullers()

    def free(self, deliveries: Sequence[Delivery]) -> None:
        """Give back the credit of deliveries that have it."""
        sizes: dict[str, list[int]] = {}
        for delivery in deliveries:
            sizes.setdefault(delivery.consumer, []).append(len(delivery.data))
        for consumer, several in sizes.items():
            if consumer != "ticks" and consumer in self._pullers:
                self._pullers[consumer].settle(len(several), sum(several))

    def pulls(self, consumer: str) -> bool:
        """Whether the consumer should be there, as it is pulled here."""
        return consumer in self._pullers

    @property
    def in_flight(self) -> int:
        """Messages handed over and not yet settled."""
        return sum(puller.in_flight for name, puller in self._pullers.items() if name != "ticks")

    def go_on(self) -> None:
        """What was committed is published: signals may come again."""
        for puller in self._pullers.values():
            puller.pull()

    def look_again(self) -> None:
        """The connection was lost for a moment, and with it perhaps what was on its way."""
        for name, puller in self._pullers.items():
            if name == "ticks":
                puller.reset()
            else:
                puller.check()
                if self._wire is not None and puller.guard is not None:
                    self._spawn(find_forgotten(self._wire, puller, lambda: not self.in_flight and self._settled()))
        self.reopen()

    async def _stop_pullers(self) -> None:
        for puller in self._pullers.values():
            await puller.stop()

    async def _pull_broker(self, broker: str) -> None:
        """Pull the broker's signals once the ticks are as new as the stream has them."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._caught_up.wait(), CATCH_UP_S)
        wire, consumer = self._wire, subjects.signals_consumer(broker)
        async with self._opening.setdefault(broker, asyncio.Lock()):
            while self._is_current(wire) and (reign := self._open.get(broker)) is not None:
                assert wire is not None
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
                    self._log.warning("not pulled yet", consumer=consumer, reason=line(error))
                await asyncio.sleep(RETRY_S)

    async def _pull_anew(self, wire: Wire, consumer: str, guard: Guard, earlier: Puller | None) -> None:
        """Pull from a consumer made anew, which ends whatever anybody else has asked of it."""
        stream, subject = subjects.signals_stream(guard.broker), subjects.validated_signals(guard.broker)
        if earlier is not None:
            await earlier.stop()

        async def check() -> str:
            await self._ensure_streams()
            if (await progress(wire.client.jetstream(), stream, consumer)).delivered != puller.seen:
                puller.doubt("its consumer is gone, or messages were lost on their way")
            return consumer

        await self._ensure_streams()
        await take_consumer(wire.client.jetstream(), stream, consumer, subject, self._credit)
        puller = self._puller(wire, stream, consumer, check, guard)
        if earlier is not None and earlier.guard is not None and earlier.guard.reign == guard.reign:
            puller.inherit(earlier)
        if self._open.get(guard.broker) == guard.reign and not self._draining:
            self._pullers[consumer] = puller
            await puller.start()

    async def _pull_sessions_again(self, wire: Wire) -> None:
        while self._is_current(wire):
            try:
                await self._pull_sessions(wire)
            except NATS_ERRORS as error:
                self._log.warning("not pulled yet", consumer=subjects.SESSIONS_CONSUMER, reason=line(error))
                await asyncio.sleep(RETRY_S)
            else:
                return

    async def _pull_sessions(self, wire: Wire) -> None:
        """From a consumer made anew, as the server may not have seen the end of who asked before."""
        stream, consumer = subjects.SESSIONS_STREAM, subjects.SESSIONS_CONSUMER

        async def ensure() -> str:
            await self._ensure_streams()
            return await ensure_consumer(wire.client.jetstream(), stream, consumer, None, self._credit)

        async with self._opening.setdefault(consumer, asyncio.Lock()):
            earlier = self._pullers.get(consumer)
            if earlier is not None and not earlier.halted:
                return
            await self._ensure_streams()
            await take_consumer(wire.client.jetstream(), stream, consumer, None, self._credit)
            if earlier is not None:
                await earlier.stop()
            if not self._is_current(wire):
                return
            puller = self._puller(wire, stream, consumer, ensure, None)
            if earlier is not None:
                puller.inherit(earlier)
            self._pullers[consumer] = puller
            await puller.start()

    def _is_current(self, wire: Wire | None) -> bool:
        """Whether messages may still be pulled over this connection."""
        return wire is not None and wire is self._wire and not self._draining

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
            paused=lambda: consumer != subjects.SESSIONS_CONSUMER and self._full(),
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
