"""Publishes committed outbox batches: in order, many in flight, each until its stream has acknowledged it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

import nats.errors
import orjson
import structlog

from actors.dead_letter import without_original
from actors.gateway.wire import Frame, Wire, hpub, status_of
from actors.messages import OutboxBatch
from actors.rows import OutboundMessage

ACK_TIMEOUT_S = 5.0
RETRY_MIN_S = 0.2
RETRY_MAX_S = 5.0
MAX_IN_FLIGHT = 4000
FULL = 50_000
FULL_BYTES = 32 << 20
"""Messages that wait and their bytes; with more of either nothing more is let in until half of it is published."""
PIECE = 250
"""Messages that are written at once, so that acknowledgements and deliveries are read in between."""
HEADER_BYTES = 512
"""Room for the header, which the server counts too; beyond its limit it closes the connection for good."""


@dataclass(slots=True)
class _Waiting:
    """One batch: since when it waits, its messages and bytes, and the messages that are not acknowledged, by id."""

    since: float
    count: int
    size: int
    missing: dict[str, OutboundMessage]


class Publisher:
    """Used by the gateway's loop alone. It outlives connections: `attach` gives it the present one.

    Batches wait in memory while NATS is away, until `resend`; their rows stay in the outbox until `on_published` is
    told, so a crash loses nothing. A message is sent again, with the same `Nats-Msg-Id`, until it is acknowledged.

    Args:
        on_published: gets the ids of batches of which every message is acknowledged.
        on_missing: makes the streams again when one has no listener.
        on_room: called when it is no longer `full`.
    """

    def __init__(
        self,
        on_published: Callable[[list[str]], None],
        on_missing: Callable[[], None],
        on_room: Callable[[], None],
    ) -> None:
        self._on_published = on_published
        self._on_missing = on_missing
        self._on_room = on_room
        self._loop = asyncio.get_running_loop()
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()
        self._unsent: deque[str] = deque()
        self._acks: dict[int, tuple[str, str]] = {}
        """By number of the message: its batch and its id; the numbers of a resumed connection go on."""
        self._pieces: deque[tuple[int, float]] = deque()
        """The last number of each piece that was written, and when."""
        self._done: list[str] = []
        self._count = 0
        self._bytes = 0
        self._prefix = ""
        self._numbers = itertools.count()
        self._round = 0
        self._retry_s = RETRY_MIN_S
        self._resending: asyncio.TimerHandle | None = None
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger("publisher")
        self.published = 0
        self.full = False
        """Whether so much waits that nothing shall be added to it that can wait elsewhere."""
        self.refusal: str | None = None

    @property
    def unpublished(self) -> int:
        """Batches that are not wholly acknowledged."""
        return len(self._waiting)

    @property
    def oldest_age_s(self) -> float:
        """How long the oldest of them has waited; 0 when there is none."""
        oldest = next(iter(self._waiting.values()), None)
        return 0.0 if oldest is None else self._loop.time() - oldest.since

    def add(self, batch: OutboxBatch) -> None:
        """Publish the batch; one that is already known is ignored."""
        if not batch.messages:
            self._report_soon(batch.id)
        elif batch.id not in self._waiting:
            missing = {message.message_id: message for message in batch.messages}
            size = sum([len(message.payload) for message in batch.messages])
            self._waiting[batch.id] = _Waiting(self._loop.time(), len(missing), size, missing)
            self._count += len(missing)
            self._bytes += size
            self.full = self.full or self._count > FULL or self._bytes > FULL_BYTES
            self._unsent.append(batch.id)
            self._work.set()

    async def attach(self, wire: Wire) -> None:
        """Send over this connection from now on, beginning with whatever is unacknowledged."""
        await self.detach()
        self._prefix = f"{wire.client.new_inbox()}."
        await wire.listen(f"{self._prefix}*", self._answered)
        self.resend()
        self._task = self._loop.create_task(self._run(wire))
        self._task.add_done_callback(self._ended)

    async def detach(self) -> None:
        """Stop sending; what is unacknowledged stays."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Sending only ends by `detach`; an error of ours is one of the loop."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._loop.call_exception_handler({"message": "publishing failed", "exception": error, "handle": task})

    def resend(self) -> None:
        """Send everything unacknowledged again, as after a reconnect."""
        self._resending = None
        self._round += 1
        self._acks.clear()
        self._pieces.clear()
        self._unsent = deque(self._waiting)
        self._room.set()
        self._work.set()

    async def _run(self, wire: Wire) -> None:
        while True:
            self._work.clear()
            while self._unsent and wire.client.is_connected:
                await self._send_batch(wire, self._unsent.popleft())
                self._again_if_overdue(wire)
            if self._acks and not self._work.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._work.wait(), ACK_TIMEOUT_S)
                self._again_if_overdue(wire)
            elif not self._acks:
                self._pieces.clear()
                await self._work.wait()

    async def _send_batch(self, wire: Wire, batch_id: str) -> None:
        """Send what is missing of a batch; given up half way when everything is to be sent again."""
        waiting, current = self._waiting.get(batch_id), self._round
        left = deque(waiting.missing.values()) if waiting else deque()
        while left:
            while len(self._acks) >= MAX_IN_FLIGHT and current == self._round:
                self._room.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._room.wait(), ACK_TIMEOUT_S)
                self._again_if_overdue(wire)
            if current != self._round or not wire.client.is_connected:
                return
            some = [left.popleft() for _ in range(min(len(left), PIECE))]
            self._send(wire, batch_id, some)
            if left:
                await asyncio.sleep(0)

    def _send(self, wire: Wire, batch_id: str, messages: list[OutboundMessage]) -> None:
        limit, prefix, acks = wire.client.max_payload - HEADER_BYTES, self._prefix, self._acks
        frames = []
        for message in messages:
            number = next(self._numbers)
            acks[number] = (batch_id, message.message_id)
            payload = message.payload
            if len(payload) > limit and message.subject.endswith(".dlq"):
                payload = without_original(payload)
            if len(payload) > limit:
                self._log.error("too large to publish", subject=message.subject, bytes=len(payload))
                self._settle(number)
            else:
                frames.append(hpub(message.subject, payload, f"{prefix}{number}", message.message_id))
        self._pieces.append((number, self._loop.time()))
        try:
            wire.send(b"".join(frames))
        except nats.errors.Error:
            self._resend_soon()

    def _again_if_overdue(self, wire: Wire) -> None:
        """An acknowledgement may be lost while the connection is not, as when a stream's leader changes."""
        if wire.client.is_connected and self._unacknowledged_s() >= ACK_TIMEOUT_S:
            self._log.warning("publishing again", unacknowledged=len(self._acks))
            self.resend()

    def _unacknowledged_s(self) -> float:
        """How long ago the oldest message was written that is not acknowledged; 0 without one."""
        oldest = next(iter(self._acks), None)
        while self._pieces and (oldest is None or self._pieces[0][0] < oldest):
            self._pieces.popleft()
        return self._loop.time() - self._pieces[0][1] if self._pieces else 0.0

    def _resend_soon(self) -> None:
        if self._resending is None:
            self._resending = self._loop.call_later(self._retry_s, self.resend)
            self._retry_s = min(RETRY_MAX_S, self._retry_s * 2)

    def _answered(self, frame: Frame) -> None:
        number = int(frame.subject.rpartition(b".")[2])
        if number not in self._acks:
            return
        if frame.header:
            status, _ = status_of(frame.header)
            self._refused("no stream takes its subject" if status == "503" else f"status {status}")
        elif b'"error"' in frame.data:
            self._refused(str(orjson.loads(frame.data)["error"].get("description")))
        else:
            self._settle(number)

    def _refused(self, reason: str) -> None:
        """One line and one attempt to mend the streams for each round, however many messages it had."""
        self.refusal = reason
        if self._resending is None:
            self._log.warning("not published", reason=reason, batches=len(self._waiting), again_in_s=self._retry_s)
            self._on_missing()
        self._resend_soon()

    def _settle(self, number: int) -> None:
        batch_id, message_id = self._acks.pop(number)
        self.published += 1
        missing = self._waiting[batch_id].missing
        del missing[message_id]
        if not missing:
            self._drop(self._waiting.pop(batch_id))
            self.refusal = None
            self._retry_s = RETRY_MIN_S
            self._room.set()
            self._report_soon(batch_id)
        elif len(self._acks) == MAX_IN_FLIGHT - PIECE:
            self._room.set()

    def _drop(self, batch: _Waiting) -> None:
        self._count -= batch.count
        self._bytes -= batch.size
        if self.full and self._count <= FULL // 2 and self._bytes <= FULL_BYTES // 2:
            self.full = False
            self._on_room()

    def _report_soon(self, batch_id: str) -> None:
        if not self._done:
            self._loop.call_soon(self._report)
        self._done.append(batch_id)

    def _report(self) -> None:
        done, self._done = self._done, []
        self._on_published(done)
