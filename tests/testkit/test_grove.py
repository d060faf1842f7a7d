"""A grove is a real tree on real threads, of which a test sees and steers everything."""

from __future__ import annotations

import threading

import pytest

from actors.errors import SpecError
from actors.runtime.child import Backoff, ChildSpec, GiveUp, Restart
from actors.runtime.supervisor import nested
from actors.runtime.tree import Status
from actors.testkit import WAIT_S, Gate, Grove, Neighbour, crashing, gated, running_tree
from tests.testkit.echo import Echo, Say, SayLater


@pytest.fixture
def ear() -> Neighbour:
    return Neighbour("ear")


def threads_left(grove: Grove) -> list[str]:
    names = {"supervisor", *grove.directory.children()}
    return [thread.name for thread in threading.enumerate() if thread.name in names]


def test_its_children_run_when_it_is_entered_and_have_ended_when_it_is_left(ear: Neighbour) -> None:
    with running_tree(ChildSpec("a", Echo), ChildSpec("b", Echo, depends_on=("a",)), neighbours=(ear,)) as grove:
        assert [grove.child(name).status for name in "ab"] == [Status.RUNNING] * 2
        assert grove["a"].ask(Say("hello"), WAIT_S) == "hello"
        ear.expect_all("hello")

    assert [grove.child(name).status for name in "ab"] == [Status.STOPPED] * 2
    assert threads_left(grove) == []


def test_it_is_stopped_when_the_test_fails_inside() -> None:
    def fail() -> None:
        with running_tree(ChildSpec("a", gated(Echo))) as grove:
            grove["a"].tell(gate := grove.gate())
            gate.wait_entered()
            groves.append(grove)
            raise ZeroDivisionError

    groves: list[Grove] = []
    with pytest.raises(ZeroDivisionError):
        fail()

    assert threads_left(groves[0]) == []


def test_a_wrong_table_starts_nothing() -> None:
    with (
        pytest.raises(SpecError, match="depends on b, which does not exist"),
        running_tree(ChildSpec("a", Echo, depends_on=("b",))),
    ):
        pass


def test_time_stands_still_and_timers_fire_when_it_is_moved(ear: Neighbour) -> None:
    with running_tree(ChildSpec("a", Echo), neighbours=(ear,)) as grove:
        grove["a"].ask(SayLater("later", 5), WAIT_S)
        grove.advance(4.9)
        grove["a"].ask(Say("now"), WAIT_S)
        grove.advance(0.1)

        ear.expect_all("now", "later")


def test_on_the_machines_clock_timers_fire_by_themselves(ear: Neighbour) -> None:
    with running_tree(ChildSpec("a", Echo), neighbours=(ear,), real_time=True) as grove:
        grove["a"].tell(SayLater("later", 0.01))
        ear.expect_all("later")
        with pytest.raises(AssertionError, match="machine's clock"):
            grove.advance(1)


def test_a_crash_is_known_when_it_returns_and_the_backoff_passes_on_order() -> None:
    slow = Backoff(first_s=3.0, jitter=0.5)
    with running_tree(ChildSpec("a", Echo, backoff=slow), ChildSpec("b", Echo)) as grove:
        grove.crash("a")
        assert (grove.child("a").status, grove.child("a").total_restarts) == (Status.RESTARTING, 1)
        with pytest.raises(AssertionError, match="a is restarting: only one that runs can crash"):
            grove.crash("a")

        grove.revive("a")
        assert (grove.child("a").generation, grove.child("b").generation) == (2, 1)


def test_a_stuck_child_is_noticed_however_the_clock_is_moved() -> None:
    with running_tree(ChildSpec("a", gated(Echo), handler_budget_s=5)) as grove:
        gate = grove.gate(Gate())
        grove["a"].tell(gate)
        gate.wait_entered()

        grove.advance(7)
        grove.revive("a")

        assert grove.child("a").last_error == "handler exceeded 5 s"
        assert (grove.child("a").generation, grove.zombies.count()) == (2, 1)
        assert len(grove.threads_named("a")) == 2


@pytest.mark.parametrize("intensity", [0, 1, 3])
def test_one_that_may_be_parked_is(intensity: int) -> None:
    parkable = ChildSpec("a", Echo, intensity=intensity, give_up=GiveUp.PARK)
    with running_tree(parkable) as grove:
        grove.park("a")

        assert grove.child("a").generation == intensity + 1
        grove.restart("a")
        grove.until_status("a", Status.RUNNING, intensity + 2)


def test_one_that_may_not_be_parked_is_left_alone() -> None:
    with running_tree(ChildSpec("a", Echo)) as grove:
        with pytest.raises(AssertionError, match="a does not park: its give_up is to stop the tree"):
            grove.park("a")

        assert grove.child("a").generation == 1


@pytest.mark.parametrize("restart", [Restart.TRANSIENT, Restart.TEMPORARY])
def test_the_crash_of_one_that_ends_the_tree_or_is_forgotten_is_waited_for_too(restart: Restart) -> None:
    with running_tree(ChildSpec("a", Echo, restart=restart, intensity=0)) as grove:
        grove.crash("a")

        if restart is Restart.TRANSIENT:
            assert grove.wait_down() == (
                "a exceeded 0 restarts in 30 s: _CrashRequested: crash injected by the test",
                70,
            )
        else:
            assert "a" not in grove.directory.children()


def test_children_below_another_supervisor_are_crashed_and_revived_as_any() -> None:
    below = ChildSpec("below", Echo, intensity=1, give_up=GiveUp.PARK, backoff=Backoff(first_s=2.0))
    with running_tree(nested("inner", [below])) as grove:
        grove.crash("below")
        grove.revive("below")
        assert grove.child("below").generation == 2

        grove.park("below")
        assert grove.child("below").status is Status.PARKED
        assert grove.child("inner").generation == 1


def test_what_does_not_come_true_shows_where_the_children_stand() -> None:
    with running_tree(ChildSpec("a", Echo), ChildSpec("b", Echo)) as grove:
        grove.crash("b")
        grove.revive("b")

        shown = r"within 0.01 s: a running \(1\), b running \(2\) _CrashRequested: crash injected by the test$"
        with pytest.raises(AssertionError, match=shown):
            grove.until(lambda tree: tree.children["a"].generation == 2, timeout_s=0.01)


def test_one_that_cannot_start_ends_the_tree() -> None:
    with running_tree(ChildSpec("a", crashing(Echo, str)), wait=False) as grove:
        why, code = grove.wait_down()

    assert (why, code) == ("a did not start: AssertionError: Echo does not handle str: it cannot fail at it", 70)


def test_a_stop_returns_the_reason_and_the_exit_code() -> None:
    with running_tree(ChildSpec("a", Echo)) as grove:
        assert grove.stop() == ("stopped by the test", 0)
