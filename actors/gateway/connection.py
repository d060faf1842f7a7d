"""How the service connects to NATS, and how it makes its streams and consumers."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import nats.errors
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, StreamConfig
from nats.js.client import JetStreamContext
from nats.js.errors import APIError, BadRequestError, NotFoundError

from actors.gateway.given_up import IN_HAND
from actors.gateway.subjects import TICKS_STREAM, Durable, StreamSpec
from actors.gateway.transport import Transport
from actors.gateway.wire import FrameParser, check
from settings import NatsSettings

ACK_WAIT_S = 60.0
CONNECT_TIMEOUT_S = 3
STREAM_NAME_IN_USE = 10058


@dataclass(frozen=True, slots=True)
class ConnectionEvents:
    """Called in the loop's thread; they must only note what happened."""

    disconnected: Callable[[], Awaitable[None]]
    reconnected: Callable[[], Awaitable[None]]
    closed: Callable[[], Awaitable[None]]
    error: Callable[[Exception], Awaitable[None]]


async def connect(settings: NatsSettings, servers: list[str], name: str, events: ConnectionEvents | None) -> Client:
    """A connection that never gives up reconnecting and notices a dead peer within 20 s.

    Raises:
        nats.errors.Error, OSError, TimeoutError: not connected.
    """
    options: dict[str, Any] = {
        "servers": servers,
        "name": name,
        "allow_reconnect": events is not None,
        "max_reconnect_attempts": -1 if events is not None else 1,
        "reconnect_time_wait": 0.25,
        "connect_timeout": CONNECT_TIMEOUT_S,
        "ping_interval": 6,
        "max_outstanding_pings": 2,
        "pending_size": 16 << 20,
        "flush_timeout": 5,
        "drain_timeout": 5,
    }
    if settings.credentials_file is not None:
        options["user_credentials"] = str(settings.credentials_file)
    if settings.tls_ca_file is not None:
        options["tls"] = ssl.create_default_context(cafile=str(settings.tls_ca_file))
    if events is not None:
        options |= {
            "disconnected_cb": events.disconnected,
            "reconnected_cb": events.reconnected,
            "closed_cb": events.closed,
            "error_cb": events.error,
        }
    else:
        options["error_cb"] = _ignore
    logging.getLogger("asyncio").addFilter(_tells_something)
    client = Client()
    check(client)
    client._ps = FrameParser(client)
    client._transport = Transport()  # type: ignore[no-untyped-call]
    try:
        await client.connect(**options)
    except nats.errors.Error:
        if events is None:
            await client.close()  # a server that refused leaves its socket open
        raise
    return client


async def _ignore(_error: Exception) -> None:
    """A tool's connection: the error is raised where the connection is used, and shown there."""


def _tells_something(record: logging.LogRecord) -> bool:
    """Of what asyncio logs: nats-py turns to TLS in a way that it complains of at each close, to no effect."""
    return "eof_received()" not in record.getMessage()


async def ensure_streams(js: JetStreamContext, specs: Sequence[StreamSpec]) -> None:
    """Make the streams, or bring their subjects and age up to date; replicas and limits set by others stay."""
    for spec in specs:
        try:
            await js.add_stream(_stream_config(spec))
        except BadRequestError as error:
            if error.err_code != STREAM_NAME_IN_USE:
                raise
            existing = (await js.stream_info(spec.name)).config
            if set(existing.subjects or ()) != set(spec.subjects) or existing.max_age != spec.max_age_s:
                await js.update_stream(existing.evolve(subjects=list(spec.subjects), max_age=spec.max_age_s))


def _stream_config(spec: StreamSpec) -> StreamConfig:
    return StreamConfig(
        name=spec.name,
        subjects=list(spec.subjects),
        retention="limits",  # type: ignore[arg-type]  # the enum's value; nats-py sends either
        storage="file",  # type: ignore[arg-type]
        max_age=spec.max_age_s,
        duplicate_window=min(120.0, spec.max_age_s),
        allow_direct=False,
    )


async def ensure_consumer(js: JetStreamContext, stream: str, name: str, subject: str | None, credit: int) -> str:
    """The durable consumer of that name, with everything unacknowledged to be delivered again, in order.

    Only the process that acts for the consumer may call this: whatever another one holds is delivered twice.
    """
    config = _durable(name, subject, credit)
    try:
        info = await js.consumer_info(stream, name)
    except NotFoundError:
        await js.add_consumer(stream, config)
        return name
    if info.config.max_ack_pending != config.max_ack_pending:
        await js.add_consumer(stream, info.config.evolve(max_ack_pending=config.max_ack_pending))
    if info.num_ack_pending:
        try:
            await js.reset_consumer(stream, name)
        except (APIError, TimeoutError):
            await _recreate(js, stream, name, config, info.ack_floor.stream_seq if info.ack_floor else 0)
    return name


async def take_consumer(js: JetStreamContext, stream: str, name: str, subject: str | None, credit: int) -> None:
    """Make the durable consumer of that name anew, with everything unacknowledged to be delivered again, in order.

    What others have asked of the earlier one ends with 409 Consumer Deleted, and deliveries are counted from 1.

    Raises:
        nats.errors.Error, TimeoutError: try again; a consumer that is gone is made from the stream's beginning.
    """
    config = _durable(name, subject, credit)
    try:
        info = await js.consumer_info(stream, name)
    except NotFoundError:
        await js.add_consumer(stream, config)
    else:
        await _recreate(js, stream, name, config, info.ack_floor.stream_seq if info.ack_floor else 0)


class Progress(NamedTuple):
    """Of a consumer: how many deliveries it has made, and how many of these are not settled."""

    delivered: int
    unsettled: int


async def progress(js: JetStreamContext, stream: str, name: str) -> Progress:
    """How far the consumer is; -1 deliveries when it is gone."""
    try:
        info = await js.consumer_info(stream, name)
    except NotFoundError:
        return Progress(-1, 0)
    return Progress(info.delivered.consumer_seq if info.delivered else 0, info.num_ack_pending or 0)


def _durable(name: str, subject: str | None, credit: int) -> ConsumerConfig:
    return ConsumerConfig(
        durable_name=name,
        filter_subject=subject,
        ack_policy=AckPolicy.EXPLICIT,
        deliver_policy=DeliverPolicy.ALL,
        ack_wait=ACK_WAIT_S,
        max_deliver=-1,
        max_ack_pending=2 * credit + IN_HAND,
    )


async def _recreate(js: JetStreamContext, stream: str, name: str, config: ConsumerConfig, floor: int) -> None:
    """What `reset_consumer` does, for servers before 2.14; it ends what was asked of the consumer, too."""
    await js.delete_consumer(stream, name)
    again = config.evolve(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=floor + 1)
    await js.add_consumer(stream, again)


async def figures(
    js: JetStreamContext, specs: Sequence[StreamSpec], consumers: Sequence[Durable]
) -> tuple[dict[str, dict[str, int]], tuple[str, ...]]:
    """By stream: messages kept, waiting for its consumer (`pending`), handed over and not settled (`ack_pending`).
    Then the streams and consumers that there are not; for a consumer that is yet to be made, all of its messages wait.

    Raises:
        nats.errors.Error, nats.js.errors.Error, TimeoutError: the server cannot be asked.
    """
    measured: dict[str, dict[str, int]] = {}
    missing: list[str] = []
    for spec in specs:
        try:
            info = await js.stream_info(spec.name)
        except NotFoundError:
            missing.append(spec.name)
        else:
            measured[spec.name] = {"messages": info.state.messages, "pending": 0, "ack_pending": 0}
    for durable in consumers:
        stream, name, _ = durable
        if stream not in measured:
            continue
        try:
            consumer = await js.consumer_info(stream, name)
        except NotFoundError:
            missing.append(f"{stream}/{name}")
            measured[stream]["pending"] = await _kept(js, durable)
        else:
            waiting = {"pending": consumer.num_pending or 0, "ack_pending": consumer.num_ack_pending or 0}
            measured[stream] |= waiting
    return measured, tuple(missing)


async def _kept(js: JetStreamContext, durable: Durable) -> int:
    info = await js.stream_info(durable.stream, subjects_filter=durable.subjects)
    return sum((info.state.subjects or {}).values())


async def ticks_consumer(js: JetStreamContext, after_seq: int) -> tuple[str, int]:
    """An ephemeral consumer of the ticks after a position; returns its name and how many ticks wait."""
    config = ConsumerConfig(
        ack_policy=AckPolicy.NONE,
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=after_seq + 1,
        inactive_threshold=120.0,
        mem_storage=True,
    )
    info = await js.add_consumer(TICKS_STREAM, config)
    return str(info.name), int(info.num_pending or 0)
