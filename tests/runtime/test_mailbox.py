"""Two lanes, a hard bound, and nothing lost or out of order."""

from __future__ import annotations

import threading
from collections import deque

import pytest
from pykka._envelope import Envelope

from actors.errors import NotDelivered
from actors.runtime.letter import Admission, Letter
from actors.runtime.mailbox import Abandoned, Mailbox
from tests.runtime.kit import WAIT_S, ManualClock, Probe, race


def messages(letters: list[Letter] | deque[Letter]) -> list[object]:
    return [letter.message for letter in letters]


def filled(*values: object, capacity: int | None = None) -> Mailbox:
    mailbox = Mailbox(capacity)
    for value in values:
        assert mailbox.offer(Letter(value))
    return mailbox


class Taker:
    """A thread that takes from a mailbox until it is closed or has another owner."""

    def __init__(self) -> None:
        self.taken = Probe()
        self.abandoned = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, mailbox: Mailbox, generation: int = 0) -> None:
        self._thread = threading.Thread(target=self._run, args=(mailbox, generation))
        self._thread.start()

    def _run(self, mailbox: Mailbox, generation: int) -> None:
        try:
            while letters := mailbox.take(64, generation):
                for letter in letters:
                    self.taken.put(letter.message)
        except Abandoned:
            self.abandoned.set()

    def join(self) -> None:
        assert self._thread is not None
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()


class TestLanes:
    def test_control_is_served_ahead_of_a_backlog_of_100_000(self) -> None:
        mailbox = Mailbox()
        assert mailbox.offer_all([Letter(number) for number in range(100_000)]) == 100_000

        mailbox.offer_control(Letter("stop"))

        assert messages(mailbox.take(64, 0)) == ["stop"]
        assert messages(mailbox.take(3, 0)) == [0, 1, 2]

    def test_each_lane_is_first_in_first_out(self) -> None:
        mailbox = filled("a", "b")
        mailbox.offer_control(Letter("first"))
        mailbox.offer_control(Letter("second"))

        assert messages(mailbox.take(1, 0)) == ["first", "second"]
        assert messages(mailbox.take(64, 0)) == ["a", "b"]

    def test_a_waiting_taker_is_woken_by_either_lane(self) -> None:
        mailbox, taker = Mailbox(), Taker()
        taker.begin(mailbox)

        for _ in range(50):
            mailbox.offer(Letter("user"))
            taker.taken.expect_all("user")
            mailbox.offer_control(Letter("control"))
            taker.taken.expect_all("control")

        mailbox.close()
        taker.join()

    def test_a_take_that_waits_in_vain_returns_nothing(self) -> None:
        assert Mailbox().take(64, 0, timeout_s=0.0) == []


class TestBound:
    def test_the_user_lane_refuses_what_is_above_its_capacity(self) -> None:
        mailbox = filled(1, 2, capacity=2)

        assert mailbox.offer(Letter(3)) is Admission.FULL
        assert not Admission.FULL
        assert mailbox.depth() == 2

    def test_control_is_never_refused_for_lack_of_room(self) -> None:
        mailbox = filled(1, capacity=1)

        assert mailbox.offer_control(Letter("stop"))

    def test_several_are_accepted_as_far_as_there_is_room(self) -> None:
        mailbox = filled(1, capacity=3)

        assert mailbox.offer_all([Letter(number) for number in (2, 3, 4, 5)]) == 2
        assert messages(mailbox.take(64, 0)) == [1, 2, 3]

    def test_the_bound_holds_against_eight_senders_at_once(self) -> None:
        mailbox = Mailbox(capacity=1000)

        accepted = race(8, lambda sender: sum(bool(mailbox.offer(Letter(sender))) for _ in range(500)))

        assert sum(accepted) == mailbox.depth() == mailbox.high_water == 1000

    def test_the_high_water_mark_stays(self) -> None:
        mailbox = filled(1, 2, 3)

        mailbox.take(64, 0)

        assert mailbox.high_water == 3


class TestClosing:
    def test_a_closed_mailbox_refuses_everything_and_hands_back_what_was_left(self) -> None:
        mailbox = filled("a", "b")
        mailbox.offer_control(Letter("control"))

        left = mailbox.close()

        assert messages(left) == ["control", "a", "b"]
        assert mailbox.offer(Letter("late")) is Admission.CLOSED
        assert mailbox.offer_control(Letter("late")) is Admission.CLOSED
        assert mailbox.offer_all([Letter("late")]) == 0
        assert not mailbox.offer_to(0, Letter("late"))
        assert mailbox.take(64, 0) == []

    def test_a_reopened_one_accepts_again(self) -> None:
        mailbox = Mailbox()
        mailbox.close()

        mailbox.reopen()

        assert mailbox.offer(Letter(1))

    def test_a_waiting_taker_returns_when_it_is_closed(self) -> None:
        mailbox, taker = Mailbox(), Taker()
        taker.begin(mailbox)

        mailbox.close()

        taker.join()
        assert not taker.abandoned.is_set()

    def test_every_offer_that_races_with_the_close_is_refused_or_handed_back(self) -> None:
        for _ in range(300):
            mailbox = Mailbox()

            def act(who: int, mailbox: Mailbox = mailbox) -> int:
                return len(mailbox.close()) if who == 0 else sum(bool(mailbox.offer(Letter(who))) for _ in range(5))

            left, *accepted = race(3, act)
            assert left == sum(accepted)


class TestOrder:
    def test_what_is_pushed_back_comes_first_in_its_lane_and_in_order(self) -> None:
        mailbox = filled(1, 2, 3)
        mailbox.offer_control(Letter("x"))
        mailbox.offer_control(Letter("y"))
        control, user = mailbox.take(64, 0), mailbox.take(2, 0)

        mailbox.push_back([*control[1:], *user])

        assert messages(mailbox.take(64, 0)) == ["y"]
        assert messages(mailbox.take(64, 0)) == [1, 2, 3]

    def test_a_pushed_back_letter_that_was_never_offered_has_an_age_from_now(self) -> None:
        clock = ManualClock()
        mailbox = Mailbox(clock=clock)

        mailbox.push_back([Letter("fresh")])
        clock.advance(2)

        assert mailbox.oldest_age_s() == 2.0

    def test_eight_senders_lose_nothing_and_keep_each_their_order(self) -> None:
        mailbox = Mailbox()
        taken: list[tuple[int, int]] = []
        done = threading.Event()

        def serve() -> None:
            while len(taken) < 8000:
                taken.extend(letter.message for letter in mailbox.take(64, 0))
            done.set()

        thread = threading.Thread(target=serve)
        thread.start()
        race(8, lambda sender: [mailbox.offer(Letter((sender, number))) for number in range(1000)])

        assert done.wait(WAIT_S)
        thread.join(WAIT_S)
        for sender in range(8):
            assert [number for one, number in taken if one == sender] == list(range(1000))


class TestSuspension:
    def test_a_suspended_mailbox_serves_only_control(self) -> None:
        mailbox = filled("user")
        mailbox.suspend()

        assert mailbox.take(64, 0, timeout_s=0) == []
        mailbox.offer_control(Letter("control"))
        assert messages(mailbox.take(64, 0)) == ["control"]

    def test_what_came_meanwhile_is_served_after_it_in_order(self) -> None:
        mailbox, taker = filled("before"), Taker()
        mailbox.suspend()
        taker.begin(mailbox)
        mailbox.offer(Letter("during"))

        mailbox.resume()
        mailbox.offer(Letter("after"))

        taker.taken.expect_all("before", "during", "after")
        mailbox.close()
        taker.join()

    def test_it_still_accepts_up_to_its_bound(self) -> None:
        mailbox = Mailbox(capacity=1)
        mailbox.suspend()

        assert mailbox.offer(Letter(1))
        assert mailbox.offer(Letter(2)) is Admission.FULL


class TestGenerations:
    def test_an_older_taker_is_abandoned(self) -> None:
        mailbox = filled(1)

        mailbox.hand_over(1)

        with pytest.raises(Abandoned):
            mailbox.take(64, 0)
        assert messages(mailbox.take(64, 1)) == [1]

    def test_an_older_taker_that_waits_is_woken(self) -> None:
        mailbox, taker = Mailbox(), Taker()
        taker.begin(mailbox)

        mailbox.hand_over(1)

        assert taker.abandoned.wait(WAIT_S)
        taker.join()

    def test_a_new_taker_is_woken_though_its_predecessor_leaves_after_it_came(self) -> None:
        for _ in range(100):
            mailbox, old, new = Mailbox(), Taker(), Taker()
            old.begin(mailbox, 0)
            mailbox.hand_over(1)
            new.begin(mailbox, 1)
            old.join()

            mailbox.offer(Letter("for the new one"))

            new.taken.expect_all("for the new one")
            mailbox.close()
            new.join()

    def test_the_successor_starts_with_both_lanes_served(self) -> None:
        mailbox = filled(1)
        mailbox.suspend()

        mailbox.hand_over(1)

        assert messages(mailbox.take(64, 1)) == [1]

    @pytest.mark.parametrize("act", ["suspend", "resume"])
    def test_an_older_generation_cannot_stop_or_resume_its_successor(self, act: str) -> None:
        mailbox = Mailbox()
        mailbox.hand_over(2)
        if act == "resume":
            mailbox.suspend(2)

        with pytest.raises(Abandoned):
            getattr(mailbox, act)(1)

        assert mailbox.suspended is (act == "resume")

    def test_an_older_generation_cannot_push_back(self) -> None:
        mailbox = Mailbox()
        mailbox.hand_over(2)

        with pytest.raises(Abandoned):
            mailbox.push_back([Letter("late")], 1)

        assert mailbox.depth() == 0

    def test_a_letter_for_one_generation_is_refused_once_another_owns_the_mailbox(self) -> None:
        mailbox = Mailbox()
        mailbox.hand_over(2)

        assert not mailbox.offer_to(1, Letter("timer"))
        assert mailbox.offer_to(2, Letter("timer"))

    def test_a_letter_for_one_generation_is_not_inherited(self) -> None:
        mailbox = Mailbox()
        mailbox.hand_over(1)
        mailbox.offer_to(1, Letter("timer of the first"))
        mailbox.offer_control(Letter("for whoever serves"))

        mailbox.hand_over(2)

        assert messages(mailbox.take(64, 2)) == ["for whoever serves"]


class TestLoans:
    def test_what_is_left_of_a_loan_goes_back_in_order(self) -> None:
        mailbox = filled(1, 2, 3, 4)
        loan = mailbox.lend(3, 0)
        loan.popleft()

        mailbox.give_back(0)

        assert messages(mailbox.take(64, 0)) == [2, 3, 4]

    def test_a_loan_is_called_in_when_the_mailbox_changes_hands(self) -> None:
        mailbox = filled(1, 2, 3, 4)
        loan = mailbox.lend(3, 0)
        loan.popleft()

        mailbox.hand_over(1)
        mailbox.give_back(0)

        assert not loan
        assert messages(mailbox.take(64, 1)) == [2, 3, 4]

    def test_an_older_borrower_does_not_call_in_its_successors_loan(self) -> None:
        mailbox = filled(1, 2)
        mailbox.lend(1, 0)
        mailbox.hand_over(1)
        loan = mailbox.lend(1, 1)

        mailbox.give_back(0)

        assert messages(loan) == [1]

    def test_a_returned_loan_is_not_returned_twice(self) -> None:
        mailbox = filled(1, 2)
        mailbox.lend(2, 0)

        mailbox.give_back(0)
        mailbox.hand_over(1)

        assert messages(mailbox.take(64, 1)) == [1, 2]

    def test_a_borrower_that_goes_on_taking_shares_each_letter_with_nobody(self) -> None:
        for _ in range(200):
            mailbox = filled(*range(64))
            loan = mailbox.lend(64, 0)

            def act(who: int, mailbox: Mailbox = mailbox, loan: deque[Letter] = loan) -> list[object]:
                if who:
                    mailbox.hand_over(1)
                    return []
                mine: list[object] = []
                while loan:
                    try:
                        mine.append(loan.popleft().message)
                    except IndexError:
                        break
                return mine

            mine, _ = race(2, act)
            assert [*mine, *(messages(mailbox.take(64, 1)) if mailbox.depth() else [])] == list(range(64))


class TestAges:
    def test_the_oldest_age_is_that_of_the_first_user_letter(self) -> None:
        clock = ManualClock()
        mailbox = Mailbox(clock=clock)
        mailbox.offer(Letter(1))
        clock.advance(1.5)
        mailbox.offer(Letter(2))

        assert mailbox.oldest_age_s() == 1.5

    def test_an_empty_one_has_no_age(self) -> None:
        assert Mailbox().oldest_age_s() == 0.0


class TestPykkasProtocol:
    def test_envelopes_come_out_in_order(self) -> None:
        inbox = Mailbox()

        inbox.put(Envelope("a"))
        inbox.put(Letter("b"))

        assert not inbox.empty()
        assert [inbox.get().message, inbox.get().message] == ["a", "b"]
        assert inbox.empty()

    def test_a_refused_envelope_is_not_silent(self) -> None:
        inbox = Mailbox(capacity=1)
        inbox.put(Envelope("a"))

        with pytest.raises(NotDelivered, match="full"):
            inbox.put(Envelope("b"))
