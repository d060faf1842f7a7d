"""Acknowledgements that the server confirmed and then lost, as one that is killed may: it writes them down later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import nats.errors

from actors.gateway.connection import ACK_WAIT_S, progress
from actors.gateway.puller import Puller
from actors.gateway.wire import Wire

LOOK_EVERY_S = 1.0
REQUEST_TIMEOUT_S = 2.0


async def find_forgotten(wire: Wire, puller: Puller, settled: Callable[[], bool]) -> None:
    """Doubt the puller when everything it delivered is settled, and the server says otherwise.

    Its consumer is then made anew, and what was forgotten comes at once; else only when its `ack_wait` is over, which
    is also how long this goes on looking.

    Args:
        wire: the connection, regained just now.
        puller: of a guarded consumer.
        settled: whether all that was handed over is settled, and the server confirmed it.
    """
    js = wire.client.jetstream(timeout=REQUEST_TIMEOUT_S)
    for _ in range(int(ACK_WAIT_S / LOOK_EVERY_S)):
        await asyncio.sleep(LOOK_EVERY_S)
        if puller.halted or wire.client.is_closed:
            return
        seen = puller.seen
        if not settled():
            continue
        try:
            unsettled = (await progress(js, puller.stream, puller.consumer)).unsettled
        except (nats.errors.Error, OSError):
            continue
        if settled() and seen == puller.seen:
            if unsettled:
                puller.doubt(f"its server forgot {unsettled} acknowledgements")
            return
