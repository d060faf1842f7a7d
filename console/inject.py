"""`inject`: JSON to JetStream, each message with its id as `Nats-Msg-Id`, so that a repetition is dropped there."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from actors.gateway.injection import Ack, InjectionError, publish
from console.envelope import outbound, templates
from console.failure import UNAVAILABLE, USAGE, Failure
from console.nats_servers import nats_servers
from console.output import screen
from settings import Settings

SHOWN = 20


def run(settings: Settings, subject: str, file: Path | None, *, count: int, rate: float | None) -> int:
    """Publish the file, or standard input, `count` times; prints acknowledgements and a summary."""
    check_subject(subject)
    given = templates(_read(file), str(file or "standard input"))
    total = len(given) * count
    tally = _Tally(shows_each=total <= SHOWN)
    servers = nats_servers(settings)
    started = time.monotonic()
    try:
        published = publish(settings.nats, servers, outbound(given, subject, count), rate=rate, on_ack=tally.add)
    except InjectionError as error:
        raise Failure(str(error), UNAVAILABLE) from None
    tally.print_summary(published, time.monotonic() - started)
    return 0


def check_subject(subject: str) -> None:
    """Refuse what is no subject to publish to, before anything is sent.

    Raises:
        Failure: it is empty, has empty tokens, spaces or wildcards.
    """
    tokens = subject.split(".")
    if not subject.isascii() or not subject.isprintable() or not all(tokens) or {"*", ">", " "} & set(subject):
        raise Failure(f"{subject!r} is not a subject; write one like paper.signals.validated", USAGE)


def _read(file: Path | None) -> bytes:
    if file is None:
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise Failure(f"{file}: {error.strerror}; give a file of JSON, or none for standard input", USAGE) from None


class _Tally:
    """Prints acknowledgements as they come, as long as they are few, and counts them."""

    def __init__(self, *, shows_each: bool) -> None:
        self._shows_each = shows_each
        self._console = screen()
        self._duplicates = 0

    def add(self, ack: Ack) -> None:
        self._duplicates += ack.duplicate
        if self._shows_each:
            again = "  duplicate" if ack.duplicate else ""
            self._console.print(f"{ack.message_id}  {ack.stream}  seq {ack.seq}{again}", markup=False, soft_wrap=True)

    def print_summary(self, count: int, seconds: float) -> None:
        duplicates = f", {self._duplicates} duplicate" if self._duplicates else ""
        self._console.print(f"{count} published{duplicates} in {seconds:.2f} s ({count / max(seconds, 1e-9):,.0f}/s)")
