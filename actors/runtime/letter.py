"""What lies in a mailbox, what became of an offer of it, and where its answer goes."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from enum import Enum
from typing import Any

import pykka

from actors.errors import AskTimeout
from actors.messages import Reply

_lock = threading.Lock
LONGEST_S = threading.TIMEOUT_MAX


YIELDS = 20


def wait_for(lock: threading.Lock, timeout_s: float) -> bool:
    """Acquire a lock that is likely to be free in a moment; False when the timeout passed before, if it is positive.

    To sleep and be woken takes several times as long as most handlers, so the thread first gives way a few times.
    """
    for _ in range(YIELDS):
        if lock.acquire(False):
            return True
        os.sched_yield()
    return lock.acquire(True, min(LONGEST_S, timeout_s))


class Admission(Enum):
    """What became of a message offered to a mailbox."""

    ACCEPTED = "accepted"
    FULL = "full"
    CLOSED = "closed"

    def __bool__(self) -> bool:
        return self is Admission.ACCEPTED


class Letter:
    """A message on its way, with the time it was accepted.

    It has the two attributes of pykka's envelope. Those that a plain message does not need are constants of the class,
    as a letter is made for every one that is told.
    """

    __slots__ = ("accepted_at", "message")

    reply_to: Reply | None = None
    deadline: float | None = None
    """Monotonic seconds after which nobody wants it handled."""
    callers: tuple[str, ...] = ()
    """The actors that wait for it, outermost first."""
    generation: int | None = None
    """The only incarnation it is for: it vanishes with it, as a timer's message does."""
    control = False

    accepted_at: float

    def __init__(self, message: Any) -> None:
        self.message = message
        self.accepted_at = 0.0


class Question(Letter):
    """A letter that somebody wants answered."""

    __slots__ = ("callers", "deadline", "reply_to")

    def __init__(
        self, message: Any, reply_to: Reply | None, deadline: float | None = None, callers: tuple[str, ...] = ()
    ) -> None:
        self.message = message
        self.accepted_at = 0.0
        self.reply_to = reply_to
        self.deadline = deadline
        self.callers = callers


class Urgent(Question):
    """A letter on the control lane."""

    __slots__ = ("generation",)

    control = True

    def __init__(self, letter: Letter, accepted_at: float, generation: int | None = None) -> None:
        super().__init__(letter.message, letter.reply_to, letter.deadline, letter.callers)
        self.accepted_at = accepted_at
        self.generation = generation


class Answer:
    """The future of an ask: settled once, by whoever comes first; doing so again, or after the asker left, is harmless.

    A lock that is held until then is all it takes: a third of the cost of a condition.
    """

    __slots__ = ("_outcomes", "_pending")

    def __init__(self) -> None:
        self._outcomes: list[tuple[Any, BaseException | None]] = []
        self._pending = pending = _lock()
        pending.acquire()

    def complete(self, value: Any) -> None:
        """Answer with the value."""
        self._settle((value, None))

    def fail(self, error: BaseException) -> None:
        """Have the asker raise the error."""
        self._settle((None, error))

    def get(self, timeout_s: float) -> Any:
        """Wait for the answer.

        Raises:
            AskTimeout: none came within `timeout_s`.
            BaseException: the error it was failed with.
        """
        if not wait_for(self._pending, max(0.0, timeout_s)):
            raise AskTimeout("no answer")
        self._pending.release()
        value, error = self._outcomes[0]
        if error is not None:
            raise error
        return value

    @property
    def settled(self) -> bool:
        """Whether there is an answer."""
        return bool(self._outcomes)

    def _settle(self, outcome: tuple[Any, BaseException | None]) -> None:
        self._outcomes.append(outcome)
        if self._outcomes[0] is outcome:
            self._pending.release()


class FutureReply:
    """A pykka future as the reply of a letter that came through a pykka reference."""

    def __init__(self, future: pykka.Future[Any]) -> None:
        self._future = future

    def complete(self, value: Any) -> None:
        with contextlib.suppress(queue.Full):
            self._future.set(value)

    def fail(self, error: BaseException) -> None:
        with contextlib.suppress(queue.Full):
            self._future.set_exception((type(error), error, error.__traceback__))
