"""Whatever was abandoned, a child or a whole supervisor, has no effect on those who took over."""

from __future__ import annotations

import math
import sys
import threading
from typing import Any

import pytest

from actors.errors import ChildRefused, NotDelivered, SpecError
from actors.messages import Crash, RestartChild, StartChild, TerminateChild
from actors.runtime.child import ChildSpec, GiveUp
from actors.runtime.clock import SystemClock, Timers
from actors.runtime.flags import Flags
from actors.runtime.letter import Admission, Answer
from actors.runtime.supervisor import nested
from actors.runtime.tree import Status
from tests.runtime.kit import STEADY, WAIT_S, Gate, Note, Noted, Probe, Run, Up, crash, tree, worker
from tests.runtime.test_nested import until


def test_a_supervisor_that_was_abandoned_leaves_the_children_of_its_successor_alone(probe: Probe) -> None:
    gate, ended = Gate(), threading.Event()

    def slow_once(actor: Any) -> None:
        if actor.context.generation == 1:
            gate.hold()
            ended.set()

    spec = nested("s", [worker(probe, "c", stop=slow_once, shutdown_s=30)], intensity=5, shutdown_s=1, backoff=STEADY)
    with tree(spec, probe=probe) as grove:
        grove.gates.append(gate)
        grove.supervisor.ask(RestartChild("s", even_running=True), WAIT_S)
        gate.wait_entered()
        grove.advance(1.1)
        until(grove, "c", Status.RUNNING, 2)
        gate.open()
        assert ended.wait(WAIT_S)
        for thread in grove.threads_named("s")[:-1]:
            thread.join(WAIT_S)

        grove.advance(3)

        assert grove["c"].ask(Run(lambda one: one.context.generation), WAIT_S) == 2


def test_an_added_child_is_not_taken_for_one_of_that_name_that_an_earlier_life_of_its_supervisor_lost(
    probe: Probe,
) -> None:
    with tree(nested("d", [], Flags(dynamic=True), backoff=STEADY), probe=probe) as grove:
        gate = grove.gate()
        grove["d"].ask(StartChild(worker(probe, "x", shutdown_s=0.1, intensity=None)), WAIT_S)
        (lost,) = grove.threads_named("x")
        grove["x"].tell(gate)
        gate.wait_entered()
        grove["d"].tell_control(Crash())
        grove.until_status("d", Status.RESTARTING)
        grove.advance(0.05)
        grove.until_status("d", Status.RUNNING, 2)
        grove["d"].ask(StartChild(worker(probe, "x", intensity=None)), WAIT_S)
        gate.open()
        lost.join(WAIT_S)

        seen = {grove["x"].ask(Run(id), WAIT_S) for _ in range(50)}

        assert len(seen) == 1


def test_one_that_is_abandoned_while_it_builds_a_child_starts_nothing_more(probe: Probe) -> None:
    gate, built, ups = Gate(), [0], []

    def slow(context: Any) -> Any:
        built[0] += 1
        if built[0] == 2:
            gate.hold()
        return worker(probe, "a").factory(context)

    b = worker(probe, "b", start=lambda one: ups.append(one.context.generation))
    spec = nested("s", [ChildSpec("a", slow), b], intensity=5, start_timeout_s=1, start_retry_s=60, backoff=STEADY)
    with tree(spec, probe=probe) as grove:
        grove.gates.append(gate)
        grove["s"].tell_control(Crash())
        grove.until_status("s", Status.RESTARTING)
        grove.advance(0.05)
        gate.wait_entered()
        grove.advance(1.1)
        grove.advance(1)
        until(grove, "b", Status.RUNNING)
        gate.open()
        for thread in grove.threads_named("s")[:-1]:
            thread.join(WAIT_S)

        assert grove["b"].ask(Note("served"), WAIT_S) == "served"
        assert len(ups) == len(set(ups)) == 2


def test_what_is_below_a_supervisor_that_stays_down_is_closed_too(probe: Probe) -> None:
    spec = nested("s", [worker(probe, "c")], intensity=0, give_up=GiveUp.PARK)
    with tree(spec, probe=probe) as grove:
        grove["s"].tell_control(Crash())
        grove.until_status("s", Status.PARKED)

        answer = Answer()
        assert grove["c"].tell(Note(1)) is Admission.CLOSED
        grove["c"].post(Note(2), answer)
        assert answer.settled
        assert grove.directory.children()["c"].status is Status.STOPPED


def test_names_that_were_added_are_free_after_their_supervisor_came_back(probe: Probe) -> None:
    table = nested("d", [], Flags(dynamic=True), backoff=STEADY), nested("e", [], Flags(dynamic=True))
    with tree(*table, probe=probe) as grove:
        grove["d"].ask(StartChild(worker(probe, "x", intensity=None)), WAIT_S)
        grove["d"].tell_control(Crash())
        grove.until_status("d", Status.RESTARTING)
        grove.advance(0.05)
        grove.until_status("d", Status.RUNNING, 2)

        assert "x" not in grove.directory.handles
        assert grove["e"].ask(StartChild(worker(probe, "x", intensity=None)), WAIT_S).handle is grove["x"]


def test_who_asked_a_supervisor_that_ends_is_told(probe: Probe) -> None:
    with tree(nested("s", [worker(probe, "c", stop=lambda _: gate.hold())], backoff=STEADY), probe=probe) as grove:
        gate = grove.gate()
        answer = Answer()
        grove["s"].post(TerminateChild("c"), answer)
        gate.wait_entered()
        grove["s"].tell_control(Crash())
        gate.open()

        with pytest.raises((NotDelivered, Exception), match=r"s ended|s crashed"):
            answer.get(WAIT_S)


@pytest.mark.parametrize("name", [[], {}, None, 5])
def test_a_request_about_nobody_is_refused_and_harms_no_one(probe: Probe, name: Any) -> None:
    with tree(worker(probe, "a"), probe=probe) as grove:
        for message in (TerminateChild(name), RestartChild(name), StartChild(name)):
            with pytest.raises(ChildRefused):
                grove.supervisor.ask(message, WAIT_S)

        assert grove["a"].ask(Note(1), WAIT_S) == 1


def test_a_callback_that_fails_harms_no_one(probe: Probe) -> None:
    def fail(_: str) -> None:
        raise ValueError("callback")

    spec = nested("s", [worker(probe, "c", intensity=0, give_up=GiveUp.PARK)], on_parked=fail)
    with tree(spec, probe=probe) as grove:
        crash(grove["c"])
        until(grove, "c", Status.PARKED)

        assert grove.child("s").generation == 1


def test_an_error_that_cannot_be_shown_is_a_crash_like_any_other(probe: Probe) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError("no text")

    with tree(worker(probe, "a"), probe=probe) as grove:
        crash(grove["a"], Mute())
        grove.until_status("a", Status.RUNNING, 2)

        assert grove.child("a").last_error == "Mute"


def test_one_that_ends_by_itself_and_hangs_on_its_way_out_is_abandoned(probe: Probe) -> None:
    gate = Gate()

    def hang_once(actor: Any) -> None:
        if actor.context.generation == 1:
            gate.hold()

    with tree(worker(probe, "a", stop=hang_once, handler_budget_s=5, backoff=STEADY), probe=probe) as grove:
        grove.gates.append(gate)
        grove["a"].tell(Run(lambda one: one.stop()))
        gate.wait_entered()
        grove.advance(6.1)
        grove.advance(0.05)
        grove.until_status("a", Status.RUNNING, 2)


def test_one_that_was_abandoned_does_not_stop_its_successor(probe: Probe) -> None:
    with tree(worker(probe, "a", handler_budget_s=5, backoff=STEADY), probe=probe) as grove:
        gate, stopped = grove.gate(), threading.Event()

        def late(one: Any) -> None:
            gate.hold()
            one.stop()
            stopped.set()

        grove["a"].tell(Run(late))
        gate.wait_entered()
        grove.advance(6.1)
        grove.advance(0.05)
        grove.until_status("a", Status.RUNNING, 2)
        gate.open()
        assert stopped.wait(WAIT_S)

        assert grove["a"].ask(Run(lambda one: one.context.generation), WAIT_S) == 2
        probe.expect_all(Up("a"), Up("a", 2))
        assert not [event for event in probe.pending() if isinstance(event, Noted)]


@pytest.mark.parametrize("delay_s", [math.inf, float(sys.maxsize), 1e300])
def test_a_timer_of_any_length_leaves_the_others_alone(delay_s: float) -> None:
    timers, fired = Timers(SystemClock()), threading.Event()
    timers.start()
    try:
        timers.after(delay_s, lambda: None)
        timers.after(0.01, fired.set)

        assert fired.wait(WAIT_S)
        with pytest.raises(ValueError, match="not a number"):
            timers.after(math.nan, lambda: None)
    finally:
        timers.stop()


@pytest.mark.parametrize(
    "fields",
    [{"depends_on": "a"}, {"depends_on": 5}, {"children": (1,)}, {"start_timeout_s": None}, {"mailbox_capacity": 2.5}],
)
def test_a_specification_that_would_fail_later_is_refused_at_once(fields: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=next(iter(fields))):
        ChildSpec("a", lambda _: None, **fields)  # type: ignore[arg-type,return-value]
