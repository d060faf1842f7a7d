"""A pull consumer on a callback inbox: credit-based, in batches, and back by itself after any loss.

`nats.js`'s own `fetch` is not used: it may return more than was asked for, stalls after a server restart, and costs a
task per message. Here one subscription receives everything and one request at a time asks for as much as there is
room for. Protocol: ADR-13 (pull requests, status messages 100, 404, 408, 409, 423, 503).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import nats.errors
import orjson
import structlog
from nats.aio.subscription import Subscription

from actors.gateway.guard import Guard
from actors.gateway.inbound import SHORT_REPLY
from actors.gateway.wire import Frame, Wire, headers_of, pub, pubs, status_of

EXPIRES_S = 30.0
HEARTBEAT_S = 5.0
RETRY_S = 0.5
UNCONFIRMED_S = 0.1
"""Between two looks whether the lease is confirmed again."""
PULL_BYTES = 8 << 20
"""Of one request; it is doubled for as long as the next message alone is larger. The server drops a client that it
cannot rid itself of too much.
"""
CREDIT_BYTES = 16 << 20
"""Handed over and not yet settled, before nothing more is asked for."""


class Puller:
    """Pulls one consumer. Used by the gateway's loop alone.

    Args:
        wire: the connection.
        stream: of the consumer.
        consumer: its name.
        credit: messages that may be handed over and not yet settled.
        batch: messages asked for at once.
        on_batch: gets what arrived, in order, at least one; must not wait.
        repair: looks after the consumer when the server refuses to serve it, or the connection was lost.
        guard: of a consumer that this process alone may pull, made anew for this puller. Then it is pulled only while
            the lease is confirmed, and every delivery it makes must arrive here: when one is missing, or the consumer
            was deleted, the puller halts for good and says so.
        paused: whether to ask for nothing for now; when that is over, `pull` is to be called.
    """

    def __init__(
        self,
        wire: Wire,
        stream: str,
        consumer: str,
        *,
        credit: int,
        batch: int,
        on_batch: Callable[[list[Frame]], None],
        repair: Callable[[], Awaitable[str]],
        guard: Guard | None = None,
        paused: Callable[[], bool] = lambda: False,
    ) -> None:
        self.stream = stream
        self.consumer = consumer
        self.in_flight = 0
        self._in_flight_bytes = 0
        self._wire = wire
        self._credit = credit
        self._batch = batch
        self._on_batch = on_batch
        self._repair = repair
        self.guard = guard
        self.halted = False
        self.seen = 0
        """Deliveries of the consumer that arrived, when there is a guard."""
        self._checking = False
        self._later: asyncio.TimerHandle | None = None
        self._paused = paused
        self._loop = asyncio.get_running_loop()
        self._inbox = ""
        self._subscription: Subscription | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._buffer: list[Frame] = []
        self._outstanding = 0
        self._pull_bytes = PULL_BYTES
        self._heard_at = 0.0
        self._broken = asyncio.Event()
        self._log = structlog.get_logger("puller", consumer=consumer)

    async def start(self) -> None:
        """Subscribe and ask for the first batch."""
        self._inbox = self._wire.client.new_inbox()
        self._subscription = await self._wire.listen(self._inbox, self._receive)
        self._keeper = self._loop.create_task(self._keep())
        self._keeper.add_done_callback(self._ended)
        self.pull()

    async def stop(self) -> None:
        """Ask for nothing more; what was handed over can still be settled."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with contextlib.suppress(nats.errors.Error):
                await self._wire.leave(subscription)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Keeping ends by `stop` alone; an error of ours is one of the loop."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._loop.call_exception_handler({"message": "a puller failed", "exception": error, "handle": task})

    def halt(self) -> None:
        """Ask for nothing more and hand nothing more over."""
        self.halted = True

    def inherit(self, other: Puller) -> None:
        """Count what the other one handed over as handed over by this one."""
        self.in_flight, self._in_flight_bytes = other.in_flight, other._in_flight_bytes

    def settle(self, count: int, size: int) -> None:
        """Give back the credit of that many messages and bytes, acknowledged, ended or released."""
        self.in_flight = max(0, self.in_flight - count)
        self._in_flight_bytes = max(0, self._in_flight_bytes - size)
        self.pull()

    def reset(self) -> None:
        """Forget what was asked for, as after a reconnect the server does not know of it."""
        self._outstanding = 0
        self.pull()

    def check(self) -> None:
        """As `reset`, but look after the consumer first: what was on its way may be lost with the connection."""
        self._outstanding = 0
        self._checking = True
        self._broken.set()

    def doubt(self, reason: str) -> None:
        """Halt, and have the lease verified."""
        if self.guard is not None and not self.halted:
            self.halt()
            self.guard.doubt(reason)

    def _receive(self, frame: Frame) -> None:
        if frame.reply.startswith(b"$JS.ACK."):
            if not self._buffer:
                self._loop.call_soon(self._flush)
            self._buffer.append(frame)
            return
        self._heard_at = self._loop.time()
        status, description = status_of(frame.header)
        over = status == "409" and any(reason in description for reason in ("MaxBytes", "Batch Completed"))
        if over or status in {"404", "408"}:
            left = headers_of(frame.header)
            unfilled = int(left.get("Nats-Pending-Messages", self._outstanding))
            self._outstanding = max(0, self._outstanding - unfilled)
            if over and int(left.get("Nats-Pending-Bytes", 0)) >= self._pull_bytes:
                self._pull_bytes *= 2
            self.pull()
        elif status == "409" and "Consumer Deleted" in description and self.guard is not None:
            self.doubt("its consumer was deleted")
        elif status and status != "100":
            self._log.info("pull refused", status=status, reason=description)
            self._broken.set()

    def _flush(self) -> None:
        batch, self._buffer, self._pull_bytes = self._buffer, [], PULL_BYTES
        self._heard_at = self._loop.time()
        if self.guard is not None and not self._follows(batch, self.guard):
            return
        self._outstanding = max(0, self._outstanding - len(batch))
        self.in_flight += len(batch)
        self._in_flight_bytes += sum(len(frame.data) for frame in batch)
        self._on_batch(batch)
        self.pull()

    def _follows(self, batch: list[Frame], guard: Guard) -> bool:
        """Whether every delivery of the consumer up to this batch's last one arrived here, as they are counted.

        If not, or under another reign, nothing of the batch is used, as something before it is missing.
        """
        first, last = _delivery_number(batch[0]), _delivery_number(batch[-1])
        if not guard.reigns:
            self.halt()
        elif first != self.seen + 1 or last != self.seen + len(batch):
            self.doubt("somebody else pulls its consumer, or messages were lost on their way")
        if self.halted:
            with contextlib.suppress(nats.errors.Error):
                self._wire.send(pubs([frame.reply.decode() for frame in batch], b"-NAK"))
            return False
        self.seen = last
        return True

    def _wants(self) -> bool:
        room = self.in_flight + self._outstanding < self._credit and self._in_flight_bytes < CREDIT_BYTES
        return room and self._outstanding <= self._batch // 2 and not self._paused()

    def pull(self) -> None:
        """Ask for more if there is room."""
        if self._subscription is None or self.halted or self._checking or not self._wants():
            return
        if self.guard is not None and not self.guard.confirmed:
            if self._later is None:
                self._later = self._loop.call_later(UNCONFIRMED_S, self._pull_later)
            return
        count = min(self._batch, self._credit - self.in_flight - self._outstanding)
        request = {
            "batch": count,
            "max_bytes": self._pull_bytes,
            "expires": int(EXPIRES_S * 1e9),
            "idle_heartbeat": int(HEARTBEAT_S * 1e9),
        }
        self._outstanding += count
        self._heard_at = self._loop.time()
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self.stream}.{self.consumer}"
        try:
            self._wire.send(pub(subject, orjson.dumps(request), self._inbox))
        except nats.errors.Error:
            self._outstanding = 0

    def _pull_later(self) -> None:
        self._later = None
        self.pull()

    async def _keep(self) -> None:
        """Notice a request that the server has forgotten, and a consumer that is gone."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._broken.wait(), HEARTBEAT_S)
            silent = self._outstanding > 0 and self._loop.time() - self._heard_at > 2 * HEARTBEAT_S
            if self._broken.is_set():
                self._broken.clear()
                await asyncio.sleep(0.0 if self._checking else RETRY_S)
                try:
                    self.consumer = await self._repair()
                except (nats.errors.Error, OSError, TimeoutError) as error:
                    self._log.warning("consumer not repaired", reason=str(error))
                    self._broken.set()
                    await asyncio.sleep(RETRY_S)
                    continue
                self._checking = False
                self.reset()
            elif silent or self._outstanding == 0:
                self.reset()


def _delivery_number(frame: Frame) -> int:
    """Which delivery of its consumer it is, from 1; see `inbound.delivery_of`."""
    tokens = frame.reply.split(b".")
    return int(tokens[6 if len(tokens) == SHORT_REPLY else 8])
