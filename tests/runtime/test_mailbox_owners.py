"""A mailbox outlives its takers: an older one is fenced off, and what it had in hand comes back."""

from __future__ import annotations

from collections import deque

import pytest

from actors.runtime.letter import Letter
from actors.runtime.mailbox import Abandoned, Mailbox
from tests.runtime.kit import WAIT_S, race
from tests.runtime.taking import Taker, filled, messages


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
