"""What an earlier process committed and did not publish, less what it had published after all.

`Nats-Msg-Id` is known to a stream for its duplicate window only; an outbox row can be older than that, so the stream
itself is asked which of the messages it holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import nats.errors
from nats.js.api import ConsumerConfig, DeliverPolicy
from nats.js.client import JetStreamContext

from actors.gateway.subjects import StreamSpec
from actors.messages import OutboxBatch

CLOCKS_DIFFER = timedelta(minutes=5)
READ_TIMEOUT_S = 3.0


async def unpublished(
    js: JetStreamContext, specs: Sequence[StreamSpec], batches: Sequence[OutboxBatch], since: datetime
) -> list[OutboxBatch]:
    """The batches without the messages that their streams hold already; an emptied batch stays, to be reported.

    Args:
        js: the connection.
        specs: the streams.
        batches: left in the outbox.
        since: when the oldest of them was committed, by the database's clock.

    Raises:
        nats.errors.Error, nats.js.errors.Error: try again.
    """
    subjects = {message.subject for batch in batches for message in batch.messages}
    held: set[str] = set()
    for spec in specs:
        if subjects.intersection(spec.subjects):
            held |= await _message_ids(js, spec.name, since - CLOCKS_DIFFER)
    return [
        replace(batch, messages=tuple(one for one in batch.messages if one.message_id not in held)) for batch in batches
    ]


async def _message_ids(js: JetStreamContext, stream: str, since: datetime) -> set[str]:
    config = ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_TIME, opt_start_time=since, headers_only=True)
    subscription = await js.subscribe("", stream=stream, ordered_consumer=True, config=config)
    found: set[str] = set()
    try:
        if (await subscription.consumer_info()).num_pending or subscription.pending_msgs:
            while True:
                message = await subscription.next_msg(READ_TIMEOUT_S)
                found.add((message.headers or {}).get("Nats-Msg-Id", ""))
                if message.metadata.num_pending == 0:
                    break
    except nats.errors.TimeoutError:
        return found
    finally:
        await subscription.unsubscribe()
    return found
