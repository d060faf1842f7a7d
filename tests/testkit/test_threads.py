"""Races, gates, and threads that are left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from actors.runtime.child import ChildSpec
from actors.testkit import Gate, Neighbour, Probe, gated, no_thread_left, race, running_tree
from tests.testkit.echo import Echo, Say


def test_racers_meet_and_return_what_they_return_in_order() -> None:
    meeting = threading.Barrier(3, timeout=30)

    def act(number: int) -> int:
        meeting.wait()
        return number * number

    assert race(3, act) == [0, 1, 4]


def test_a_racer_that_raises_is_named_and_its_error_is_chained() -> None:
    def act(number: int) -> None:
        if number == 1:
            raise ValueError("fell")

    with pytest.raises(AssertionError, match=r"^racer 1 of 2 raised ValueError\('fell'\)$") as caught:
        race(2, act)
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.fixture
def leave() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_thread_that_is_left_behind_is_named(leave: threading.Event) -> None:
    thread = threading.Thread(target=leave.wait, name="straggler", daemon=True)

    with pytest.raises(AssertionError, match=r"left behind after 0\.01 s: thread straggler"), no_thread_left(0.01):
        thread.start()

    leave.set()
    thread.join()


def test_one_that_ends_in_time_is_no_matter(leave: threading.Event) -> None:
    with no_thread_left():
        threading.Thread(target=leave.wait).start()
        leave.set()


def test_a_thread_that_another_one_starts_on_its_way_out_is_waited_for_too() -> None:
    probe = Probe(wait_s=0)

    with no_thread_left():
        threading.Thread(target=lambda: threading.Timer(0.01, probe.put, args=("last",)).start()).start()

    probe.expect_all("last")


def test_a_gate_holds_an_actor_while_its_messages_wait() -> None:
    ear = Neighbour("ear")

    with running_tree(ChildSpec("echo", gated(Echo)), neighbours=(ear,)) as grove:
        gate = grove.gate()
        grove["echo"].tell(gate)
        gate.wait_entered()
        grove["echo"].tell(Say("hello"))
        assert grove["echo"].telemetry.doing == "Gate"
        ear.expect_nothing()

        gate.open()
        ear.expect_all("hello")


def test_a_gate_lets_pass_all_who_come_after_it_was_opened() -> None:
    gate = Gate()
    gate.open()

    gate.hold()

    gate.wait_entered()
