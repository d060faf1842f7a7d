"""However a bounded mailbox is used, the room in it is what its capacity says, no letter more and none less."""

from __future__ import annotations

import contextlib
import threading
from collections import deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.runtime.letter import Letter
from actors.runtime.mailbox import Abandoned, Mailbox
from tests.runtime.kit import WAIT_S, race

CAPACITY = 40


def room(mailbox: Mailbox) -> int:
    """How many more letters the mailbox accepts; it is full then."""
    return mailbox.offer_all(Letter("room") for _ in range(10 * CAPACITY))


class Use(RuleBasedStateMachine):
    """One sender, one taker and one owner in turns."""

    def __init__(self) -> None:
        super().__init__()
        self.mailbox = Mailbox(CAPACITY)
        self.generation = 0
        self.loan: deque[Letter] = deque()
        self.waiting = 0
        self.pushed_back = 0

    @rule(count=st.integers(1, 30))
    def offer(self, count: int) -> None:
        for _ in range(count):
            if self.mailbox.offer(Letter("one")):
                self.waiting += 1

    @rule(count=st.integers(1, 60))
    def offer_several(self, count: int) -> None:
        self.waiting += self.mailbox.offer_all(Letter("several") for _ in range(count))

    @rule(limit=st.integers(1, 60))
    @precondition(lambda self: self.waiting and not self.loan)
    def take(self, limit: int) -> None:
        self.waiting -= len(self.mailbox.take(limit, self.generation, timeout_s=0))

    @rule(limit=st.integers(1, 60), handled=st.integers(0, 60), given_back=st.booleans())
    @precondition(lambda self: self.waiting and not self.loan)
    def borrow(self, limit: int, handled: int, given_back: bool) -> None:
        loan = self.mailbox.lend(limit, self.generation)
        for _ in range(min(handled, len(loan))):
            loan.popleft()
            self.waiting -= 1
        if given_back or loan:
            self.mailbox.give_back(self.generation)

    @rule(count=st.integers(1, 5))
    def push_back(self, count: int) -> None:
        self.mailbox.push_back([Letter("returned") for _ in range(count)], self.generation)
        self.waiting += count

    @rule(handled=st.integers(0, 3))
    @precondition(lambda self: self.waiting)
    def abandon_the_taker(self, handled: int) -> None:
        loan = self.mailbox.lend(64, self.generation)
        for _ in range(min(handled, len(loan))):
            loan.popleft()
            self.waiting -= 1
        self.generation += 1
        self.mailbox.hand_over(self.generation)

    @rule()
    def close_and_reopen(self) -> None:
        self.waiting -= len(self.mailbox.close())
        self.mailbox.reopen()
        assert self.waiting == 0

    @invariant()
    def depth_is_exact(self) -> None:
        assert self.mailbox.depth() == self.waiting

    def teardown(self) -> None:
        self.mailbox.give_back(self.generation)
        while self.mailbox.take(64, self.generation, timeout_s=0):
            pass
        assert room(self.mailbox) == CAPACITY


TestUse = Use.TestCase
TestUse.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


def test_a_letter_in_hand_takes_no_room_and_one_that_is_borrowed_does() -> None:
    mailbox = Mailbox(32)
    mailbox.offer_all(Letter(number) for number in range(32))
    loan = mailbox.lend(64, 0)
    assert len(loan) == 2

    assert room(mailbox) == 1
    loan.clear()
    mailbox.lend(1, 0)
    assert room(mailbox) == 2


class Crowd:
    """Senders, and takers each of whom is abandoned after a moment."""

    def __init__(self, mailbox: Mailbox, senders: int, each: int) -> None:
        self.mailbox, self.senders, self.each = mailbox, senders, each
        self.seen: list[object] = []
        self._done = threading.Event()

    def act(self, who: int) -> None:
        if who < self.senders:
            self._send(who)
        else:
            self._replace_takers()

    def _send(self, who: int) -> None:
        for number in range(self.each):
            while not self.mailbox.offer(Letter((who, number))):
                assert self.mailbox.depth() <= 500

    def _replace_takers(self) -> None:
        takers: list[threading.Thread] = []
        while len(self.seen) < self.senders * self.each:
            generation = len(takers) + 1
            self.mailbox.hand_over(generation)
            takers.append(threading.Thread(target=self._take, args=(generation,)))
            takers[-1].start()
            self._done.wait(0.002)
        self.mailbox.close()
        for taker in takers:
            taker.join(WAIT_S)
            assert not taker.is_alive()

    def _take(self, generation: int) -> None:
        with contextlib.suppress(Abandoned):
            while loan := self.mailbox.lend(128, generation):
                with contextlib.suppress(IndexError):
                    while True:
                        self.seen.append(loan.popleft().message)


def test_no_letter_is_lost_or_seen_twice_however_often_the_taker_is_abandoned() -> None:
    crowd = Crowd(Mailbox(500), senders=4, each=3000)

    race(5, crowd.act)

    assert len(crowd.seen) == len(set(crowd.seen)) == 12_000
