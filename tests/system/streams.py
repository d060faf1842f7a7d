"""What the outside does with NATS: publish envelopes, count what came out."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import nats
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DeliverPolicy, DiscardPolicy
from nats.js.errors import NotFoundError

from actors.gateway import subjects

T = TypeVar("T")
PATIENCE_S = 60
"""How long a server is waited for: the client's own few seconds are over when the machine pauses or its disk does."""


def with_client(url: str, work: Callable[[Client], Awaitable[T]]) -> T:
    """Run `work` with a connection of its own."""

    async def run() -> T:
        client = await connected(url)
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(run())


async def connected(url: str) -> Client:
    """A connection of one's own, which fails when it is lost."""
    return await nats.connect(url, allow_reconnect=False, connect_timeout=PATIENCE_S)


def jetstream(client: Client) -> JetStreamContext:
    """JetStream by this connection; also a publication waits as long as it takes."""
    return client.jetstream(timeout=PATIENCE_S)


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def envelope(kind: str, data: dict[str, Any], broker: str = "paper", **changes: Any) -> dict[str, Any]:
    """A complete envelope around `data`."""
    identity = str(uuid.uuid4())
    return {
        "id": identity,
        "correlation_id": identity,
        "causation_id": None,
        "trace_id": identity,
        "parent_trace_id": None,
        "broker": broker,
        "type": kind,
        "ts": now(),
        "key": "key",
        "source": "tests",
        "version": 1,
        "data": data,
        **changes,
    }


def signal(
    side: str = "BUY",
    quantity: int = 10,
    price: str | None = "100",
    strategy: str = "s1",
    token: int = 1001,
    **changes: Any,
) -> dict[str, Any]:
    """A validated signal."""
    original = {
        "strategy_id": strategy,
        "instrument_token": token,
        "signal_type": side,
        "quantity": quantity,
        "price": price,
        "timestamp": now(),
        "confidence": None,
        "metadata": None,
    }
    data = {
        "original_signal": original,
        "validated_quantity": quantity,
        "validated_price": price,
        "risk_checks": {},
        "timestamp": now(),
    }
    return envelope("validated_signal", data, **changes)


def tick(token: int, price: str) -> dict[str, Any]:
    """A market tick."""
    return envelope(
        "market_tick", {"instrument_token": token, "last_price": price, "timestamp": now()}, broker="shared"
    )


def session_save(user: str, access_token: str, **data: Any) -> dict[str, Any]:
    """A login to store."""
    return envelope("session_save", {"user_id": user, "access_token": access_token, **data}, broker="system")


def publish(url: str, subject: str, messages: Sequence[dict[str, Any] | bytes]) -> None:
    """Publish to JetStream, each acknowledged; a daemon that has just started may be about to make the stream."""

    async def work(client: Client) -> None:
        js = jetstream(client)
        await until_made(client, subject)
        for start in range(0, len(messages), 250):
            await asyncio.gather(*(send(js, message) for message in messages[start : start + 250]))

    async def send(js: Any, message: dict[str, Any] | bytes) -> None:
        if isinstance(message, bytes):
            await js.publish(subject, message, timeout=PATIENCE_S)
        else:
            body, headers = json.dumps(message).encode(), {"Nats-Msg-Id": message["id"]}
            await js.publish(subject, body, timeout=PATIENCE_S, headers=headers)

    with_client(url, work)


async def until_made(client: Client, subject: str, timeout_s: float = PATIENCE_S) -> None:
    """Wait until a stream takes the subject."""
    js = jetstream(client)
    deadline = asyncio.get_running_loop().time() + timeout_s
    while True:
        try:
            await js.find_stream_name_by_subject(subject)
        except NotFoundError:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await client.flush(PATIENCE_S)
        else:
            return


def publish_under(url: str, subject: str, messages: Sequence[tuple[str | None, dict[str, Any]]]) -> None:
    """Publish one after another, each under a `Nats-Msg-Id` of its own, or under none."""

    async def work(client: Client) -> None:
        js = jetstream(client)
        for message_id, message in messages:
            headers = None if message_id is None else {"Nats-Msg-Id": message_id}
            await js.publish(subject, json.dumps(message).encode(), timeout=PATIENCE_S, headers=headers)

    with_client(url, work)


def request(url: str, subject: str, message: Any, timeout_s: float = PATIENCE_S) -> Any:
    """One request, its JSON answer."""

    async def work(client: Client) -> Any:
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        return json.loads((await client.request(subject, data, timeout=timeout_s)).data)

    return with_client(url, work)


def count(url: str, stream: str) -> int:
    """Messages in the stream."""

    async def work(client: Client) -> int:
        return (await jetstream(client).stream_info(stream)).state.messages

    return with_client(url, work)


def read(url: str, stream: str) -> list[tuple[str, dict[str, Any], dict[str, str]]]:
    """Every message of the stream: subject, JSON, headers."""
    return [(one.subject, json.loads(one.data), one.headers) for one in read_raw(url, stream)]


@dataclass(frozen=True, slots=True)
class Kept:
    """A message as a stream keeps it."""

    seq: int
    subject: str
    data: bytes
    headers: dict[str, str]


def read_raw(url: str, stream: str) -> list[Kept]:
    """Every message of the stream, whatever it is."""

    async def work(client: Client) -> list[Kept]:
        js = jetstream(client)
        total = (await js.stream_info(stream)).state.messages
        config = ConsumerConfig(deliver_policy=DeliverPolicy.ALL)
        subscription = await js.subscribe("", stream=stream, ordered_consumer=True, config=config)
        found = []
        for _ in range(total):
            message = await subscription.next_msg(PATIENCE_S)
            seq = message.metadata.sequence.stream
            found.append(Kept(seq, message.subject, message.data, dict(message.headers or {})))
        return found

    return with_client(url, work)


def unsettled(url: str, stream: str, consumer: str) -> int:
    """Messages that the consumer has not handed out, or handed out and not heard of."""

    async def work(client: Client) -> int:
        info = await jetstream(client).consumer_info(stream, consumer)
        return (info.num_pending or 0) + (info.num_ack_pending or 0)

    return with_client(url, work)


def consumer_made_at(url: str, stream: str, consumer: str) -> str:
    """When the consumer was made: another time says that it is another one."""

    async def work(client: Client) -> str:
        info = await jetstream(client).consumer_info(stream, consumer)
        return str(info.created)

    return with_client(url, work)


def pull_meanwhile(url: str, stream: str, consumer: str, number: int, meanwhile: Callable[[], None]) -> int:
    """Ask the consumer for so many messages, do something, and return how many came; none is acknowledged."""

    async def work(client: Client) -> int:
        inbox = client.new_inbox()
        subscription = await client.subscribe(inbox)
        request = json.dumps({"batch": number, "expires": 30_000_000_000}).encode()
        await client.publish(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}", request, reply=inbox)
        await client.flush(PATIENCE_S)
        await asyncio.to_thread(meanwhile)
        await client.flush(PATIENCE_S)
        return subscription.pending_msgs

    return with_client(url, work)


def delete_consumer(url: str, stream: str, consumer: str) -> None:
    """Delete a consumer under whoever pulls it."""

    async def work(client: Client) -> None:
        await jetstream(client).delete_consumer(stream, consumer)

    with_client(url, work)


def make_orders_stream(url: str, duplicate_window_s: float) -> None:
    """The paper broker's stream of orders, forgetting message ids sooner than the service asks for."""
    spec = next(spec for spec in subjects.streams(["paper"]) if spec.name == "PAPER_ORDERS")

    async def work(client: Client) -> None:
        await jetstream(client).add_stream(
            name=spec.name, subjects=list(spec.subjects), max_age=spec.max_age_s, duplicate_window=duplicate_window_s
        )

    with_client(url, work)


def make_stream(url: str, name: str, subject: str) -> None:
    """A stream that nobody reads."""

    async def work(client: Client) -> None:
        await jetstream(client).add_stream(name=name, subjects=[subject])

    with_client(url, work)


def limit(url: str, stream: str, max_messages: int) -> None:
    """Let the stream refuse what is beyond so many messages; -1 lifts the limit."""

    async def work(client: Client) -> None:
        js = jetstream(client)
        config = (await js.stream_info(stream)).config
        await js.update_stream(config.evolve(max_msgs=max_messages, discard=DiscardPolicy.NEW))

    with_client(url, work)


def limit_pending(url: str, stream: str, consumer: str, max_ack_pending: int) -> None:
    """Let the consumer hand out no more than so many messages that it has not heard of."""

    async def work(client: Client) -> None:
        js = jetstream(client)
        config = (await js.consumer_info(stream, consumer)).config
        await js.add_consumer(stream, config.evolve(max_ack_pending=max_ack_pending))

    with_client(url, work)


def delete_stream(url: str, stream: str) -> None:
    """Delete a stream with all it holds."""

    async def work(client: Client) -> None:
        await jetstream(client).delete_stream(stream)

    with_client(url, work)


def empty(url: str) -> None:
    """Delete every stream, so that a test begins with none."""

    async def work(client: Client) -> None:
        js = jetstream(client)
        for info in await js.streams_info():
            try:
                await js.delete_stream(str(info.config.name))
            except NotFoundError:
                continue

    with_client(url, work)
