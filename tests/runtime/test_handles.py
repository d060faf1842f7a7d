"""Handles and the directory: telling never blocks, and everybody learns what became of a message."""

from __future__ import annotations

import pytest

from actors.errors import DomainError, NotDelivered, TryAgain
from actors.runtime.child import GiveUp
from actors.runtime.directory import Directory
from actors.runtime.letter import Admission, Answer
from actors.runtime.tree import Status
from tests.runtime.kit import WAIT_S, Fail, Note, Noted, Probe, Run, Up, Worker, tree, worker


class TestTell:
    def test_it_says_what_became_of_the_message_and_never_blocks(self, probe: Probe) -> None:
        with tree(worker(probe, "a", mailbox_capacity=2), probe=probe) as grove:
            gate = grove.gate()
            grove["a"].tell(gate)
            gate.wait_entered()

            assert [grove["a"].tell(Note(number)) for number in range(3)] == [
                Admission.ACCEPTED,
                Admission.ACCEPTED,
                Admission.FULL,
            ]
            assert grove.dead_letters.counts() == {("a", "mailbox full"): 1}

    def test_to_itself_with_a_full_mailbox_it_does_not_deadlock(self, probe: Probe) -> None:
        def tell_self(actor: Worker) -> list[bool]:
            return [bool(actor.context.handle.tell(Note(number))) for number in range(5)]

        with tree(worker(probe, "a", mailbox_capacity=2), probe=probe) as grove:
            assert grove["a"].ask(Run(tell_self), WAIT_S) == [True, True, False, False, False]

    def test_several_at_once_keep_their_order_and_the_rest_is_buried(self, probe: Probe) -> None:
        with tree(worker(probe, "a", mailbox_capacity=3), probe=probe) as grove:
            gate = grove.gate()
            grove["a"].tell(gate)
            gate.wait_entered()

            assert grove["a"].tell_all(Note(number) for number in range(5)) == 3
            gate.open()

            probe.expect_all(Up("a"), Noted("a", 0), Noted("a", 1), Noted("a", 2))
            assert grove.dead_letters.counts() == {("a", "mailbox full"): 2}

    def test_control_overtakes_the_backlog_even_between_two_handlers(self, probe: Probe) -> None:
        with tree(worker(probe, "a"), probe=probe) as grove:
            first, second = grove.gate(), grove.gate()
            grove["a"].tell(first)
            first.wait_entered()
            grove["a"].tell_all([second, Note("backlog")])
            first.open()
            second.wait_entered()

            grove["a"].tell_control(Note("urgent"))
            second.open()

            probe.expect_all(Up("a"), Noted("a", "urgent"), Noted("a", "backlog"))

    def test_while_suspended_only_control_is_served(self, probe: Probe) -> None:
        with tree(worker(probe, "a"), probe=probe) as grove:
            grove["a"].ask(Run(lambda one: one.context.mailbox.suspend(1)), WAIT_S)
            grove["a"].tell(Note("waits"))
            grove["a"].tell_control(Note("urgent"))
            probe.expect_all(Up("a"), Noted("a", "urgent"))
            assert probe.pending() == []

            grove["a"].tell_control(Run(lambda one: one.context.mailbox.resume(1)))

            probe.expect_all(Noted("a", "waits"))

    def test_a_handler_that_suspends_is_the_last_of_its_batch(self, probe: Probe) -> None:
        with tree(worker(probe, "a"), probe=probe) as grove:
            gate = grove.gate()
            grove["a"].tell(gate)
            gate.wait_entered()
            grove["a"].tell_all([Run(lambda one: one.context.mailbox.suspend(1)), Note(1), Note(2)])
            gate.open()
            grove["a"].tell_control(Note("urgent"))
            probe.expect_all(Up("a"), Noted("a", "urgent"))
            grove["a"].tell_control(Run(lambda one: one.context.mailbox.resume(1)))

            probe.expect_all(Noted("a", 1), Noted("a", 2))


class TestPost:
    def test_the_answer_goes_where_it_was_sent(self, probe: Probe) -> None:
        answer = Answer()

        with tree(worker(probe, "a"), probe=probe) as grove:
            assert grove["a"].post(Note(7), answer)

            assert answer.get(WAIT_S) == 7

    def test_a_refusal_asks_for_another_try(self, probe: Probe) -> None:
        answer = Answer()

        with tree(worker(probe, "a", intensity=0, give_up=GiveUp.PARK), probe=probe) as grove:
            grove["a"].tell(Fail(ValueError()))
            grove.until_status("a", Status.PARKED)

            assert grove["a"].post(Note(7), answer) is Admission.CLOSED
            with pytest.raises(TryAgain, match="a: mailbox closed"):
                answer.get(WAIT_S)

    def test_an_answer_is_given_once(self) -> None:
        answer = Answer()

        answer.complete(1)
        answer.complete(2)
        answer.fail(DomainError("no"))

        assert answer.get(0) == 1


class TestDirectory:
    def test_a_name_that_nobody_has_is_not_delivered_to(self) -> None:
        with pytest.raises(NotDelivered, match="no actor is named ghost"):
            Directory()["ghost"]

    def test_routes_lead_to_the_child_that_serves_a_kind_for_a_broker(self, probe: Probe) -> None:
        with tree(worker(probe, "trading.paper"), worker(probe, "auth"), probe=probe) as grove:
            grove.directory.routes = {("signals", "paper"): "trading.paper", ("sessions", None): "auth"}

            assert grove.directory.route("signals", "paper") is grove["trading.paper"]
            assert grove.directory.route("sessions") is grove["auth"]
            assert grove.directory.route("signals", "zerodha") is None

    def test_handles_are_found_by_the_beginning_of_their_name(self, probe: Probe) -> None:
        with tree(worker(probe, "trading.b"), worker(probe, "auth"), worker(probe, "trading.a"), probe=probe) as grove:
            assert [handle.name for handle in grove.directory.named("trading.")] == ["trading.b", "trading.a"]

    def test_a_handle_is_crowded_from_half_its_capacity_on(self, probe: Probe) -> None:
        with tree(worker(probe, "a", mailbox_capacity=4), probe=probe) as grove:
            gate = grove.gate()
            grove["a"].tell(gate)
            gate.wait_entered()
            grove["a"].tell(Note(1))
            assert not grove["a"].crowded

            grove["a"].tell(Note(2))

            assert grove["a"].crowded
