"""A mailbox with two lanes: control, served first and never refused, and the bounded user lane."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterable
from typing import Any, cast

from pykka._envelope import Envelope

from actors.errors import NotDelivered
from actors.messages import Reply
from actors.runtime.clock import Clock, SystemClock
from actors.runtime.letter import Admission, Letter

__all__ = ["Abandoned", "Letter", "Mailbox"]


class Abandoned(Exception):
    """The taker's generation no longer owns the mailbox."""


class Mailbox:
    """Thread-safe; any number of senders, one taker at a time.

    The mailbox outlives the incarnations of its actor: `hand_over` names the generation that owns it, and a
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
        self._lent: deque[Letter] = deque()
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
            self._rise()
        return accepted

    def offer_control(self, letter: Letter) -> Admission:
        """Put one letter on the control lane, ahead of any backlog; refused only when closed."""
        with self._condition:
            if self._closed:
                return Admission.CLOSED
            self._urge(letter)
        return Admission.ACCEPTED

    def offer_to(self, generation: int, letter: Letter) -> bool:
        """As `offer_control`, but for that incarnation alone: refused, or dropped later, when it is gone."""
        with self._condition:
            if self._closed or generation != self._generation:
                return False
            letter.generation = generation
            self._urge(letter)
        return True

    def _urge(self, letter: Letter) -> None:
        letter.accepted_at = self._clock.monotonic()
        letter.control = True
        self._control.append(letter)
        if self._idle:
            self._condition.notify()

    def _rise(self) -> None:
        self.high_water = max(self.high_water, len(self._user))
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
            return self._take(limit, generation, timeout_s)

    def lend(self, limit: int, generation: int) -> deque[Letter]:
        """Take as `take` does, but on trust: whatever is not removed from the deque by the time of `give_back`,
        or when another generation gets the mailbox, goes back to the front of its lane.

        Raises:
            Abandoned: `generation` no longer owns the mailbox.
        """
        with self._condition:
            self._lent = deque(self._take(limit, generation, None))
            return self._lent

    def give_back(self, generation: int) -> None:
        """End the loan; nothing happens when it was called in already."""
        with self._condition:
            if generation == self._generation:
                self._recall()

    def push_back(self, letters: Iterable[Letter], generation: int | None = None) -> None:
        """Return letters that were taken and not handled to the front of their lanes, in order.

        Raises:
            Abandoned: `generation` is given and no longer owns the mailbox.
        """
        returned = deque(letters)
        with self._condition:
            self._check(generation)
            for letter in returned:
                letter.accepted_at = letter.accepted_at or self._clock.monotonic()
            self._return(returned)

    def suspend(self, generation: int | None = None) -> None:
        """Serve only the control lane until `resume`.

        Raises:
            Abandoned: `generation` is given and no longer owns the mailbox.
        """
        with self._condition:
            self._check(generation)
            self._suspended = True

    def resume(self, generation: int | None = None) -> None:
        """Serve the user lane again.

        Raises:
            Abandoned: `generation` is given and no longer owns the mailbox.
        """
        with self._condition:
            self._check(generation)
            self._suspended = False
            self._condition.notify()

    def _check(self, generation: int | None) -> None:
        if generation is not None and generation != self._generation:
            raise Abandoned

    def _take(self, limit: int, generation: int, timeout_s: float | None) -> list[Letter]:
        while True:
            self._check(generation)
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
                if generation == self._generation:
                    self._idle = False

    def _recall(self) -> None:
        lent, self._lent = self._lent, deque()
        self._return(lent)

    def _return(self, letters: deque[Letter]) -> None:
        """Empty the deque into the front of the lanes; its holder may be removing letters from it meanwhile."""
        with contextlib.suppress(IndexError):
            while True:
                letter = letters.pop()
                (self._control if letter.control else self._user).appendleft(letter)
        self._condition.notify()

    # The owner

    def hand_over(self, generation: int) -> None:
        """Give the mailbox to another generation, with what its predecessor did not get to; both lanes are served."""
        with self._condition:
            self._generation = generation
            self._suspended = False
            self._recall()
            self._control = deque(one for one in self._control if one.generation in {None, generation})
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
    def generation(self) -> int:
        """The generation that owns the mailbox."""
        return self._generation

    @property
    def capacity(self) -> int | None:
        return self._capacity

    @property
    def closed(self) -> bool:
        return self._closed

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
        """Accept an envelope from a pykka reference.

        Raises:
            NotDelivered: the mailbox of a supervised actor is full or closed.
        """
        letter = envelope
        if not isinstance(letter, Letter):
            letter = Letter(envelope.message, cast("Reply | None", envelope.reply_to))
        admission = self.offer(letter)
        if not admission:
            raise NotDelivered(f"mailbox {admission.value}")

    def get(self) -> Envelope[Any]:
        return self.take(1, self._generation)[0]

    def empty(self) -> bool:
        return self.depth() == 0
