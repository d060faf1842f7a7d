"""What was committed and nobody has in hand, less what was published after all.

`Nats-Msg-Id` is known to a stream for its duplicate window only; an outbox row can be older than that, so the stream
itself is asked which of the messages it holds.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import nats.errors
import orjson
from nats.aio.client import Client
from nats.js.api import ConsumerConfig, DeliverPolicy

from actors.gateway.subjects import StreamSpec
from actors.messages import OutboxBatch, OutboxLoaded

MARGIN_S = 5.0
READ_TIMEOUT_S = 3.0
HELD, HELD_BYTES = 50_000, 32 << 20
"""Messages that wait behind what was left, before nothing more is pulled."""


class Resumption:
    """The way to the publisher, in the order of the commits: first what was left, then what is committed meanwhile.

    For the gateway's loop. Nothing passes before the writer has said what was left, if only that there is nothing.

    Args:
        publish: publishes a batch after those of before.
        specs: the streams.
    """

    def __init__(self, publish: Callable[[OutboxBatch], None], specs: Sequence[StreamSpec]) -> None:
        self._publish = publish
        self._specs = specs
        self._loop = asyncio.get_running_loop()
        self._left: deque[OutboxLoaded] = deque()
        self._newer: deque[OutboxBatch] = deque()
        self._working = asyncio.Lock()
        self._more = True
        self._held = 0
        self._held_bytes = 0

    @property
    def crowded(self) -> bool:
        """Whether so much is held back that nothing more should be committed."""
        return self._held > HELD or self._held_bytes > HELD_BYTES

    def add(self, left: OutboxLoaded) -> None:
        """What nobody has in hand, to be worked off."""
        self._left.append(left)
        self._more = left.more

    def publish(self, batch: OutboxBatch) -> None:
        """What was committed now."""
        if self._left or self._working.locked() or self._more:
            self._newer.append(batch)
            self._held += len(batch.messages)
            self._held_bytes += sum(len(message.payload) for message in batch.messages)
        else:
            self._publish(batch)

    async def work_off(self, client: Client) -> None:
        """Publish what was left and is not in its stream, and then what was committed since.

        Raises:
            nats.errors.Error, nats.js.errors.Error, OSError: the streams cannot be asked; to be tried again.
        """
        async with self._working:
            while self._left:
                batches = await unpublished(client, self._specs, self._left[0], self._loop.time)
                self._left.popleft()
                for batch in batches:
                    self._publish(batch)
            if not self._more:
                self._held = self._held_bytes = 0
                while self._newer:
                    self._publish(self._newer.popleft())


async def unpublished(
    client: Client, specs: Sequence[StreamSpec], left: OutboxLoaded, monotonic: Callable[[], float]
) -> list[OutboxBatch]:
    """The batches without the messages that their streams hold already; an emptied batch stays, to be reported.

    Args:
        client: the connection.
        specs: the streams.
        left: what the outbox had.
        monotonic: the clock of `left.read_at`.

    Raises:
        nats.errors.Error, nats.js.errors.Error: try again.
    """
    wanted = {message.message_id for batch in left.batches for message in batch.messages}
    subjects = {message.subject for batch in left.batches for message in batch.messages}
    held: set[str] = set()
    for spec in specs:
        if subjects.intersection(spec.subjects):
            age_s = left.oldest_s + monotonic() - left.read_at + MARGIN_S
            since = await _server_time(client, spec.name) - timedelta(seconds=age_s)
            held |= await _held(client, spec.name, since, wanted)
    return [
        replace(batch, messages=tuple(one for one in batch.messages if one.message_id not in held))
        for batch in left.batches
    ]


async def _server_time(client: Client, stream: str) -> datetime:
    """The time by the server's clock, which stamps what its streams take, and need not be the database's."""
    answer = await client.request(f"$JS.API.STREAM.INFO.{stream}", b"", timeout=READ_TIMEOUT_S)
    text: str = orjson.loads(answer.data)["ts"]
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{seconds}.{fraction[:6]:0<6}+00:00")


async def _held(client: Client, stream: str, since: datetime, wanted: Collection[str]) -> set[str]:
    js = client.jetstream()
    config = ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_TIME, opt_start_time=since, headers_only=True)
    subscription = await js.subscribe("", stream=stream, ordered_consumer=True, config=config)
    found: set[str] = set()
    try:
        if (await subscription.consumer_info()).num_pending or subscription.pending_msgs:
            while True:
                message = await subscription.next_msg(READ_TIMEOUT_S)
                identity = (message.headers or {}).get("Nats-Msg-Id", "")
                if identity in wanted:
                    found.add(identity)
                if message.metadata.num_pending == 0:
                    break
    except nats.errors.TimeoutError:
        if (await subscription.consumer_info()).num_pending:
            raise
    finally:
        await subscription.unsubscribe()
    return found
