"""What lies in a mailbox, what became of an offer of it, and where its answer goes."""

from __future__ import annotations

import contextlib
import queue
from enum import Enum
from typing import Any

import pykka
from pykka._envelope import Envelope

from actors.messages import Reply


class Admission(Enum):
    """What became of a message offered to a mailbox."""

    ACCEPTED = "accepted"
    FULL = "full"
    CLOSED = "closed"

    def __bool__(self) -> bool:
        return self is Admission.ACCEPTED


class Answer(pykka.ThreadingFuture[Any]):
    """The future of an ask; completing it a second time, or after the asker left, is harmless."""

    def complete(self, value: Any) -> None:
        with contextlib.suppress(queue.Full):
            self.set(value)

    def fail(self, error: BaseException) -> None:
        with contextlib.suppress(queue.Full):
            self.set_exception((type(error), error, error.__traceback__))


class Letter(Envelope[Any]):
    """A pykka envelope with the time it was accepted, its deadline and the callers waiting for its reply.

    One with a `generation` is for that incarnation alone and vanishes with it, as a timer's message does.
    """

    __slots__ = ("accepted_at", "callers", "control", "deadline", "generation")

    reply_to: Reply | None  # type: ignore[assignment]  # pykka declares its own future

    def __init__(
        self,
        message: Any,
        reply_to: Reply | None = None,
        deadline: float | None = None,
        callers: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.reply_to = reply_to
        self.accepted_at = 0.0
        self.control = False
        self.deadline = deadline
        self.callers = callers
        self.generation: int | None = None
