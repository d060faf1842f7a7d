"""GatewayActor: the way in and out. It owns the asyncio thread; only batches cross between it and the actors."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import structlog
import uvloop

from actors.errors import ActorError, StartRefused
from actors.gateway.errors import NATS_ERRORS
from actors.gateway.given_up import GivenUp
from actors.gateway.inbound import Inbound
from actors.gateway.link import Link
from actors.gateway.snapshot import GatewaySnapshot, host_of
from actors.messages import (
    BrokerClosed,
    BrokerOpened,
    Committed,
    CrashedOn,
    Delivery,
    GetOutbox,
    GetTicks,
    LoopFailed,
    OutboxLoaded,
    OutboxPublished,
    Released,
    ResumeIntake,
    StopIntake,
    Ticks,
)
from actors.runtime.actor import ServiceActor, describe
from actors.runtime.cell import Context
from actors.tenure import Tenure
from settings import NatsSettings

CREDIT = 4096
PULSE_S = 1.0
DRAIN_S = 8.0


class GatewayLoopError(ActorError):
    """The asyncio side failed in a way that nobody expected."""


class GatewayActor(ServiceActor):
    """NATS both ways.

    Owns: the asyncio thread and, through it, the connection, the pullers and the publisher.
    Receives: `Committed`, `Released`, `CrashedOn`, `OutboxLoaded`, `BrokerOpened`, `BrokerClosed`, `GetTicks`,
    `StopIntake`, `ResumeIntake`.
    Sends: `ExecuteSignal` and `Ticks` to the brokers, sessions to auth, dead letters and `OutboxPublished` to the
    database.
    On failure: restarted with a new thread and connection; the outbox is read again, unsettled messages are delivered
    again and absorbed by the inbox. NATS away is no failure: it keeps trying and says so.
    """

    def __init__(
        self,
        context: Context,
        settings: NatsSettings,
        servers: Callable[[], list[str]],
        brokers: Sequence[str],
        status: Callable[[], dict[str, Any]],
    ) -> None:
        super().__init__(context)
        self._settings = settings
        self._servers = servers
        self._brokers = brokers
        self._status = status
        self._state: tuple[str, str | None] = ("away", None)
        self._streams: dict[str, dict[str, int]] = {}
        self._missing: tuple[str, ...] = ()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._link: Link | None = None
        self._inbound: Inbound | None = None
        self._given_up: GivenUp | None = None
        self._calls: list[Callable[[], None]] = []
        self._draining: bool = getattr(context.telemetry.snapshot, "draining", False)
        self._lock = threading.Lock()
        self.handles(
            {
                Committed: self._committed,
                Released: self._released,
                CrashedOn: self._crashed_on,
                OutboxLoaded: self._outbox_loaded,
                BrokerOpened: lambda message: self._open_broker(message.broker, message.reign),
                BrokerClosed: lambda message: self._call(lambda: self._running.close_broker(message.broker)),
                GetTicks: lambda _: self._ticks(),
                StopIntake: lambda _: self._turn(draining=True),
                ResumeIntake: lambda _: self._turn(draining=False),
                LoopFailed: self._loop_failed,
            }
        )

    def on_start(self) -> None:
        ready = threading.Event()
        self._thread_of_loop = threading.Thread(target=self._run_loop, args=(ready,), name="gateway-loop", daemon=True)
        self._thread_of_loop.start()
        if not ready.wait(5):
            raise StartRefused("the gateway's loop did not start")
        if not self.context.directory["database"].tell(GetOutbox()):
            raise StartRefused("the database's mailbox is full", retryable=True)
        for broker in self._brokers:
            snapshot = self.context.directory[f"trading.{broker}"].telemetry.snapshot
            shown = {} if snapshot is None else snapshot.as_status(0.0)
            tenure = self._tenures().get(broker)
            if tenure is not None and shown.get("state") == "trading" and shown["lease"]["epoch"] == tenure.epoch:
                self._open_broker(broker, tenure.reign)

    def on_stop(self) -> None:
        """Stop pulling, let what is in flight be committed and acknowledged, publish it, and close."""
        clock = self.context.clock
        deadline = clock.monotonic() + DRAIN_S
        self._await(self._running.stop_pulling(), 3)
        while clock.monotonic() < deadline and self._is_busy():
            for letter in self.context.mailbox.take(64, self.context.generation, timeout_s=0.02):
                self.serve(letter)
        self._await(self._running.flush(), 3)

    def _is_busy(self) -> bool:
        link = self._running
        return bool(link.in_flight or self._letters.in_hand or link.publisher.unpublished)

    def on_exit(self) -> None:
        if self._loop is None or self._link is None:
            return
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._link.stop)
        self._thread_of_loop.join(5)
        if not self._thread_of_loop.is_alive():
            self._loop = self._link = self._inbound = self._given_up = None
            gc.collect()  # a loop of uvloop holds 256 KB, and its cycles would keep it for some hundred restarts

    @property
    def _running(self) -> Link:
        assert self._link is not None
        return self._link

    @property
    def _letters(self) -> GivenUp:
        assert self._given_up is not None
        return self._given_up

    def _run_loop(self, ready: threading.Event) -> None:
        structlog.contextvars.bind_contextvars(actor=self.context.name)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._main(ready))
        except BaseException as error:  # the thread is ours: what ends it is a crash of the actor
            self.log.exception("loop failed")
            self.context.handle.tell_control(LoopFailed(describe(error)))

    def _met_error(self, _loop: asyncio.AbstractEventLoop, details: dict[str, Any]) -> None:
        """A callback of ours that raises has lost what it held: start anew. Errors of nats' own tasks are logged."""
        error = details.get("exception")
        if "handle" in details and error is not None:
            self.log.error("callback failed", exc_info=error)
            if self._inbound is not None:
                self._inbound.stop()
            self.context.handle.tell_control(LoopFailed(describe(error)))
        else:
            self.log.warning("loop", reason=details.get("message"), error=None if error is None else describe(error))

    async def _main(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._met_error)
        directory = self.context.directory
        self._given_up = GivenUp(directory, self._free, lambda: self._running.publisher.full)
        self._inbound = Inbound(directory, self._release, self._published, self._given_up)
        self._link = Link(
            self._settings,
            self._servers(),
            self._brokers,
            self._inbound,
            directory,
            self._status,
            credit=CREDIT,
            tenures=self._tenures,
            clock=self.context.clock,
            on_state=self._noted,
        )
        if self._draining:
            self._link.drain()
        self._publish()
        besides = [self._loop.create_task(self._report()), self._loop.create_task(self._beat())]
        ready.set()
        await self._link.run()
        for one in besides:
            one.cancel()

    async def _beat(self) -> None:
        """Show that the loop goes round."""
        telemetry, clock = self.context.telemetry, self.context.clock
        while True:
            telemetry.pulse = clock.monotonic()
            await asyncio.sleep(PULSE_S)

    async def _report(self) -> None:
        """Keep the published figures fresh."""
        assert self._link is not None
        while True:
            with contextlib.suppress(*NATS_ERRORS):
                self._streams, self._missing = await self._link.measure()
            for _ in range(8):
                self._publish()
                self._letters.go_on()
                await asyncio.sleep(0.25)

    # From the actors to the loop: one wake-up however many calls wait

    def _call(self, call: Callable[[], None]) -> None:
        with self._lock:
            self._calls.append(call)
            first = len(self._calls) == 1
        if first and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._run_calls)

    def _run_calls(self) -> None:
        with self._lock:
            calls, self._calls = self._calls, []
        for call in calls:
            call()

    def _await(self, work: Coroutine[Any, Any, None], timeout_s: float) -> None:
        assert self._loop is not None
        try:
            asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)
        except TimeoutError:
            self.log.warning("the gateway's loop is slow to stop")

    def _committed(self, message: Committed) -> None:
        def settle() -> None:
            link = self._running
            link.settle(message.acknowledged, b"+ACK")
            link.settle(message.terminated, b"+TERM")
            if message.terminated:
                self._letters.settled(message.terminated)
            if message.outbox is not None:
                link.publish(message.outbox)

        self._call(settle)

    def _released(self, message: Released) -> None:
        self._release(message.deliveries, message.delay_s)

    def _release(self, deliveries: tuple[Delivery, ...], delay_s: float) -> None:
        verb = b'-NAK {"delay": %d}' % int(delay_s * 1e9) if delay_s else b"-NAK"

        def settle() -> None:
            self._running.settle(deliveries, verb)
            self._letters.settled(deliveries)

        self._call(settle)

    def _free(self, delivery: Delivery) -> None:
        self._running.free(delivery)

    def _crashed_on(self, message: CrashedOn) -> None:
        """What crashes an actor and then its successor is a dead letter."""
        broker = message.actor.removeprefix("trading.")
        reason = f"crashed {message.actor} twice: {message.error}"
        self._call(lambda: self._letters.add(message.delivery, reason, "Crash", broker))

    def _outbox_loaded(self, message: OutboxLoaded) -> None:
        if message.batches:
            self.log.info("publishing what was left", batches=len(message.batches), oldest_s=round(message.oldest_s, 1))
        self._call(lambda: self._running.resume(message))

    def _loop_failed(self, message: LoopFailed) -> None:
        raise GatewayLoopError(message.error)

    def _open_broker(self, broker: str, reign: int) -> None:
        self._call(lambda: self._running.open_broker(broker, reign))

    def _turn(self, *, draining: bool) -> str:
        """Stop or resume the intake; a gateway that follows this one goes on so."""
        if draining != self._draining:
            self._draining = draining
            self.log.warning("draining" if draining else "intake resumed", in_flight=self._running.in_flight)
            self._call(self._running.drain if draining else self._running.refill)
        self._publish()
        return "draining" if draining else "open"

    def _tenures(self) -> Mapping[str, Tenure]:
        """What the writer shows of its leases; from any thread."""
        tenures: Mapping[str, Tenure] = getattr(self.context.directory["database"].telemetry.snapshot, "tenures", {})
        return tenures

    def _ticks(self) -> Ticks:
        prices = {} if self._inbound is None else dict(self._inbound.prices)
        return Ticks(tuple(prices.values()))

    # From the loop to the actors

    def _published(self, ids: list[str]) -> None:
        self.context.directory["database"].tell(OutboxPublished(tuple(ids)))

    def _noted(self, state: str, error: str | None) -> None:
        self._state = (state, error)
        self._publish()

    def _intake(self, link: Link) -> str:
        if not self._draining:
            return "open"
        return "drained" if link.dry and not self._is_busy() else "draining"

    def _publish(self) -> None:
        if self._link is None:
            return
        state, error = self._state
        self.context.publish(
            GatewaySnapshot(
                state,
                ", ".join(host_of(server) for server in self._servers()),
                self._settings.embedded,
                error or self._link.publisher.refusal,
                self._streams,
                self._missing,
                self._link.in_flight + self._letters.in_hand,
                self._link.publisher.published,
                self._link.publisher.unpublished,
                round(self._link.publisher.oldest_age_s, 3),
                0 if self._inbound is None else self._inbound.ticks_received,
                self._intake(self._link),
            )
        )
