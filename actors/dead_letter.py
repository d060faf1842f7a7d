"""The unit of work that a message leaves behind when it cannot be handled: a row, and a message on the `.dlq`
subject in Alpha Panda's form. And how the original is told apart when an operator has it published again.

The row keeps the original whole, sealed if it holds a secret, and a replay publishes what the row keeps. The message
has it in it if it is small, without its secrets, for whoever looks at the stream; otherwise only its size, as every
copy of it would be in memory several times.
"""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from actors.masking import masked
from actors.messages import CommitUnit, Delivery
from actors.redaction import MAX_READ_BYTES, harmless_of, shown_headers, substitute
from actors.rows import DeadLetterRow, OutboundMessage

SERVICE = "alpha-panda"
MAX_INLINE_BYTES = 256 << 10
"""Originals that take more than this in JSON stay in the row alone."""
ESCAPED = 6
"""A byte takes no more than so many in JSON."""

MAX_ID = 64

_EPOCH = datetime.fromtimestamp(0, UTC)
_REPLAY = re.compile(r"replay:[0-9a-f-]{36}:[0-9]+:([0-9]{1,16})")
_NAMESPACE = uuid.UUID("c1a0f0c2-8a5e-5d0e-9f43-52f0d7a3b1e6")


def dead_letter_unit(
    delivery: Delivery,
    reason: str,
    error_class: str,
    *,
    message_id: str | None = None,
    broker: str | None = None,
) -> CommitUnit:
    """What to commit for a delivery that is given up; its id follows from the stream position, so it is written once.

    Args:
        delivery: with the original bytes.
        reason: one line for people; it must not quote the content, which may be secret.
        error_class: for machines.
        message_id: the inbox key, if the message had a usable one.
        broker: the broker whose subject it came by, if any.
    """
    position = f"{delivery.stream}:{delivery.stream_seq}:{delivery.stored_at.isoformat()}"
    identity = str(uuid.uuid5(_NAMESPACE, position))
    reason = masked(reason)
    kept = substitute(delivery.subject, delivery.data)
    headers = None
    if delivery.headers is not None:
        headers = shown_headers(delivery.headers, harmless_of(delivery.subject))
    row = DeadLetterRow(
        id=identity,
        subject=delivery.subject,
        reason=reason,
        error_class=error_class,
        broker=broker,
        consumer=delivery.consumer,
        message_id=message_id,
        stream=delivery.stream,
        stream_seq=delivery.stream_seq,
        payload=delivery.data,
        headers=headers,
        substitute=kept,
        stored_at=first_stored_at(delivery),
    )
    payload = orjson.dumps(_envelope(delivery, identity, reason, error_class, kept, headers or {}))
    return CommitUnit(
        consumer=delivery.consumer,
        message_id=message_id or position,
        delivery=delivery,
        broker=broker,
        dead_letter=row,
        outbound=(OutboundMessage(f"{delivery.subject}.dlq", identity, payload),),
        terminate=True,
    )


def replay_id(letter_id: str, ordinal: int, stored_at: datetime) -> str:
    """The `Nats-Msg-Id` under which a dead letter is published again: a new one each time, so its stream takes it."""
    return f"replay:{letter_id}:{ordinal}:{(stored_at - _EPOCH) // timedelta(microseconds=1)}"


def is_replay(delivery: Delivery) -> bool:
    """Whether an operator had it published again: what an actor remembers of its id may be how it was given up."""
    return _REPLAY.fullmatch((delivery.headers or {}).get("Nats-Msg-Id", "")) is not None


def first_stored_at(delivery: Delivery) -> datetime:
    """When a stream first took the message: a replay is as old as its original, and never newer than itself."""
    replayed = _REPLAY.fullmatch((delivery.headers or {}).get("Nats-Msg-Id", ""))
    if replayed is None:
        return delivery.stored_at
    return min(delivery.stored_at, _EPOCH + timedelta(microseconds=int(replayed[1])))


def _envelope(
    delivery: Delivery, identity: str, reason: str, error_class: str, kept: bytes | None, headers: dict[str, Any]
) -> dict[str, Any]:
    now = delivery.stored_at.isoformat().replace("+00:00", "Z")
    original = _original(delivery.data) if kept is None else _masked(delivery.data, kept)
    parent = ids_in(delivery.data)
    return {
        "id": identity,
        "correlation_id": parent.get("correlation_id", identity),
        "causation_id": parent.get("id", headers.get("Nats-Msg-Id")),
        "trace_id": parent.get("trace_id", identity),
        "parent_trace_id": None,
        "broker": "system",
        "type": "system_error",
        "ts": now,
        "key": f"{delivery.stream}:{delivery.stream_seq}",
        "source": SERVICE,
        "version": 1,
        "data": {
            "dlq_metadata": {
                "original_topic": delivery.subject,
                "original_partition": 0,
                "original_offset": delivery.stream_seq,
                "original_timestamp": now,
                "dlq_timestamp": now,
                "service_name": SERVICE,
            },
            "failure_info": {
                "error_type": "poison",
                "error_class": error_class,
                "error_message": reason,
                "failure_reason": reason,
                "retry_count": delivery.num_delivered - 1,
                "stack_trace": None,
            },
            "original_message": {
                "key": headers.get("Nats-Msg-Id"),
                **original,
                "headers": headers,
                "size": len(delivery.data),
            },
            "replay_metadata": {
                "can_replay": True,
                "suggested_delay_minutes": 0,
                "consumer_group": delivery.consumer,
                "requires_manual_review": True,
            },
        },
    }


def ids_in(data: bytes) -> dict[str, str]:
    """The usable ids of an original that is an envelope, if only in part: its letter is a child of it."""
    try:
        parsed = orjson.loads(data) if len(data) <= MAX_READ_BYTES else None
    except orjson.JSONDecodeError:
        parsed = None
    fields = parsed if isinstance(parsed, dict) else {}
    ids = {name: fields.get(name) for name in ("id", "correlation_id", "trace_id")}
    return {name: value for name, value in ids.items() if isinstance(value, str) and 0 < len(value) <= MAX_ID}


def without_original(payload: bytes) -> bytes:
    """The `.dlq` message without the original's bytes, which the row keeps: for servers that take less."""
    message = orjson.loads(payload)
    message["data"]["original_message"] |= {"value": None, "encoding": None}
    return orjson.dumps(message)


def _masked(data: bytes, kept: bytes) -> dict[str, Any]:
    """What may be seen of an original with a secret; its hash tells it from others."""
    seen = _original(kept) if kept else {"value": None, "encoding": None}
    return {**seen, "masked": True, "sha256": hashlib.sha256(data).hexdigest()}


def _original(data: bytes) -> dict[str, Any]:
    """The original bytes as JSON can hold them, and how they are spelled; nothing of what is too large for it."""
    nothing = {"value": None, "encoding": None}
    if len(data) > MAX_INLINE_BYTES:
        return nothing
    try:
        text, encoding = data.decode(), "utf-8"
    except UnicodeDecodeError:
        text, encoding = base64.b64encode(data).decode(), "base64"
    fits = ESCAPED * len(text) <= MAX_INLINE_BYTES or len(orjson.dumps(text)) <= MAX_INLINE_BYTES
    return {"value": text, "encoding": encoding} if fits else nothing
