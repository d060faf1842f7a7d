"""Many messages into a stream, as fast as it takes them, each acknowledged."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator

from benchmarks.measurement import BenchmarkFailed
from benchmarks.path.wire import Wire, hpub, pub

AT_ONCE, BYTES_AT_ONCE, UNACKNOWLEDGED = 500, 1 << 20, 4
"""Messages and bytes of one write, and how many writes may wait: a stream refuses what it has to buffer beyond 10,000
messages or 128 MB."""

Message = tuple[str, bytes]
"""An id, which may be empty, and a payload."""


def publish_all(url: str, subject: str, messages: Iterable[Message]) -> int:
    """Publish the messages in order; returns how many.

    Raises:
        BenchmarkFailed: the stream refused one, or does not answer.
    """
    with Wire(url) as wire:
        inbox = f"_INBOX.{uuid.uuid4().hex}"
        wire.subscribe(inbox)
        answers, acknowledged, sent = wire.messages(), 0, [0]
        for count, frames in _writes(subject, inbox, messages):
            wire.send(frames)
            sent.append(sent[-1] + count)
            while acknowledged < sent[max(0, len(sent) - 1 - UNACKNOWLEDGED)]:
                acknowledged += _checked(next(answers))
        while acknowledged < sent[-1]:
            acknowledged += _checked(next(answers))
        return acknowledged


def frame(subject: str, message: Message, reply: str) -> bytes:
    """The message as it is sent."""
    key, body = message
    return hpub(subject, body, key, reply) if key else pub(subject, body, reply)


def _writes(subject: str, inbox: str, messages: Iterable[Message]) -> Iterator[tuple[int, bytes]]:
    frames: list[bytes] = []
    size = 0
    for message in messages:
        frames.append(frame(subject, message, inbox))
        size += len(frames[-1])
        if len(frames) == AT_ONCE or size >= BYTES_AT_ONCE:
            yield len(frames), b"".join(frames)
            frames, size = [], 0
    if frames:
        yield len(frames), b"".join(frames)


def _checked(answers: list[bytes]) -> int:
    for answer in answers:
        if b'"error"' in answer:
            raise BenchmarkFailed(f"the stream refused a message: {answer.decode(errors='replace')[:200]}")
    return len(answers)
