"""All that a stream holds, read over a bare socket."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import orjson

from benchmarks.measurement import BenchmarkFailed
from benchmarks.path.wire import Wire, pub

AT_ONCE, BYTES_AT_ONCE, EXPIRES_NS = 2_000, 16 << 20, 30_000_000_000
"""The server closes a connection that is 64 MB behind."""
CONSUMER = {"ack_policy": "none", "deliver_policy": "all", "mem_storage": True, "inactive_threshold": 2 * EXPIRES_NS}


def read(url: str, stream: str, subject: str) -> Iterator[bytes]:
    """The payloads of the messages that it holds now, of those subjects, in order.

    Raises:
        BenchmarkFailed: there is no such stream, or it does not answer.
    """
    inbox = f"_INBOX.{uuid.uuid4().hex}"
    request = {"stream_name": stream, "config": {**CONSUMER, "filter_subject": subject}}
    with Wire(url) as wire:
        wire.subscribe(inbox)
        answers = wire.messages()
        at_once = _at_once(wire, answers, inbox, stream)
        wire.send(pub(f"$JS.API.CONSUMER.CREATE.{stream}", orjson.dumps(request), inbox))
        made = _answer(answers, stream)
        left = int(made["num_pending"])
        while left > 0:
            wanted = min(left, at_once)
            pull = orjson.dumps({"batch": wanted, "expires": EXPIRES_NS})
            wire.send(pub(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{made['name']}", pull, inbox))
            left -= wanted
            while wanted > 0:
                payloads = next(answers)
                if not all(payloads):
                    raise BenchmarkFailed(f"{stream} held {left + wanted} messages of {subject} less than it said")
                wanted -= len(payloads)
                yield from payloads


def _at_once(wire: Wire, answers: Iterator[list[bytes]], inbox: str, stream: str) -> int:
    """As many messages of the stream's usual size as may be on their way."""
    wire.send(pub(f"$JS.API.STREAM.INFO.{stream}", b"", inbox))
    state = _answer(answers, stream)["state"]
    size = state["bytes"] / max(1, state["messages"])
    return max(1, min(AT_ONCE, int(BYTES_AT_ONCE / max(1.0, size))))


def _answer(answers: Iterator[list[bytes]], stream: str) -> dict[str, Any]:
    answer: dict[str, Any] = orjson.loads(next(answers)[0])
    if "error" in answer:
        raise BenchmarkFailed(f"{stream} cannot be read: {answer['error'].get('description')}")
    return answer
