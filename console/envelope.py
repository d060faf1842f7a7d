"""What `inject` publishes: the messages in a text, and short ones completed to Alpha Panda's envelope; pure."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from actors.rows import OutboundMessage
from console.failure import USAGE, Failure

ENVELOPE_KEYS = (
    "id",
    "correlation_id",
    "causation_id",
    "trace_id",
    "parent_trace_id",
    "broker",
    "type",
    "ts",
    "key",
    "source",
    "version",
    "data",
)
SHARED_TOKENS = frozenset({"market", "auth"})
SOURCE = "inject"
MAX_KEY = 255


@dataclass(frozen=True, slots=True)
class Template:
    """One JSON value as it was given: its bytes, and what they mean."""

    text: bytes = field(repr=False)
    value: Any = field(repr=False)


def templates(text: bytes, name: str) -> list[Template]:
    """The messages in a text: one JSON value, or JSON lines.

    Raises:
        Failure: it is neither, or empty; the line is named after `name`.
    """
    if not text.strip():
        raise Failure(f"{name} is empty; give one JSON value, or one on each line", USAGE)
    try:
        return [Template(text.strip(), orjson.loads(text))]
    except orjson.JSONDecodeError as error:
        whole = error
    numbered = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    found = []
    for number, line in numbered:
        try:
            found.append(Template(line.strip(), orjson.loads(line)))
        except orjson.JSONDecodeError as error:
            if not found:
                raise _not_json(name, whole.lineno, whole) from None
            raise _not_json(name, number, error) from None
    return found


def outbound(given: Sequence[Template], subject: str, count: int) -> Iterator[OutboundMessage]:
    """The messages to publish on `subject`: the given ones, `count` times over.

    A complete envelope, and whatever is no envelope at all, is published byte for byte the first time; repetitions
    of envelopes get fresh ids.
    """
    for repetition in range(count):
        for template in given:
            yield _message(template, subject, fresh=repetition > 0)


def complete(value: Mapping[str, Any], subject: str, identity: str, moment: datetime) -> dict[str, Any]:
    """The envelope that `value`, which has a type and data, stands for: what it lacks is filled in.

    `identity` is the id where it has none; `moment` stands in for every missing time.
    """
    identity = value.get("id") or identity
    ts = wire_time(moment)
    data = _timed(value["data"], ts)
    filled = {
        "id": identity,
        "correlation_id": identity,
        "causation_id": None,
        "trace_id": identity,
        "parent_trace_id": None,
        "broker": broker_of(subject),
        "type": value["type"],
        "ts": ts,
        "key": _key(data, identity),
        "source": SOURCE,
        "version": 1,
        "data": data,
    }
    return {**filled, **value, "data": data}


def broker_of(subject: str) -> str:
    """Whose subject it is: a broker's, or `system` for the shared ones."""
    first = subject.partition(".")[0]
    return "system" if first in SHARED_TOKENS else first


def wire_time(moment: datetime) -> str:
    """An aware time as it stands in an envelope."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _message(template: Template, subject: str, *, fresh: bool) -> OutboundMessage:
    value = template.value
    identity = str(uuid.uuid4())
    if not _is_message(value):
        return OutboundMessage(subject, _id_of(value) or identity, template.text)
    if all(key in value for key in ENVELOPE_KEYS):
        if not fresh:
            return OutboundMessage(subject, _id_of(value) or identity, template.text)
        renewed = {**value, "id": identity, "correlation_id": identity, "trace_id": identity}
        return OutboundMessage(subject, identity, orjson.dumps(renewed))
    if fresh:
        value = {name: one for name, one in value.items() if name not in {"id", "correlation_id", "trace_id"}}
    envelope = complete(value, subject, identity, datetime.now(UTC))
    return OutboundMessage(subject, _id_of(envelope) or identity, orjson.dumps(envelope))


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and "type" in value and isinstance(value.get("data"), dict)


def _id_of(value: Any) -> str | None:
    """The value's id, if it can be a `Nats-Msg-Id`."""
    identity = value.get("id") if isinstance(value, dict) else None
    usable = isinstance(identity, str) and 0 < len(identity) <= 64 and identity.isprintable() and identity.isascii()
    return identity if usable else None


def _timed(data: Mapping[str, Any], ts: str) -> dict[str, Any]:
    timed = {**data, "timestamp": data.get("timestamp", ts)}
    original = data.get("original_signal")
    if isinstance(original, Mapping):
        timed["original_signal"] = {**original, "timestamp": original.get("timestamp", timed["timestamp"])}
    return timed


def _key(data: Mapping[str, Any], identity: str) -> str:
    """What Alpha Panda keys such a message by: strategy and instrument, instrument, user, else the id."""
    source = data.get("original_signal") if isinstance(data.get("original_signal"), Mapping) else data
    parts = [str(source[name]) for name in ("strategy_id", "instrument_token", "user_id") if source and name in source]
    return ":".join(parts)[:MAX_KEY] or identity


def _not_json(name: str, line: int, error: orjson.JSONDecodeError) -> Failure:
    return Failure(f"{name} line {line}: not JSON: {error.msg} at column {error.colno}; correct it", USAGE)
