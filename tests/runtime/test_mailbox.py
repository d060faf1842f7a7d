"""Two lanes, a hard bound, and nothing lost or out of order."""

from __future__ import annotations

import threading

import pytest
from pykka._envelope import Envelope

from actors.errors import NotDelivered
from actors.runtime.letter import Admission, Letter
from actors.runtime.mailbox import Mailbox
from tests.runtime.kit import WAIT_S, ManualClock, race
from tests.runtime.taking import Taker, filled, messages


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
