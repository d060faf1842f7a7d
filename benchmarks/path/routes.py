"""The streams of a side: same kinds, same configuration, names of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from nats.aio.client import Client

from actors.gateway.connection import ensure_streams
from actors.gateway.subjects import StreamSpec, signals_consumer, signals_stream, streams, validated_signals

BROKER = "paper"
MESSAGES_PER_SIGNAL, EVENTS_PER_SIGNAL = 3, 3
"""What our daemon leaves of a signal that is filled, and so every peer: messages, and rows of `trading_events`."""
NEVER = "2100-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Route:
    """Where a side gets its signals from, and where it publishes to: `prefix` begins all its subjects."""

    prefix: str
    signals: str
    orders: str
    subject: str
    consumer: str


OURS = Route(
    BROKER, signals_stream(BROKER), f"{BROKER.upper()}_ORDERS", validated_signals(BROKER), signals_consumer(BROKER)
)
PEER = Route("peer", "PEER_SIGNALS", "PEER_ORDERS", validated_signals("peer"), "peer")


async def make_peer_streams(client: Client) -> None:
    """The peer's two streams, configured as the daemon configures its own."""
    ours = {spec.name: spec for spec in streams([BROKER])}
    pairs = ((OURS.signals, PEER.signals), (OURS.orders, PEER.orders))
    specs = [_renamed(ours[mine], theirs) for mine, theirs in pairs]
    await ensure_streams(client.jetstream(), specs)


def _renamed(spec: StreamSpec, name: str) -> StreamSpec:
    subjects = tuple(subject.replace(OURS.prefix, PEER.prefix, 1) for subject in spec.subjects)
    return StreamSpec(name, subjects, spec.max_age_s)


async def api(client: Client, call: str, **body: Any) -> dict[str, Any]:
    """A call of the JetStream API; the answer as it is, also when it is an error."""
    request = json.dumps(body).encode() if body else b""
    answer: dict[str, Any] = json.loads((await client.request(f"$JS.API.{call}", request, timeout=5)).data)
    return answer


async def count(client: Client, stream: str) -> int:
    """Messages in the stream."""
    state: int = (await api(client, f"STREAM.INFO.{stream}"))["state"]["messages"]
    return state


async def consumer(client: Client, route: Route) -> dict[str, Any]:
    """The state of the side's consumer."""
    return await api(client, f"CONSUMER.INFO.{route.signals}.{route.consumer}")


async def hold(client: Client, route: Route) -> None:
    """Deliver nothing to the side until `let_go`."""
    await api(client, f"CONSUMER.PAUSE.{route.signals}.{route.consumer}", pause_until=NEVER)


async def let_go(client: Client, route: Route) -> None:
    await api(client, f"CONSUMER.PAUSE.{route.signals}.{route.consumer}")
