"""Publishes committed outbox batches: in order, many in flight, each until its stream has acknowledged it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

import nats.errors
import orjson
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from actors.dead_letter import without_original
from actors.messages import OutboxBatch
from actors.rows import OutboundMessage

ACK_TIMEOUT_S = 5.0
RETRY_MIN_S = 0.2
RETRY_MAX_S = 5.0
MAX_IN_FLIGHT = 4000
HEADER_BYTES = 512
"""Room for the header, which the server counts too; beyond its limit it closes the connection for good."""


@dataclass(slots=True)
class _Waiting:
    """One batch: since when it waits, and its messages that are not acknowledged, by id."""

    since: float
    missing: dict[str, OutboundMessage]


class Publisher:
    """Used by the gateway's loop alone. It outlives connections: `attach` gives it the present one.

    Batches wait in memory while NATS is away; their rows stay in the outbox until `on_published` is told, so a crash
    loses nothing. A message is sent again, with the same `Nats-Msg-Id`, until its acknowledgement comes.

    Args:
        on_published: gets the ids of batches of which every message is acknowledged.
        on_missing: makes the streams again when one has no listener.
    """

    def __init__(self, on_published: Callable[[list[str]], None], on_missing: Callable[[], None]) -> None:
        self._on_published = on_published
        self._on_missing = on_missing
        self._loop = asyncio.get_running_loop()
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()
        self._unsent: deque[str] = deque()
        self._acks: dict[str, tuple[str, str, float]] = {}
        self._done: list[str] = []
        self._client: Client | None = None
        self._subscription: Subscription | None = None
        self._prefix = ""
        self._next = 0
        self._round = 0
        self._retry_s = RETRY_MIN_S
        self._resending: asyncio.TimerHandle | None = None
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger("publisher")
        self.published = 0
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
            self._waiting[batch.id] = _Waiting(self._loop.time(), missing)
            self._unsent.append(batch.id)
            self._work.set()

    async def attach(self, client: Client) -> None:
        """Send over this connection from now on, beginning with whatever is unacknowledged."""
        await self.detach()
        self._client = client
        self._prefix = client.new_inbox()
        self._subscription = await client.subscribe(
            f"{self._prefix}.*", cb=self._acknowledged, pending_msgs_limit=-1, pending_bytes_limit=-1
        )
        self.resend()
        self._task = self._loop.create_task(self._run(client))

    async def detach(self) -> None:
        """Stop sending; what is unacknowledged stays."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._task = self._client = self._subscription = None

    def resend(self) -> None:
        """Send everything unacknowledged again, as after a reconnect."""
        self._resending = None
        self._round += 1
        self._acks.clear()
        self._unsent = deque(self._waiting)
        self._room.set()
        self._work.set()

    async def _run(self, client: Client) -> None:
        while True:
            self._work.clear()
            while self._unsent:
                await self._send_batch(client, self._unsent.popleft())
            if self._acks and not self._work.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._work.wait(), ACK_TIMEOUT_S)
                _, _, sent_at = next(iter(self._acks.values()), ("", "", self._loop.time()))
                if self._loop.time() - sent_at >= ACK_TIMEOUT_S:
                    self._log.warning("publishing again", unacknowledged=len(self._acks))
                    self.resend()
            elif not self._acks:
                await self._work.wait()

    async def _send_batch(self, client: Client, batch_id: str) -> None:
        """Send what is missing of a batch; given up half way when everything is to be sent again."""
        waiting, current = self._waiting.get(batch_id), self._round
        for message in tuple(waiting.missing.values()) if waiting else ():
            while len(self._acks) >= MAX_IN_FLIGHT and current == self._round:
                self._room.clear()
                await self._room.wait()
            if current != self._round:
                return
            await self._send(client, batch_id, message)

    async def _send(self, client: Client, batch_id: str, message: OutboundMessage) -> None:
        self._next += 1
        reply = f"{self._prefix}.{self._next}"
        self._acks[reply] = (batch_id, message.message_id, self._loop.time())
        payload = message.payload
        if len(payload) + HEADER_BYTES > client.max_payload and message.subject.endswith(".dlq"):
            payload = without_original(payload)
        if len(payload) + HEADER_BYTES > client.max_payload:
            self._log.error("too large to publish", subject=message.subject, bytes=len(payload))
            self._settle(reply)
            return
        try:
            await client.publish(message.subject, payload, reply=reply, headers={"Nats-Msg-Id": message.message_id})
        except nats.errors.Error:
            self._resend_soon()

    def _resend_soon(self) -> None:
        if self._resending is None:
            self._resending = self._loop.call_later(self._retry_s, self.resend)
            self._retry_s = min(RETRY_MAX_S, self._retry_s * 2)

    async def _acknowledged(self, answer: Msg) -> None:
        if answer.subject not in self._acks:
            return
        if answer.headers and answer.headers.get("Status") == "503":
            self._refused("no stream takes its subject")
            return
        ack = orjson.loads(answer.data)
        if "error" in ack:
            self._refused(str(ack["error"].get("description")))
        else:
            self._settle(answer.subject)

    def _refused(self, reason: str) -> None:
        """One line and one attempt to mend the streams for each round, however many messages it had."""
        self.refusal = reason
        if self._resending is None:
            self._log.warning("not published", reason=reason, batches=len(self._waiting), again_in_s=self._retry_s)
            self._on_missing()
        self._resend_soon()

    def _settle(self, reply: str) -> None:
        batch_id, message_id, _ = self._acks.pop(reply)
        self.published += 1
        self.refusal = None
        self._retry_s = RETRY_MIN_S
        self._room.set()
        waiting = self._waiting[batch_id]
        del waiting.missing[message_id]
        if not waiting.missing:
            del self._waiting[batch_id]
            self._report_soon(batch_id)

    def _report_soon(self, batch_id: str) -> None:
        if not self._done:
            self._loop.call_soon(self._report)
        self._done.append(batch_id)

    def _report(self) -> None:
        done, self._done = self._done, []
        self._on_published(done)
