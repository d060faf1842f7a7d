"""Signals sent from outside the daemon, and the answers to them waited for: the tool for load."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from nats.aio.client import Client

from actors.gateway.answers import Answers, Outcome
from actors.gateway.injection import Ack, Hooks, connected, send
from actors.gateway.subjects import validated_signals
from actors.rows import OutboundMessage
from settings import NatsSettings

__all__ = ["Outcome", "publish_signals"]


def publish_signals(
    settings: NatsSettings,
    servers: list[str],
    messages: Iterable[OutboundMessage],
    broker: str,
    *,
    rate: float | None,
    patience_s: float,
    on_ack: Callable[[Ack], None],
    on_answer: Callable[[], None],
    on_sent: Callable[[int], None],
) -> Outcome:
    """Publish signals of the broker as `injection.publish` does, then wait for what becomes of them.

    The wait ends when no answer has come for `patience_s` seconds. `on_sent` is called with their number when all are
    acknowledged; all are called in this thread.

    Raises:
        InjectionError: as `injection.publish` does.
    """

    async def work(client: Client) -> Outcome:
        answers = Answers(client, on_answer)
        signals = validated_signals(broker)
        await answers.listen(f"{broker}.orders.filled", f"{broker}.orders.failed", f"{signals}.dlq")

        def acknowledged(ack: Ack) -> None:
            if ack.duplicate:
                answers.forget(ack.message_id)
            on_ack(ack)

        on_sent(await send(client, messages, rate, Hooks(acknowledged, lambda one: answers.expect(one.message_id))))
        return await answers.outcome(patience_s)

    return asyncio.run(connected(settings, servers, work))
