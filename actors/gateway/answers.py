"""What became of signals that were sent: filled, failed or given up, and how long it took."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of a number of signals: the seconds from each one's sending to its fill's publication, shortest first; how many
    orders failed and how many signals became dead letters; how many had no answer; and the seconds from the first
    sending to the last answer, and to the end of the wait.
    """

    latencies_s: tuple[float, ...]
    failed: int
    given_up: int
    missing: int
    seconds: float
    waited_s: float

    def percentile_s(self, percent: float) -> float:
        """The latency that so many per cent of the filled signals do not exceed (nearest rank)."""
        rank = -int(-len(self.latencies_s) * percent // 100)
        return self.latencies_s[max(1, rank) - 1]


class Answers:
    """Listens to a broker's fills and failures and to dead letters; in the loop of the connection.

    Args:
        client: the connection.
        on_answer: called at each first answer to a signal.
    """

    def __init__(self, client: Client, on_answer: Callable[[], None]) -> None:
        self._client = client
        self._on_answer = on_answer
        self._clock = asyncio.get_running_loop().time
        self._waiting: dict[str, float] = {}
        self._latencies_s: list[float] = []
        self._failed = 0
        self._given_up = 0
        self._began: float | None = None
        self._heard = self._clock()
        self._empty = asyncio.Event()

    async def listen(self, filled: str, failed: str, given_up: str) -> None:
        """Subscribe to these subjects; to be awaited before the first signal is sent.

        Raises:
            nats.errors.Error, TimeoutError: NATS does not answer.
        """
        for subject, hear in ((filled, self._on_fill), (failed, self._on_failure), (given_up, self._on_dead_letter)):
            await self._client.subscribe(subject, cb=hear, pending_msgs_limit=-1, pending_bytes_limit=-1)
        await self._client.flush()

    def expect(self, signal_id: str) -> None:
        """A signal is sent now."""
        now = self._clock()
        self._began = now if self._began is None else self._began
        self._waiting[signal_id] = now
        self._empty.clear()

    def forget(self, signal_id: str) -> None:
        """The stream had the signal before, so it may have been answered before."""
        self._waiting.pop(signal_id, None)
        self._note()

    async def outcome(self, patience_s: float) -> Outcome:
        """Wait until every signal is answered, or no answer has come for so many seconds."""
        self._heard = self._clock()
        while self._waiting and (left_s := self._heard + patience_s - self._clock()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), left_s)
        began = self._clock() if self._began is None else self._began
        latencies_s = tuple(sorted(self._latencies_s))
        return Outcome(
            latencies_s,
            self._failed,
            self._given_up,
            len(self._waiting),
            max(0.0, self._heard - began),
            self._clock() - began,
        )

    async def _on_fill(self, message: Msg) -> None:
        sent = self._answered(orjson.loads(message.data)["causation_id"])
        if sent is not None:
            self._latencies_s.append(self._heard - sent)

    async def _on_failure(self, message: Msg) -> None:
        self._failed += self._answered(orjson.loads(message.data)["causation_id"]) is not None

    async def _on_dead_letter(self, message: Msg) -> None:
        original = orjson.loads(message.data)["data"]["original_message"]
        self._given_up += self._answered(original["key"]) is not None

    def _answered(self, signal_id: Any) -> float | None:
        """When the signal was sent, at the first answer to it; None for later ones and for those of others."""
        sent = self._waiting.pop(signal_id, None)
        if sent is not None:
            self._note()
            self._on_answer()
        return sent

    def _note(self) -> None:
        self._heard = self._clock()
        if not self._waiting:
            self._empty.set()
