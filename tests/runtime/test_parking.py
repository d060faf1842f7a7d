"""Giving up on a child, and taking it up again when the operator says so."""

from __future__ import annotations

import threading

import pytest

from actors.errors import DomainError, NotDelivered, StartRefused
from actors.messages import Ping
from actors.runtime.child import GiveUp
from actors.runtime.letter import Answer
from actors.runtime.tree import Phase, Status
from tests.runtime.kit import (
    STEADY,
    WAIT_S,
    Down,
    Note,
    Noted,
    Probe,
    Run,
    Up,
    crash,
    hold_and_crash,
    park,
    parkable,
    stop_order,
    tree,
    wait_for,
    worker,
)


class TestIntensity:
    def test_one_restart_too_many_stops_the_tree_with_70(self, probe: Probe) -> None:
        with tree(worker(probe, "a", intensity=1, backoff=STEADY), worker(probe, "b"), probe=probe) as grove:
            crash(grove["a"])
            grove.until_status("a", Status.RESTARTING)
            grove.advance(0.05)
            grove.until_status("a", Status.RUNNING, 2)
            crash(grove["a"])

            assert grove.wait_down() == ("a exceeded 1 restarts in 30 s: ValueError: boom", 70)

    def test_a_broker_that_flaps_is_parked_and_the_others_trade_on(self, probe: Probe) -> None:
        with tree(parkable(probe), worker(probe, "b"), probe=probe) as grove:
            park(grove)

            assert grove["b"].ask(Note(1), WAIT_S) == 1
            assert grove.tree.phase is Phase.RUNNING

    def test_what_waits_for_a_parked_child_is_a_dead_letter_and_its_askers_are_told(self, probe: Probe) -> None:
        with tree(parkable(probe), probe=probe) as grove:
            gate = grove.gate()
            grove["a"].tell(gate)
            gate.wait_entered()
            crash(grove["a"])
            grove["a"].tell(Note(1))
            answer = Answer()
            grove["a"].post(Note(2), answer)
            gate.open()

            with pytest.raises(NotDelivered, match="a: down"):
                answer.get(WAIT_S)
            grove.until_status("a", Status.PARKED)
            assert grove.dead_letters.counts() == {("a", "crashed"): 1, ("a", "down"): 2}

    def test_its_own_timers_are_no_dead_letters(self, probe: Probe) -> None:
        with tree(parkable(probe), probe=probe) as grove:
            gate = grove.gate()
            grove["a"].ask(Run(lambda one: one.context.after(1, Note("timer"))), WAIT_S)
            grove["a"].tell(Run(lambda _: hold_and_crash(gate)))
            gate.wait_entered()
            grove.advance(1)
            gate.open()
            grove.until_status("a", Status.PARKED)

            assert grove.dead_letters.counts() == {("a", "crashed"): 1}

    def test_nothing_new_is_accepted_for_it(self, probe: Probe) -> None:
        with tree(parkable(probe), probe=probe) as grove:
            park(grove)

            assert not grove["a"].tell(Note(1))
            with pytest.raises(NotDelivered, match="a: mailbox closed"):
                grove["a"].ask(Note(1), WAIT_S)
            assert grove["a"].tell_all([Note(1), Note(2)]) == 0
            assert grove.dead_letters.counts()["a", "mailbox closed"] == 4

    def test_it_stays_parked_however_long(self, probe: Probe) -> None:
        with tree(parkable(probe), probe=probe) as grove:
            park(grove)

            for _ in range(20):
                grove.advance(100)

            assert grove.child("a").status is Status.PARKED


class TestRefusal:
    def test_a_child_that_says_that_no_restart_helps_is_parked_at_once_with_its_reason(self, probe: Probe) -> None:
        spec = worker(probe, "a", intensity=5, give_up=GiveUp.PARK, start_failure=GiveUp.PARK)
        with tree(spec, probe=probe) as grove:
            crash(grove["a"], StartRefused("the books cannot be read: correct them"))

            grove.until_status("a", Status.PARKED)
            child = grove.child("a")
            assert (child.total_restarts, child.last_error) == (0, "the books cannot be read: correct them")
            assert list(grove["a"].telemetry.crashes) == []

    def test_one_that_may_be_tried_again_is_restarted(self, probe: Probe) -> None:
        spec = worker(probe, "a", intensity=5, give_up=GiveUp.PARK, start_failure=GiveUp.PARK)
        with tree(spec, probe=probe) as grove:
            crash(grove["a"], StartRefused("the database is busy", retryable=True))

            grove.until_status("a", Status.RUNNING, 2)

    def test_one_that_is_not_to_be_parked_is_restarted(self, probe: Probe) -> None:
        with tree(worker(probe, "a", intensity=5), probe=probe) as grove:
            crash(grove["a"], StartRefused("the books cannot be read"))

            grove.until_status("a", Status.RUNNING, 2)


class TestOperator:
    def test_a_running_child_is_replaced_and_keeps_its_mailbox(self, probe: Probe) -> None:
        with tree(worker(probe, "a"), probe=probe) as grove:
            gate = grove.gate()
            grove["a"].tell(gate)
            gate.wait_entered()
            grove["a"].tell(Note(1))
            grove.restart("a")
            gate.open()
            grove.until_status("a", Status.RUNNING, 2)

            probe.expect_all(Up("a"), Down("a"), Up("a", 2), Noted("a", 1, 2))
            assert grove.child("a").restarts == ()

    def test_a_parked_child_runs_and_is_served_again(self, probe: Probe) -> None:
        with tree(parkable(probe), probe=probe) as grove:
            park(grove)

            grove.restart("a")
            grove.until_status("a", Status.RUNNING, 2)

            assert grove["a"].ask(Note(1), WAIT_S) == 1

    def test_one_that_waits_for_its_backoff_starts_at_once_and_once(self, probe: Probe) -> None:
        with tree(worker(probe, "a", backoff=STEADY), probe=probe) as grove:
            crash(grove["a"])
            grove.until_status("a", Status.RESTARTING)

            grove.restart("a")
            grove.until_status("a", Status.RUNNING, 2)
            grove.advance(60)

            assert grove.child("a").generation == 2

    def test_a_stuck_child_is_replaced_once_its_time_to_stop_is_over(self, probe: Probe) -> None:
        with tree(worker(probe, "a", shutdown_s=2), probe=probe) as grove:
            gate = grove.gate()
            grove["a"].tell(gate)
            gate.wait_entered()
            grove["a"].tell(Note("behind"))
            grove.restart("a")
            grove.advance(2)
            grove.until_status("a", Status.RUNNING, 2)

            probe.expect_all(Up("a"), Up("a", 2), Noted("a", "behind", 2))
            assert grove["a"].ask(Ping(), WAIT_S) == "a"
            assert (grove.child("a").generation, grove.child("a").restarts) == (2, ())

    def test_a_name_that_nobody_has_is_refused_with_those_there_are(self, probe: Probe) -> None:
        with (
            tree(worker(probe, "a"), worker(probe, "b"), probe=probe) as grove,
            pytest.raises(DomainError, match="ghost: there is no such child"),
        ):
            grove.restart("ghost")

    def test_one_that_is_starting_is_refused(self, probe: Probe) -> None:
        release = threading.Event()

        with tree(worker(probe, "a", start=lambda _: wait_for(release)), probe=probe, wait=False) as grove:
            probe.expect_all(Up("a"))
            with pytest.raises(DomainError, match="a: it is started already"):
                grove.restart("a")
            release.set()

    def test_a_tree_that_stops_refuses(self, probe: Probe) -> None:
        release = threading.Event()
        table = [worker(probe, "a"), worker(probe, "b", stop=lambda _: wait_for(release), depends_on=("a",))]

        with tree(*table, probe=probe) as grove:
            grove.supervisor.tell_control(stop_order())
            grove.until_status("b", Status.STOPPING)
            with pytest.raises(DomainError, match="the tree is stopping"):
                grove.restart("a")
            release.set()
