"""A mailbox with two lanes: control, served first and never refused, and the bounded user lane."""

from __future__ import annotations

import contextlib
import itertools
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from pykka._envelope import Envelope

from actors.errors import NotDelivered
from actors.runtime.clock import Clock, SystemClock
from actors.runtime.letter import Admission, FutureReply, Letter, Question, Urgent, wait_for

__all__ = ["Abandoned", "Letter", "Mailbox"]

FOREVER_S = -1.0
ACCEPTED, FULL, CLOSED = Admission.ACCEPTED, Admission.FULL, Admission.CLOSED
TOKENS_READY = 128
LENT_SHARE = 16
"""At most this part of a mailbox is lent at once, as the room it takes is free again only when the loan ends."""


class Abandoned(Exception):
    """The taker's generation no longer owns the mailbox."""


class Mailbox:
    """Thread-safe; any number of senders, one taker at a time.

    The mailbox outlives the incarnations of its actor: `hand_over` names the generation that owns it, and a
    taker of an older one gets `Abandoned`.

    A sender of the user lane takes no lock. It draws a token, of which there are as many as there is room, appends,
    and only then looks whether somebody has to be woken or the mailbox was closed: whoever waits or closes says so
    first and looks at the lane afterwards, so one of the two sees the other. Everybody else holds the lock. A taker
    with nothing to do waits at a second lock, of its generation, which is released once, by the first who has
    something for it: a busy taker costs its senders no wake-up.

    Args:
        capacity: messages the user lane holds at the most, those that the taker borrowed included; None: no bound.
        clock: source of monotonic seconds for ages.
    """

    def __init__(self, capacity: int | None = None, clock: Clock | None = None) -> None:
        self.capacity = capacity
        self._tokens: deque[None] = deque()
        self._unminted = capacity or 0
        self._draw: Callable[[], None] = self._tokens.pop if capacity is not None else itertools.repeat(None).__next__
        self._lendable = sys.maxsize if capacity is None else max(1, capacity // LENT_SHARE)
        self._overdrawn = 0
        self._now = (clock or SystemClock()).monotonic
        self._lock = threading.Lock()
        self._control: deque[Letter] = deque()
        self._user: deque[Letter] = deque()
        self._lent: deque[Letter] = deque()
        self._loan = 0
        self._peak = 0
        self._wake = _held()
        self._idle = False
        self._heed = False
        self._asked = False
        self.closed = False
        self.suspended = False
        self.generation = 0
        """The generation that owns the mailbox."""
        self.interrupts = False
        """Whether the user lane has to wait, for a control letter or as it is suspended; read between two handlers."""

    # Senders

    def offer(self, letter: Letter) -> Admission:
        """Put one letter on the user lane if there is room; never blocks."""
        try:
            self._draw()
        except IndexError:
            if not self._mint():
                return CLOSED if self.closed else FULL
        letter.accepted_at = self._now()
        self._user.append(letter)
        return self._look_after(letter) if self._heed else ACCEPTED

    def _mint(self) -> bool:
        """Draw a token when none lies ready: they are made as they are needed, as most mailboxes are nearly empty."""
        with self._lock:
            return self._drawn()

    def _drawn(self) -> bool:
        try:
            self._draw()
        except IndexError:
            minted = min(self._unminted, TOKENS_READY)
            self._unminted -= minted
            self._tokens.extend(itertools.repeat(None, minted - 1))
            return minted > 0
        return True

    def _look_after(self, letter: Letter) -> Admission:
        """Wake the taker, or withdraw a letter that came after the mailbox was closed."""
        with self._lock:
            if self.closed:
                with contextlib.suppress(ValueError):
                    self._user.remove(letter)
                    self._repay(1)
                    return CLOSED
            elif not self.suspended:
                self._rouse()
        return ACCEPTED

    def offer_all(self, letters: Iterable[Letter]) -> int:
        """Put letters on the user lane in order, with one wake-up; returns how many found room."""
        accepted = 0
        with self._lock:
            if self.closed:
                return 0
            now = self._now()
            for letter in letters:
                if not self._drawn():
                    break
                letter.accepted_at = now
                self._user.append(letter)
                accepted += 1
            if not self.suspended:
                self._rouse()
        return accepted

    def offer_control(self, letter: Letter) -> Admission:
        """Put one letter on the control lane, ahead of any backlog; refused only when closed."""
        with self._lock:
            if self.closed:
                return CLOSED
            self._urge(Urgent(letter, self._now()))
        return ACCEPTED

    def offer_to(self, generation: int, letter: Letter) -> bool:
        """As `offer_control`, but for that incarnation alone: refused, or dropped later, when it is gone."""
        with self._lock:
            if self.closed or generation != self.generation:
                return False
            self._urge(Urgent(letter, self._now(), generation))
        return True

    def _urge(self, letter: Urgent) -> None:
        self._control.append(letter)
        self.interrupts = True
        self._rouse()

    def _rouse(self) -> None:
        if self._idle:
            self._idle = False
            self._heed = self.closed
            self._wake.release()

    # The taker

    def take(self, limit: int, generation: int, timeout_s: float = FOREVER_S) -> list[Letter]:
        """Wait for letters and take them: every control letter, or else up to `limit` of the user lane.

        A negative timeout, the default, never passes. Returns none when it does or the mailbox is closed and empty.

        Raises:
            Abandoned: `generation` no longer owns the mailbox.
        """
        with self._lock:
            taken = self._take(limit, generation, timeout_s)
            self._repay(sum(not letter.control for letter in taken))
            return list(taken)

    def lend(self, limit: int, generation: int) -> deque[Letter]:
        """Take as `take` does, but on trust: whatever is not removed from the deque by the time of `give_back`,
        or when another generation gets the mailbox, goes back to the front of its lane.

        Raises:
            Abandoned: `generation` no longer owns the mailbox.
        """
        with self._lock:
            if self._loan or self._lent:
                self._check(generation)
                self._recall()
            lent = self._lent = self._take(min(limit, self._lendable), generation, FOREVER_S)
            if lent and not lent[0].control:
                self._loan = len(lent) - 1
                self._repay(1)
                self._asked = lent[0].reply_to is not None
            return lent

    def give_back(self, generation: int) -> None:
        """End the loan; nothing happens when it was called in already."""
        with self._lock:
            if generation == self.generation:
                self._recall()

    def push_back(self, letters: Iterable[Letter], generation: int | None = None) -> None:
        """Return letters that were taken and not handled to the front of their lanes, in order.

        Raises:
            Abandoned: `generation` is given and no longer owns the mailbox.
        """
        returned = deque(letters)
        with self._lock:
            self._check(generation)
            for letter in returned:
                letter.accepted_at = letter.accepted_at or self._now()
                if not letter.control:
                    self._overdraw()
            self._return(returned)

    def suspend(self, generation: int | None = None) -> None:
        """Serve only the control lane until `resume`.

        Raises:
            Abandoned: `generation` is given and no longer owns the mailbox.
        """
        with self._lock:
            self._check(generation)
            self.suspended = self.interrupts = True

    def resume(self, generation: int | None = None) -> None:
        """Serve the user lane again.

        Raises:
            Abandoned: `generation` is given and no longer owns the mailbox.
        """
        with self._lock:
            self._check(generation)
            self.suspended = False
            self.interrupts = bool(self._control)
            self._rouse()

    def _check(self, generation: int | None) -> None:
        if generation is not None and generation != self.generation:
            raise Abandoned

    def _take(self, limit: int, generation: int, timeout_s: float) -> deque[Letter]:
        user = self._user
        while True:
            if generation != self.generation:
                raise Abandoned
            if self._control:
                taken, self._control = self._control, deque()
                self.interrupts = self.suspended
                return taken
            if user and not self.suspended:
                waiting = len(user)
                self._peak = max(self._peak, waiting)
                if waiting == 1:
                    return deque((user.popleft(),))
                return deque([user.popleft() for _ in range(min(limit, waiting))])
            if self.closed or not self._wait(timeout_s):
                return deque()

    def _wait(self, timeout_s: float) -> bool:
        """Let go of the lock until somebody has something for this taker; False when the timeout passed before."""
        wake = self._wake
        self._idle = self._heed = True
        if self._user and not self.suspended:
            self._idle = self._heed = False
            return True
        self._lock.release()
        try:
            roused = wait_for(wake, timeout_s) if self._asked else wake.acquire(True, timeout_s)
        finally:
            self._lock.acquire()
        if roused or wake is not self._wake:
            return True
        if self._idle:
            self._idle, self._heed = False, self.closed
            return False
        return wake.acquire(blocking=False)

    def _recall(self) -> None:
        """Return what is left of the loan to its lane, and the tokens of the rest."""
        lent, self._lent = self._lent, deque()
        loan, self._loan = self._loan, 0
        self._repay(loan - self._return(lent))

    def _return(self, letters: deque[Letter]) -> int:
        """Empty the deque into the front of the lanes; its holder may be removing letters from it meanwhile.

        Returns how many went to the user lane.
        """
        returned = 0
        with contextlib.suppress(IndexError):
            while True:
                letter = letters.pop()
                returned += not letter.control
                (self._control if letter.control else self._user).appendleft(letter)
        self.interrupts = self.suspended or bool(self._control)
        self._rouse()
        return returned

    def _repay(self, tokens: int) -> None:
        """Return that many tokens; a negative number draws them, come what may."""
        if self.capacity is None:
            return
        if tokens == 1 and not self._overdrawn:
            self._tokens.append(None)
            return
        while tokens < 0:
            self._overdraw()
            tokens += 1
        settled = min(self._overdrawn, tokens)
        self._overdrawn -= settled
        self._unminted += tokens - settled
        with contextlib.suppress(IndexError):
            while len(self._tokens) > TOKENS_READY:
                self._tokens.pop()
                self._unminted += 1

    def _overdraw(self) -> None:
        """Draw a token for a letter that is not refused, come what may."""
        if self._unminted:
            self._unminted -= 1
            return
        try:
            self._draw()
        except IndexError:
            self._overdrawn += 1

    # The owner

    def hand_over(self, generation: int, owner: int | None = None) -> bool:
        """Give the mailbox to another generation, with what its predecessor did not get to; both lanes are served.

        With `owner`, only if that generation still owns it; returns whether it was given.
        """
        with self._lock:
            if owner is not None and owner != self.generation:
                return False
            self.generation = generation
            self.suspended = False
            self._recall()
            self._control = deque(one for one in self._control if one.generation in {None, generation})
            self.interrupts = bool(self._control)
            waiting, self._wake = self._wake, _held()
            self._idle, self._heed = False, self.closed
            if waiting.locked():
                waiting.release()
            return True

    def close(self) -> list[Letter]:
        """Refuse everything from now on and return what was left, control first."""
        with self._lock:
            self.closed = self._heed = True
            left = list(self._control)
            self._control.clear()
            with contextlib.suppress(IndexError):
                while True:
                    left.append(self._user.popleft())
                    self._repay(1)
            self.interrupts = self.suspended
            self._rouse()
        return left

    def reopen(self) -> None:
        """Accept messages again, for a child that was stopped and is started anew."""
        with self._lock:
            self.closed, self._heed = False, self._idle

    # Anybody

    @property
    def high_water(self) -> int:
        """The most letters that ever waited in the user lane."""
        return max(self._peak, len(self._user))

    def depth(self) -> int:
        """Letters waiting in both lanes, those that the taker borrowed and does not have in hand included."""
        return sum(self.lanes())

    def lanes(self) -> tuple[int, int, int]:
        """Letters waiting in the control lane, in the user lane, and borrowed by the taker."""
        with self._lock:
            lent = len(self._lent)
            in_hand = lent > 0 and lent == self._loan + 1
            return len(self._control), len(self._user), lent - in_hand

    def oldest_age_s(self) -> float:
        """How long the oldest letter has waited; 0 when there is none."""
        with self._lock:
            first = [lane[0].accepted_at for lane in (self._control, self._user) if lane]
            with contextlib.suppress(IndexError):
                first.append(self._lent[0].accepted_at)
            return self._now() - min(first) if first else 0.0

    # pykka's inbox protocol, for references to a supervised actor

    def put(self, envelope: Envelope[Any], /) -> None:
        """Accept an envelope from a pykka reference.

        Raises:
            NotDelivered: the mailbox is full or closed.
        """
        future = envelope.reply_to
        letter = Letter(envelope.message) if future is None else Question(envelope.message, FutureReply(future))
        admission = self.offer(letter)
        if not admission:
            raise NotDelivered(f"mailbox {admission.value}")

    def get(self) -> Letter:
        return self.take(1, self.generation)[0]

    def empty(self) -> bool:
        return self.depth() == 0


def _held() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock
