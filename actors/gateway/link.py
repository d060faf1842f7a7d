"""The gateway's asyncio side: one connection at a time, and what comes and goes with it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from nats.aio.client import Client

from actors.gateway import subjects
from actors.gateway.connection import ConnectionEvents, connect, ensure_streams, figures
from actors.gateway.discovery import Discovery
from actors.gateway.endpoints import Endpoints
from actors.gateway.errors import NATS_ERRORS, line
from actors.gateway.inbound import Inbound
from actors.gateway.intake import Intake
from actors.gateway.publisher import Publisher
from actors.gateway.requests import Requests
from actors.gateway.resumption import Resumption
from actors.gateway.settlement import Settlement
from actors.gateway.tasks import Tasks
from actors.gateway.wire import Wire
from actors.messages import Delivery, OutboxBatch, OutboxLoaded
from actors.runtime.clock import Clock
from actors.runtime.directory import Directory
from actors.tenure import Tenure
from settings import NatsSettings

RETRY_MIN_S, RETRY_MAX_S = 0.5, 2.0
RESUME_AGAIN_S = 5.0
UP_TIMEOUT_S = 5
SILENT_S = 20.0
"""Longer than any one step of nats-py's attempts to reconnect."""


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
        endpoints = Endpoints()
        self._requests = Requests(directory, status, endpoints)
        self._discovery = Discovery(endpoints, status)
        self._client: Client | None = None
        self._wire: Wire | None = None
        self._tried_at = 0.0
        """When nats-py last told of an attempt, in the loop's time."""
        self._lost = asyncio.Event()
        self._stopping = asyncio.Event()
        self._retry_s = RETRY_MIN_S
        self._refusal = ""
        """Why the last attempt to connect failed, which nats-py only tells on the side."""
        self._failure: str | None = None
        self._logged: str | None = None
        self._loop = asyncio.get_running_loop()
        self._log = structlog.get_logger("nats")
        self._tasks = Tasks(self._connect_anew)
        spawn = self._tasks.spawn
        self._settlement = Settlement()
        self._intake = Intake(
            inbound,
            directory,
            credit,
            tenures,
            clock,
            self._ensure_streams,
            full=lambda: self._is_full,
            settled=lambda: not self._settlement.unconfirmed and not inbound.given_up,
            spawn=spawn,
        )
        self.publisher = Publisher(inbound.published, lambda: spawn(self._ensure_streams()), self._intake.go_on)
        self._resumption = Resumption(self.publisher.add, self._specs)
        self._on_state = on_state

    async def run(self) -> None:
        """Connect, serve, and connect anew whenever the connection is closed for good; returns after `stop`."""
        while not self._stopping.is_set():
            self._refusal = ""
            try:
                await self._serve()
            except NATS_ERRORS as error:
                self._failure = line(error)
                if self._client is None and self._refusal:
                    self._failure = self._refusal
                if self._failure != self._logged:
                    self._log.warning("not connected", reason=self._failure)
                    self._logged = self._failure
            finally:
                await self._close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._retry_s)
            self._retry_s = min(RETRY_MAX_S, 2 * self._retry_s)

    async def _serve(self) -> None:
        self._lost = asyncio.Event()
        events = ConnectionEvents(self._disconnected, self._reconnected, self._closed, self._failed)
        name = f"alpha-panda/{socket.gethostname()}"
        connecting = connect(self._settings, self._servers, name, events)
        self._client = client = await asyncio.wait_for(connecting, 2 * len(self._servers) + 3)
        self._wire = wire = Wire(client)
        await self._ensure_streams()
        await self._settlement.attach(wire)
        await self.publisher.attach(wire)
        await self._publish_left()
        await self._requests.serve(wire)
        await self._discovery.serve(wire)
        await self._intake.attach(wire)
        self._failure = self._logged = None
        self._retry_s = RETRY_MIN_S
        self._on_state("up", None)
        self._log.info("connected", server=_address(client))
        self._intake.reopen()
        await self._lost.wait()

    async def _close(self) -> None:
        self._on_state("away", self._failure)
        self._tasks.cancel()
        self._settlement.detach()
        await self.publisher.detach()
        await self._intake.detach()
        if self._client is not None and not self._client.is_closed:
            with contextlib.suppress(*NATS_ERRORS):
                await asyncio.wait_for(self._client.close(), 3)
        self._client = self._wire = None

    # What the gateway asks for

    def open_broker(self, broker: str, reign: int) -> None:
        """Let the broker's signals in, as its lease was verified just now."""
        self._intake.open(broker, reign)

    def close_broker(self, broker: str) -> None:
        """Leave the broker's signals in their stream."""
        self._intake.close(broker)

    def drain(self) -> None:
        """Leave all that can wait in the streams."""
        self._intake.drain()

    def refill(self) -> None:
        """Take messages in again."""
        self._intake.refill()

    def resume(self, left: OutboxLoaded) -> None:
        """Publish what nobody has in hand."""
        self._resumption.add(left)
        self._tasks.spawn(self._publish_left())

    def publish(self, batch: OutboxBatch) -> None:
        """Publish what was committed now, after what was left from before."""
        self._resumption.publish(batch)

    def settle(self, deliveries: Sequence[Delivery], verb: bytes) -> None:
        """Acknowledge, end or release deliveries."""
        deliveries = [delivery for delivery in deliveries if delivery.consumer != "ticks"]
        if not deliveries:
            return
        self._intake.free([delivery for delivery in deliveries if delivery.on_credit])
        self._settlement.send([delivery.reply for delivery in deliveries], verb)

    def free(self, delivery: Delivery) -> None:
        """Give back the credit of a delivery that is not settled yet."""
        self._intake.free((delivery,))

    @property
    def dry(self) -> bool:
        """Whether it drains, and nothing comes any more."""
        return self._intake.dry

    @property
    def in_flight(self) -> int:
        """Messages handed over and not yet settled."""
        return self._intake.in_flight

    async def measure(self) -> tuple[dict[str, dict[str, int]], tuple[str, ...]]:
        """The figures of the streams, and those streams and pulled consumers that are missing; nothing while away.

        Being asked every few seconds, it also ends a connection that nats-py has stopped to set up.
        """
        client = self._client
        if client is None or not client.is_connected:
            if client is not None and self._loop.time() - self._tried_at > SILENT_S:
                self._log.warning("reconnecting has come to a stop; connecting anew")
                self._connect_anew()
            return {}, ()
        measured, missing = await figures(client.jetstream(timeout=2), self._specs, self._consumers)
        idle = {f"{one.stream}/{one.name}" for one in self._consumers if not self._intake.pulls(one.name)}
        return measured, tuple(one for one in missing if one not in idle)

    async def stop_pulling(self) -> None:
        """Let nothing more in."""
        await self._intake.close_all()

    def stop(self) -> None:
        """End `run`."""
        self._stopping.set()
        self._lost.set()

    async def flush(self) -> None:
        """Wait until the server has what was sent."""
        if self._client is not None and self._client.is_connected:
            with contextlib.suppress(*NATS_ERRORS):
                await self._client.flush(2)

    # Inside

    @property
    def _is_full(self) -> bool:
        return self.publisher.full or self._resumption.crowded

    async def _ensure_streams(self) -> None:
        assert self._client is not None
        await ensure_streams(self._client.jetstream(), self._specs)

    async def _publish_left(self) -> None:
        if self._client is None or not self._client.is_connected:
            return
        try:
            await self._resumption.work_off(self._client)
        except NATS_ERRORS as error:
            self._log.warning("what was left is not published yet", reason=line(error))
            self._loop.call_later(RESUME_AGAIN_S, lambda: self._tasks.spawn(self._publish_left()))

    def _connect_anew(self) -> None:
        self._lost.set()

    # What nats-py calls

    async def _disconnected(self) -> None:
        self._tried_at = self._loop.time()
        if self._wire is not None:
            self._wire.drop_unsent()
        self._on_state("away", "disconnected")
        if not self._stopping.is_set():
            self._log.warning("NATS is away; reconnecting")

    async def _reconnected(self) -> None:
        self._tasks.spawn(self._up_again())
        self._log.info("reconnected")
        self._settlement.resend()
        self._intake.look_again()
        self.publisher.resend()

    async def _up_again(self) -> None:
        """Be up once the server knows our subscriptions again: then whoever asks is answered."""
        if self._client is not None:
            await self._client.flush(UP_TIMEOUT_S)
            self._on_state("up", None)

    async def _closed(self) -> None:
        self._lost.set()

    async def _failed(self, error: Exception) -> None:
        self._tried_at = self._loop.time()
        self._refusal = line(error)
        self._on_state("away" if self._client is None or not self._client.is_connected else "up", line(error))


def _address(client: Client) -> str:
    url = client.connected_url
    return url.netloc.rpartition("@")[2] if url is not None else ""
