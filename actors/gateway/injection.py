"""Publishing to the streams and reading them back from outside the daemon, for operators and proofs.

Both run a loop of their own and block the calling thread until done.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import nats.errors
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, PubAck
from nats.js.client import JetStreamContext
from nats.js.errors import NoStreamResponseError, NotFoundError

from actors.errors import ActorError
from actors.gateway.connection import connect
from actors.gateway.pace import Pace
from actors.rows import OutboundMessage
from settings import NatsSettings

MAX_IN_FLIGHT = 1000
STALL_S = 10.0
FETCH = 500
REFUSED = "authorization violation"
"""What the server says to wrong credentials."""

Result = TypeVar("Result")

_NATS_ERRORS = (nats.errors.Error, OSError, TimeoutError)


class InjectionError(ActorError):
    """NATS could not be reached, or refused; the text is one line with the cure."""


class CredentialsRefused(InjectionError):
    """The server is there, and does not take who we say we are."""


class NoStream(InjectionError):
    """No stream takes `subject`."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"no stream takes {subject}; check its spelling, and that its broker is in ACTIVE_BROKERS")
        self.subject = subject


@dataclass(frozen=True, slots=True)
class Ack:
    """Where a stream keeps a message; `duplicate` says that it had one of that id already."""

    message_id: str
    stream: str
    seq: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as a stream keeps it."""

    subject: str
    message_id: str | None
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Hooks:
    """Called in the loop's thread, at each acknowledgement and before each message is sent."""

    on_ack: Callable[[Ack], None]
    on_send: Callable[[OutboundMessage], None]


def publish(
    settings: NatsSettings,
    servers: list[str],
    messages: Iterable[OutboundMessage],
    *,
    rate: float | None = None,
    on_ack: Callable[[Ack], None] | None = None,
    subjects: Sequence[str] = (),
) -> int:
    """Publish in order, many in flight, and return how many were acknowledged: all.

    `rate` is in messages per second; None means as fast as they are acknowledged. `on_ack` is called in this thread,
    in the order of acknowledgement. Nothing is published unless a stream takes each of `subjects`.

    Raises:
        InjectionError: not connected, no stream takes the subject, or an acknowledgement did not come.
    """
    hooks = Hooks(on_ack or _ignore, _ignore)
    return asyncio.run(connected(settings, servers, lambda client: send(client, messages, rate, hooks, subjects)))


def read_stream(settings: NatsSettings, servers: list[str], stream: str) -> list[Stored]:
    """All that the stream keeps now, oldest first.

    Raises:
        InjectionError: not connected, or there is no such stream.
    """
    return asyncio.run(connected(settings, servers, lambda client: _read(client.jetstream(), stream)))


async def connected(settings: NatsSettings, servers: list[str], work: Callable[[Client], Awaitable[Result]]) -> Result:
    """What `work` returns, on a connection of its own that is closed after it.

    Raises:
        InjectionError: not connected, or whatever of NATS fails in `work`.
    """
    try:
        client = await asyncio.wait_for(connect(settings, servers, "alpha-panda/console", None), 2 * len(servers) + 3)
    except _NATS_ERRORS as error:
        if REFUSED in str(error).lower():
            raise CredentialsRefused(
                "the NATS server refused the credentials; check those in its URL and NATS__CREDENTIALS_FILE"
            ) from None
        check = "NATS__TLS_CA_FILE" if isinstance(error, ssl.SSLError) else "NATS__URL, or that the daemon runs"
        raise InjectionError(f"NATS is away: {_reason(error)}; check {check}") from None
    try:
        return await work(client)
    except NoStreamResponseError:
        raise InjectionError("no stream takes this subject; its broker must run: see ACTIVE_BROKERS") from None
    except _NATS_ERRORS as error:
        raise InjectionError(f"NATS failed: {_reason(error)}; try again") from None
    finally:
        await client.close()


async def send(
    client: Client,
    messages: Iterable[OutboundMessage],
    rate: float | None,
    hooks: Hooks,
    subjects: Sequence[str] = (),
) -> int:
    """Publish on this connection as `publish` does."""
    js = client.jetstream(publish_async_max_pending=MAX_IN_FLIGHT)
    for subject in subjects:
        await _require_stream(js, subject)
    loop = asyncio.get_running_loop()
    pace = None if rate is None else Pace(rate, loop.time())
    sent = 0
    unsettled: deque[tuple[OutboundMessage, asyncio.Future[PubAck]]] = deque()
    try:
        for message in messages:
            if pace is not None and (pause_s := pace.pause_s(loop.time())):
                await asyncio.sleep(pause_s)
            hooks.on_send(message)
            headers = {"Nats-Msg-Id": message.message_id}
            future = await js.publish_async(message.subject, message.payload, wait_stall=STALL_S, headers=headers)
            unsettled.append((message, future))
            sent += 1
            while unsettled and (unsettled[0][1].done() or len(unsettled) >= MAX_IN_FLIGHT):
                await _settle(*unsettled.popleft(), hooks.on_ack)
        while unsettled:
            await _settle(*unsettled.popleft(), hooks.on_ack)
    finally:
        for _, future in unsettled:
            if not future.cancel() and not future.cancelled():
                future.exception()
    return sent


async def _require_stream(js: JetStreamContext, subject: str) -> None:
    try:
        await js.find_stream_name_by_subject(subject)
    except NotFoundError:
        raise NoStream(subject) from None


async def _settle(message: OutboundMessage, future: asyncio.Future[PubAck], on_ack: Callable[[Ack], None]) -> None:
    try:
        ack = await asyncio.wait_for(future, STALL_S)
    except TimeoutError:
        raise InjectionError(f"{message.subject}: no acknowledgement in {STALL_S:g} s; try again") from None
    except NoStreamResponseError:
        raise NoStream(message.subject) from None
    on_ack(Ack(message.message_id, ack.stream, ack.seq, bool(ack.duplicate)))


async def _read(js: JetStreamContext, stream: str) -> list[Stored]:
    try:
        config = ConsumerConfig(
            ack_policy=AckPolicy.NONE,
            deliver_policy=DeliverPolicy.ALL,
            inactive_threshold=30.0,
            mem_storage=True,
        )
        consumer = await js.add_consumer(stream, config)
    except NotFoundError:
        raise InjectionError(f"there is no stream {stream}; the daemon makes it when its broker runs") from None
    subscription = await js.pull_subscribe_bind(consumer=consumer.name, stream=stream)
    expected = consumer.num_pending or 0
    stored: list[Stored] = []
    while len(stored) < expected:
        for message in await subscription.fetch(min(FETCH, expected - len(stored)), timeout=STALL_S):
            headers = message.headers or {}
            stored.append(Stored(message.subject, headers.get("Nats-Msg-Id"), message.data))
    return stored


def _ignore(_: Ack | OutboundMessage) -> None:
    """For callers that only want the count."""


def _reason(error: BaseException) -> str:
    """The error in a line: what NATS says, else its name."""
    return str(error).removeprefix("nats: ").splitlines()[0] if str(error) else type(error).__name__
