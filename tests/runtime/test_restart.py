"""Restarting on real threads: who is restarted, who is not, and what the mailbox keeps."""

from __future__ import annotations

import asyncio
import threading

import pykka
import pytest

from actors.errors import ActorCrashed, DomainError
from actors.messages import Crash, InspectChildren, Ping
from actors.runtime.child import Backoff, Restart
from actors.runtime.tree import Status
from tests.runtime.kit import (
    STEADY,
    WAIT_S,
    Fail,
    Note,
    Noted,
    Probe,
    Run,
    Up,
    Worker,
    crash,
    raising,
    tree,
    wait_for,
    worker,
)


class TestRestart:
    def test_a_crash_on_tell_restarts_the_child_and_nobody_else(self, probe: Probe) -> None:
        table = [worker(probe, "a"), worker(probe, "b", backoff=STEADY), worker(probe, "c", depends_on=("b",))]

        with tree(*table, probe=probe) as grove:
            before = {thread.name: thread for thread in threading.enumerate()}
            crash(grove["b"])
            grove.until_status("b", Status.RESTARTING)
            grove.advance(0.05)
            grove.until_status("b", Status.RUNNING, 2)

            after = {thread.name: thread for thread in threading.enumerate()}
            assert {name for name in "abc" if after[name] is before[name]} == {"a", "c"}
            assert [grove.child(name).generation for name in "abc"] == [1, 2, 1]
            assert grove.child("b").last_error == "ValueError: boom"

    def test_a_crash_on_ask_restarts_it_too_and_the_asker_gets_the_error(self, probe: Probe) -> None:
        with tree(worker(probe, "a", backoff=STEADY), probe=probe) as grove:
            with pytest.raises(ActorCrashed, match="a crashed: ValueError: boom") as caught:
                grove["a"].ask(Fail(ValueError("boom\nand more")), WAIT_S)

            assert isinstance(caught.value.__cause__, ValueError)
            grove.until_status("a", Status.RESTARTING)
            grove.advance(0.05)
            grove.until_status("a", Status.RUNNING, 2)

    def test_a_domain_error_reaches_the_asker_and_the_actor_lives_on(self, probe: Probe) -> None:
        with tree(worker(probe, "a"), probe=probe) as grove:
            with pytest.raises(DomainError, match="not enough cash"):
                grove["a"].ask(Fail(DomainError("not enough cash")), WAIT_S)
            grove["a"].tell(Fail(DomainError("again")))

            assert grove["a"].ask(Note(1), WAIT_S) == 1
            assert grove.child("a").generation == 1
            assert grove["a"].telemetry.failed == 1

    @pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError()])
    def test_an_exception_that_would_end_the_process_stays_inside(self, probe: Probe, error: BaseException) -> None:
        bystander = pykka.ThreadingActor.start()
        try:
            with tree(worker(probe, "a", backoff=STEADY), worker(probe, "b"), probe=probe) as grove:
                with pytest.raises(ActorCrashed, match=type(error).__name__):
                    grove["a"].ask(Fail(error), WAIT_S)
                grove.until_status("a", Status.RESTARTING)
                grove.advance(0.05)
                grove.until_status("a", Status.RUNNING, 2)

                assert grove["b"].ask(Ping(), WAIT_S) == "b"
                assert grove.child("b").generation == 1
                assert bystander.is_alive()
        finally:
            bystander.stop()

    def test_senders_see_no_gap_and_the_mailbox_is_served_in_order_afterwards(self, probe: Probe) -> None:
        with tree(worker(probe, "a", backoff=STEADY), probe=probe) as grove:
            gate = grove.gate()
            grove["a"].tell(gate)
            gate.wait_entered()
            for number in range(100):
                grove["a"].tell(Note(number))
            crash(grove["a"])
            for number in range(100, 200):
                grove["a"].tell(Note(number))
            gate.open()
            grove.until_status("a", Status.RESTARTING)
            assert grove["a"].tell(Note(200))
            grove.advance(0.05)

            probe.expect_all(Up("a"), *(Noted("a", number) for number in range(100)), Up("a", 2))
            probe.expect_all(*(Noted("a", number, 2) for number in range(100, 201)))

    def test_the_message_that_crashed_it_is_not_tried_again(self, probe: Probe) -> None:
        with tree(worker(probe, "a", backoff=STEADY), probe=probe) as grove:
            crash(grove["a"])
            grove.until_status("a", Status.RESTARTING)
            grove.advance(0.05)
            grove.until_status("a", Status.RUNNING, 2)

            assert grove["a"].ask(Note(1), WAIT_S) == 1
            assert grove.child("a").generation == 2
            assert grove.dead_letters.counts() == {("a", "crashed"): 1}

    def test_a_crash_that_was_asked_for_leaves_no_dead_letter(self, probe: Probe) -> None:
        with tree(worker(probe, "a", backoff=STEADY), probe=probe) as grove:
            with pytest.raises(ActorCrashed, match="on trial"):
                grove["a"].ask(Crash("on trial"), WAIT_S)
            grove.until_status("a", Status.RESTARTING)

            assert grove.dead_letters.total() == 0

    def test_a_refusal_that_nobody_hears_of_is_a_dead_letter(self, probe: Probe) -> None:
        with tree(worker(probe, "a"), probe=probe) as grove:
            grove["a"].tell(Fail(DomainError("not enough cash")))
            grove["a"].ask(Ping(), WAIT_S)

            assert grove.dead_letters.counts() == {("a", "refused"): 1}

    def test_no_sooner_than_its_backoff_says(self, probe: Probe) -> None:
        with tree(worker(probe, "a", intensity=9, backoff=Backoff(1, 2, 3, 0.0, 60)), probe=probe) as grove:
            for generation, delay_s in ((1, 1), (2, 2), (3, 3), (4, 3)):
                crash(grove["a"])
                grove.until_status("a", Status.RESTARTING, generation)
                grove.advance(delay_s - 0.01)
                assert grove.child("a").status is Status.RESTARTING
                grove.advance(0.02)
                grove.until_status("a", Status.RUNNING, generation + 1)

    def test_jitter_only_ever_adds_to_it(self, probe: Probe) -> None:
        with tree(worker(probe, "a", backoff=Backoff(1, 2, 3, 0.5, 60)), probe=probe) as grove:
            crash(grove["a"])
            grove.until_status("a", Status.RESTARTING)
            grove.advance(0.99)
            assert grove.child("a").status is Status.RESTARTING

            grove.advance(0.52)
            grove.until_status("a", Status.RUNNING, 2)

    def test_timers_of_the_dead_do_not_reach_the_successor(self, probe: Probe) -> None:
        with tree(worker(probe, "a", backoff=STEADY), probe=probe) as grove:
            grove["a"].ask(Run(lambda one: one.context.after(5, Note("old"))), WAIT_S)
            crash(grove["a"])
            grove.until_status("a", Status.RESTARTING)
            grove.advance(0.05)
            grove.until_status("a", Status.RUNNING, 2)
            grove["a"].ask(Run(lambda one: one.context.after(6, Note("new"))), WAIT_S)
            grove.advance(6)

            probe.expect_all(Up("a"), Up("a", 2), Noted("a", "new", 2))

    def test_a_transient_child_that_ends_by_itself_stays_down(self, probe: Probe) -> None:
        with tree(worker(probe, "a", restart=Restart.TRANSIENT), worker(probe, "b"), probe=probe) as grove:
            grove["a"].ask(Run(lambda one: one.stop()), WAIT_S)
            grove.until_status("a", Status.STOPPED)

            assert not grove["a"].tell(Note(1))
            assert grove["b"].ask(Ping(), WAIT_S) == "b"

    def test_a_crash_while_it_lets_go_of_things_still_restarts_it(self, probe: Probe) -> None:
        spec = worker(probe, "a", leave=raising(SystemExit(9)), backoff=STEADY)

        with tree(spec, probe=probe) as grove:
            crash(grove["a"])
            grove.until_status("a", Status.RESTARTING)
            grove.advance(0.05)
            grove.until_status("a", Status.RUNNING, 2)

    def test_one_that_never_lets_go_of_things_is_abandoned(self, probe: Probe) -> None:
        leaving, release = threading.Event(), threading.Event()

        def leave(actor: Worker) -> None:
            if actor.context.generation == 1:
                leaving.set()
                wait_for(release)

        with tree(worker(probe, "a", leave=leave, handler_budget_s=5, backoff=STEADY), probe=probe) as grove:
            crash(grove["a"])
            assert leaving.wait(WAIT_S)
            grove.advance(6)
            grove.until_status("a", Status.RESTARTING)
            grove.advance(0.05)
            grove.until_status("a", Status.RUNNING, 2)
            release.set()


class TestInspection:
    def test_it_goes_on_by_itself(self, probe: Probe) -> None:
        with tree(worker(probe, "a"), probe=probe) as grove:
            handled = grove.supervisor.telemetry.handled
            for _ in range(5):
                grove.advance(1)

            assert grove.supervisor.telemetry.handled >= handled + 10

    def test_an_idle_child_is_left_alone(self, probe: Probe) -> None:
        with tree(worker(probe, "a", handler_budget_s=1), probe=probe) as grove:
            grove["a"].ask(Note(1), WAIT_S)
            grove.advance(1000)
            grove.supervisor.tell(InspectChildren())
            grove.settle()

            assert grove.child("a").generation == 1
