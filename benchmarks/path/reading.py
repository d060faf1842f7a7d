"""All that a stream holds, read over a bare socket."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

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
        wire.send(pub(f"$JS.API.CONSUMER.CREATE.{stream}", orjson.dumps(request), inbox))
        made = orjson.loads(next(answers)[0])
        if "error" in made:
            raise BenchmarkFailed(f"{stream} cannot be read: {made['error'].get('description')}")
        left = int(made["num_pending"])
        while left:
            pull = {"batch": min(left, AT_ONCE), "max_bytes": BYTES_AT_ONCE, "expires": EXPIRES_NS}
            wire.send(pub(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{made['name']}", orjson.dumps(pull), inbox))
            for payload in _answered(answers, pull["batch"]):
                left -= 1
                yield payload


def _answered(answers: Iterator[list[bytes]], wanted: int) -> Iterator[bytes]:
    """What one request gets: as many messages as it wants, or fewer and then a status, which has no payload."""
    for several in answers:
        for payload in several:
            if not payload:
                return
            wanted -= 1
            yield payload
        if not wanted:
            return
