"""Messages from NATS to the actors that handle them: decoded, addressed, or given up with their reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from actors.gateway.codec import BadMessage, decode_session, decode_signal, decode_tick
from actors.gateway.given_up import GivenUp
from actors.gateway.subjects import SESSIONS_CONSUMER
from actors.gateway.wire import Frame, headers_of
from actors.messages import Delivery, Tick, Ticks
from actors.runtime.directory import Directory

REFUSED_DELAY_S = 1.0
SHORT_REPLY = 9
_EPOCH = datetime.fromtimestamp(0, UTC)


class Inbound:
    """Runs in the gateway's loop; it only tells, never waits.

    Args:
        directory: the way to the actors.
        release: gives deliveries back to their stream after a delay, seconds.
        published: gets the ids of published outbox batches.
        given_up: gets the bad ones.
    """

    def __init__(
        self,
        directory: Directory,
        release: Callable[[tuple[Delivery, ...], float], None],
        published: Callable[[list[str]], None],
        given_up: GivenUp,
    ) -> None:
        self._directory = directory
        self._release = release
        self._unsent_ticks: dict[str, dict[int, Tick]] = {}
        self._given_up = given_up
        self._give_up = given_up.add
        self.published = published
        self.prices: dict[int, Tick] = {}
        self.last_tick_seq = 0
        self.ticks_waiting = 0
        self.ticks_received = 0
        self._stopped = False

    @property
    def given_up(self) -> int:
        """How many bad messages are not yet dead letters."""
        return self._given_up.in_hand

    def stop(self) -> None:
        """Hand nothing over any more: what was lost in the loop has to come again before what follows it."""
        self._stopped = True

    def of(self, consumer: str) -> Callable[[list[Frame]], None]:
        """What takes the batches of that consumer."""
        if consumer == SESSIONS_CONSUMER:
            return lambda batch: self._hand_over(consumer, batch, "sessions", None, decode_session)
        broker = consumer.removeprefix("trading-")
        return lambda batch: self._hand_over(
            consumer, batch, "signals", broker, lambda delivery: decode_signal(delivery, broker)
        )

    def _hand_over(
        self,
        consumer: str,
        batch: list[Frame],
        kind: str,
        broker: str | None,
        decode: Callable[[Delivery], Any],
    ) -> None:
        """Decode a batch and tell it to its actor with one wake-up; what finds no room goes back to the stream."""
        if self._stopped:
            return
        messages = []
        for raw in batch:
            delivery = delivery_of(raw, consumer)
            try:
                messages.append(decode(delivery))
            except BadMessage as error:
                self._give_up(delivery, str(error), "BadMessage", broker)
            except RecursionError:
                self._give_up(delivery, "nested too deeply", "BadMessage", broker)
        target = self._directory.route(kind, broker)
        accepted = target.tell_all(messages) if target is not None and messages else 0
        rejected = tuple(message.delivery for message in messages[accepted:])
        if rejected and target is None:
            self._release(rejected, REFUSED_DELAY_S)

    def ticks(self, batch: list[Frame]) -> None:
        """Remember the newest price of each instrument and pass it on to every broker with room for it."""
        fresh: dict[int, Tick] = {}
        self.ticks_received += len(batch)
        for raw in batch:
            self.ticks_waiting -= 1
            delivery = delivery_of(raw, "ticks")
            self.last_tick_seq = delivery.stream_seq
            try:
                tick = decode_tick(raw.data)
            except BadMessage as error:
                self._give_up(delivery, str(error), "BadMessage", None)
            except RecursionError:
                self._give_up(delivery, "nested too deeply", "BadMessage", None)
            else:
                fresh[tick.instrument_token] = tick
        self.prices.update(fresh)
        for handle in self._directory.named("trading."):
            unsent = self._unsent_ticks.setdefault(handle.name, {})
            unsent.update(fresh)
            if unsent and not handle.crowded:
                handle.tell(Ticks(tuple(unsent.values())))
                unsent.clear()


def delivery_of(frame: Frame, consumer: str) -> Delivery:
    """A JetStream message as the actors know it.

    All that the server says of it is in its reply subject (ADR-15): `$JS.ACK`, perhaps a domain and an account, then
    stream, consumer, deliveries, sequence in the stream and for the consumer, nanoseconds since 1970, pending.
    """
    reply = frame.reply.decode()
    tokens = reply.split(".")
    first = 2 if len(tokens) == SHORT_REPLY else 4
    stored_at = _EPOCH + timedelta(microseconds=int(tokens[first + 5]) // 1000)
    return Delivery(
        consumer,
        tokens[first],
        int(tokens[first + 3]),
        frame.subject.decode(),
        reply,
        int(tokens[first + 2]),
        stored_at,
        frame.data,
        headers_of(frame.header) if frame.header else None,
    )
