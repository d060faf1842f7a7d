"""A mailbox with two lanes: control, served first and never refused, and the bounded user lane."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Iterable
from enum import Enum
from typing import Any, cast

import pykka
from pykka._envelope import Envelope

from actors.messages import Reply
from actors.runtime.clock import Clock, SystemClock


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
    """A pykka envelope with the time it was accepted, its deadline and the callers waiting for its reply."""

    __slots__ = ("accepted_at", "callers", "control", "deadline")

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


class Abandoned(Exception):
    """The taker's generation no longer owns the mailbox."""


class Mailbox:
    """Thread-safe; any number of senders, one taker at a time.

    The mailbox outlives the incarnations of its actor: `hand_over` names the generation that may take from it, and a
    taker of an older one gets `Abandoned`. With `capacity` None the user lane is unbounded, as pykka's is.

    Args:
        capacity: messages the user lane holds at the most.
        clock: source of monotonic seconds for ages.
    """

    def __init__(self, capacity: int | None = None, clock: Clock | None = None) -> None:
        self._capacity = capacity
        self._clock = clock or SystemClock()
        self._condition = threading.Condition(threading.Lock())
        self._control: deque[Letter] = deque()
        self._user: deque[Letter] = deque()
        self._idle = False
        self._closed = False
        self._suspended = False
        self._generation = 0
        self.high_water = 0

    # Senders

    def offer(self, letter: Letter) -> Admission:
        """Put one letter on the user lane if there is room; never blocks."""
        with self._condition:
            if self._closed:
                return Admission.CLOSED
            if self._capacity is not None and len(self._user) >= self._capacity:
                return Admission.FULL
            letter.accepted_at = self._clock.monotonic()
            self._user.append(letter)
            self._rise()
        return Admission.ACCEPTED

    def offer_all(self, letters: Iterable[Letter]) -> int:
        """Put letters on the user lane in order, with one wake-up; returns how many found room."""
        accepted = 0
        with self._condition:
            if self._closed:
                return 0
            now = self._clock.monotonic()
            for letter in letters:
                if self._capacity is not None and len(self._user) >= self._capacity:
                    break
                letter.accepted_at = now
                self._user.append(letter)
                accepted += 1
            if accepted:
                self._rise()
        return accepted

    def offer_control(self, letter: Letter) -> Admission:
        """Put one letter on the control lane, ahead of any backlog; refused only when closed."""
        with self._condition:
            if self._closed:
                return Admission.CLOSED
            self._urge(letter)
        return Admission.ACCEPTED

    def offer_timer(self, letter: Letter, generation: int) -> bool:
        """As `offer_control`, but only while `generation` owns the mailbox."""
        with self._condition:
            if self._closed or generation != self._generation:
                return False
            self._urge(letter)
        return True

    def _urge(self, letter: Letter) -> None:
        letter.accepted_at = self._clock.monotonic()
        letter.control = True
        self._control.append(letter)
        if self._idle:
            self._condition.notify()

    def _rise(self) -> None:
        depth = len(self._user)
        if depth > self.high_water:
            self.high_water = depth
        if self._idle and not self._suspended:
            self._condition.notify()

    # The taker

    def take(self, limit: int, generation: int, timeout_s: float | None = None) -> list[Letter]:
        """Wait for letters and take them: every control letter, or else up to `limit` of the user lane.

        Returns an empty list when the timeout passes or the mailbox is closed and empty.

        Raises:
            Abandoned: `generation` no longer owns the mailbox.
        """
        with self._condition:
            while True:
                if generation != self._generation:
                    raise Abandoned
                if self._control:
                    taken = list(self._control)
                    self._control.clear()
                    return taken
                if self._user and not self._suspended:
                    user = self._user
                    return [user.popleft() for _ in range(min(limit, len(user)))]
                if self._closed:
                    return []
                self._idle = True
                try:
                    if not self._condition.wait(timeout_s):
                        return []
                finally:
                    self._idle = False

    def push_back(self, letters: Iterable[Letter]) -> None:
        """Return letters that were taken and not handled to the front of their lanes, in order."""
        with self._condition:
            for letter in reversed(list(letters)):
                (self._control if letter.control else self._user).appendleft(letter)
            self._rise()

    def suspend(self) -> None:
        """Serve only the control lane until `resume`."""
        with self._condition:
            self._suspended = True

    def resume(self) -> None:
        """Serve the user lane again."""
        with self._condition:
            self._suspended = False
            self._condition.notify()

    # The owner

    def hand_over(self, generation: int) -> None:
        """Give the mailbox to another generation; it starts with both lanes served."""
        with self._condition:
            self._generation = generation
            self._suspended = False
            self._condition.notify_all()

    def close(self) -> list[Letter]:
        """Refuse everything from now on and return what was left, control first."""
        with self._condition:
            self._closed = True
            left = [*self._control, *self._user]
            self._control.clear()
            self._user.clear()
            self._condition.notify_all()
        return left

    def reopen(self) -> None:
        """Accept messages again, for a child that was stopped and is started anew."""
        with self._condition:
            self._closed = False

    # Anybody

    @property
    def capacity(self) -> int | None:
        return self._capacity

    @property
    def suspended(self) -> bool:
        return self._suspended

    @property
    def control_waiting(self) -> bool:
        """Whether a control letter waits; read without the lock, between two handlers."""
        return bool(self._control)

    def depth(self) -> int:
        """Letters waiting in both lanes."""
        return len(self._control) + len(self._user)

    def oldest_age_s(self) -> float:
        """How long the oldest user letter has waited; 0 when there is none."""
        with self._condition:
            return self._clock.monotonic() - self._user[0].accepted_at if self._user else 0.0

    # pykka's inbox protocol, for an unsupervised actor

    def put(self, envelope: Envelope[Any], /) -> None:
        if isinstance(envelope, Letter):
            self.offer(envelope)
        else:
            self.offer(Letter(envelope.message, cast("Reply | None", envelope.reply_to)))

    def get(self) -> Envelope[Any]:
        return self.take(1, self._generation)[0]

    def empty(self) -> bool:
        return self.depth() == 0
