"""Signals at a steady rate, and when the fill of each was published, whatever becomes of the servers meanwhile."""

from __future__ import annotations

import threading
import time
import uuid
from array import array
from collections import deque
from typing import Self

import orjson

from benchmarks.measurement import BenchmarkFailed
from benchmarks.path.bulk import Message, frame
from benchmarks.path.routes import OURS
from benchmarks.path.signals import signal
from benchmarks.path.wire import Wire
from benchmarks.rounds import DEADLINE_S

RETRY_S = 0.01
BROKEN = (OSError, BenchmarkFailed)


class Load:
    """Publishes signals until it is stopped, each until its stream has acknowledged it, with the same id.

    While NATS is away what is due waits, and goes as soon as it is back. A signal counts from when it was first sent.
    A plain subscriber sees the fills. All times are `time.perf_counter`'s.

    Args:
        url: of the NATS server.
        per_s: signals per second.
    """

    def __init__(self, url: str, per_s: float) -> None:
        self._url = url
        self._per_s = per_s
        self._waiting: dict[str, float] = {}
        self._unacknowledged: deque[Message] = deque()
        self._stopping = threading.Event()
        self._hearing = threading.Event()
        self._over = threading.Event()
        self._sender = threading.Thread(target=self._send, name="sender", daemon=True)
        self._listener = threading.Thread(target=self._listen, name="fills", daemon=True)
        self.count = 0
        """Signals sent so far."""
        self.sent, self.filled = array("d"), array("d")
        """Of each fill that was seen, when its signal was sent and when it came itself; in the order they came."""

    def __enter__(self) -> Self:
        self._listener.start()
        if not self._hearing.wait(DEADLINE_S):
            raise BenchmarkFailed(f"NATS did not answer within {DEADLINE_S:g} s")
        self._sender.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._over.set()

    def stop(self) -> int:
        """Send no more, and wait until all that was sent is acknowledged; returns how many signals that are.

        Raises:
            BenchmarkFailed: the stream does not acknowledge them.
        """
        self._stopping.set()
        self._sender.join(DEADLINE_S)
        if self._sender.is_alive():
            raise BenchmarkFailed(f"{len(self._unacknowledged)} signals were not acknowledged within {DEADLINE_S:g} s")
        return self.count

    def latencies_ms(self, since: float, until: float) -> list[float]:
        """Milliseconds from signal to fill, of the signals that were sent in that time."""
        pairs = zip(tuple(self.sent), tuple(self.filled), strict=False)
        return [(filled - sent) * 1e3 for sent, filled in pairs if since <= sent < until]

    def fills(self, since: float, until: float) -> int:
        """How many came in that time."""
        return sum(since <= at < until for at in tuple(self.filled))

    def first_fill(self, since: float) -> float | None:
        """When the first one after that time came."""
        return min((at for at in tuple(self.filled) if at >= since), default=None)

    # Sending

    def _send(self) -> None:
        self._began = time.perf_counter()
        while self._unacknowledged or not self._stopping.is_set():
            try:
                self._send_over_one_connection()
            except BROKEN:
                time.sleep(RETRY_S)

    def _send_over_one_connection(self) -> None:
        inbox, lost = f"_INBOX.{uuid.uuid4().hex}", threading.Event()
        with Wire(self._url) as answers, Wire(self._url) as publisher:
            answers.subscribe(inbox)
            counter = threading.Thread(target=self._acknowledge, args=(answers, lost), name="acks", daemon=True)
            again = tuple(self._unacknowledged)
            counter.start()
            try:
                for message in again:
                    publisher.send(frame(OURS.subject, message, inbox))
                while not lost.is_set() and (self._unacknowledged or not self._stopping.is_set()):
                    self._send_one(publisher, inbox)
            finally:
                answers.__exit__()
                counter.join()

    def _send_one(self, publisher: Wire, inbox: str) -> None:
        """The next one at its time; one that is late goes at once. When there is no more, wait a little."""
        early = self._began + self.count / self._per_s - time.perf_counter()
        if early > 0 or self._stopping.is_set():
            time.sleep(min(max(early, RETRY_S / 10), RETRY_S))
            return
        message = signal(self.count)
        self.count += 1
        self._unacknowledged.append(message)
        self._waiting[message[0]] = time.perf_counter()
        publisher.send(frame(OURS.subject, message, inbox))

    def _acknowledge(self, answers: Wire, lost: threading.Event) -> None:
        """A stream acknowledges the messages of one connection in their order."""
        try:
            for several in answers.messages():
                for answer in several:
                    if b'"error"' in answer:
                        return
                    self._unacknowledged.popleft()
        except BROKEN:
            pass
        finally:
            lost.set()

    # Hearing

    def _listen(self) -> None:
        while not self._over.is_set():
            try:
                with Wire(self._url) as wire:
                    wire.subscribe(f"{OURS.prefix}.orders.filled")
                    self._hearing.set()
                    for several in wire.messages():
                        self._note(several)
                        if self._over.is_set():
                            break
            except BROKEN:
                time.sleep(RETRY_S)

    def _note(self, fills: list[bytes]) -> None:
        """A fill that is published again, as its acknowledgement was lost, counts once."""
        now = time.perf_counter()
        for fill in fills:
            sent = self._waiting.pop(orjson.loads(fill)["correlation_id"], None)
            if sent is not None:
                self.sent.append(sent)
                self.filled.append(now)
