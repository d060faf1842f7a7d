"""Supervisors under supervisors: each has a budget of its own, and a name keeps its handle through all of it."""

from __future__ import annotations

import pytest

from actors.errors import ChildRefused, NotDelivered, SpecError, StartRefused
from actors.messages import Crash, RestartChild, StartChild
from actors.runtime.child import ChildSpec, GiveUp
from actors.runtime.events import Outcome
from actors.runtime.flags import Flags
from actors.runtime.supervisor import nested
from actors.runtime.tree import Status
from tests.runtime.kit import (
    STEADY,
    WAIT_S,
    Down,
    Gate,
    Grove,
    Note,
    Noted,
    Probe,
    Run,
    Up,
    crash,
    raising,
    tree,
    worker,
)


def brokers(probe: Probe, *specs: ChildSpec, flags: Flags | None = None, **fields: object) -> ChildSpec:
    table = specs or (worker(probe, "one", give_up=GiveUp.PARK, intensity=1), worker(probe, "two", intensity=1))
    return nested("brokers", table, flags, backoff=STEADY, **fields)


def until(grove: Grove, name: str, status: Status, generation: int | None = None) -> None:
    """As `until_status`, but for a child of any supervisor."""

    def there() -> bool:
        child = grove.directory.children()[name]
        return child.status is status and generation in {None, child.generation}

    with grove.directory.changed:
        assert grove.directory.changed.wait_for(there, WAIT_S), grove.directory.children()[name]


def test_a_child_that_crashes_for_ever_is_parked_and_nobody_else_notices(probe: Probe) -> None:
    with tree(worker(probe, "root"), brokers(probe), probe=probe) as grove:
        for generation in (2, 3):
            crash(grove["one"])
            if generation == 2:
                until(grove, "one", Status.RUNNING, 2)
        until(grove, "one", Status.PARKED)

        others = {name: child for name, child in grove.directory.children().items() if name != "one"}
        assert {child.generation for child in others.values()} == {1}
        assert all(child.status is Status.RUNNING for child in others.values())
        with pytest.raises(NotDelivered):
            grove["one"].ask(Note(1), WAIT_S)
        assert grove["two"].ask(Note(2), WAIT_S) == 2


def test_the_operator_brings_a_parked_one_back_through_its_own_supervisor(probe: Probe) -> None:
    with tree(brokers(probe, worker(probe, "one", give_up=GiveUp.PARK, intensity=0)), probe=probe) as grove:
        crash(grove["one"])
        until(grove, "one", Status.PARKED)

        grove.directory.supervisors["one"].ask(RestartChild("one", even_running=True), WAIT_S)
        until(grove, "one", Status.RUNNING, 2)

        assert grove["one"].ask(Note(1), WAIT_S) == 1


def test_one_that_gives_up_is_restarted_with_its_children_under_the_same_handles(probe: Probe) -> None:
    table = worker(probe, "one", intensity=0), worker(probe, "two")
    with tree(brokers(probe, *table), probe=probe) as grove:
        before = grove["one"], grove["two"]
        crash(grove["one"])
        grove.until_status("brokers", Status.RESTARTING)
        assert grove.child("brokers").last_error == "one exceeded 0 restarts in 30 s: ValueError: boom"

        grove.advance(0.05)
        grove.until_status("brokers", Status.RUNNING, 2)

        assert (grove["one"], grove["two"]) == before
        assert [grove[name].ask(Note(name), WAIT_S) for name in ("one", "two")] == ["one", "two"]
        assert {grove.directory.children()[name].generation for name in ("one", "two")} == {2}


def test_one_that_crashes_takes_its_children_along_and_what_they_were_sent_is_served_by_their_successors(
    probe: Probe,
) -> None:
    with tree(brokers(probe, worker(probe, "one")), probe=probe) as grove:
        gate = grove.gate()
        grove["one"].tell(gate)
        gate.wait_entered()
        grove["one"].tell(Note("kept"))
        grove["brokers"].tell_control(Crash())
        gate.open()
        grove.until_status("brokers", Status.RESTARTING)
        grove.advance(0.05)

        probe.expect_all(Up("one"))
        served = [event for event in (probe.expect(object) for _ in range(3)) if isinstance(event, Noted)]
        assert [event.value for event in served] == ["kept"]
        grove.until_status("brokers", Status.RUNNING, 2)
        assert grove["one"].ask(Run(lambda one: one.context.generation), WAIT_S) == 2


def test_one_that_is_stuck_is_abandoned_with_its_children_who_are_fenced(probe: Probe) -> None:
    spec = brokers(probe, worker(probe, "one"), handler_budget_s=5)
    with tree(spec, probe=probe) as grove:
        stuck, late = Gate(), Gate()
        grove.gates += [stuck, late]
        grove["one"].tell(late)
        late.wait_entered()
        grove["one"].tell(Note("kept"))
        grove["brokers"].tell_control(StartChild(_stuck_spec(stuck)))
        stuck.wait_entered()

        grove.advance(7)
        grove.advance(0.05)
        grove.until_status("brokers", Status.RUNNING, 2)

        probe.expect_all(Up("one"))
        assert probe.expect(Up).generation > 1
        assert probe.expect(Noted).value == "kept"
        late.open()
        stuck.open()
        assert grove["one"].ask(Note("after"), WAIT_S) == "after"
        assert next(event for event in probe.pending() if isinstance(event, Noted)).value == "after"


def _stuck_spec(gate: Gate) -> ChildSpec:
    """One whose factory, which runs in the supervisor's thread, waits at the gate."""

    def factory(_: object) -> object:
        gate.hold()
        raise ValueError("never built")

    return ChildSpec("stuck", factory)  # type: ignore[arg-type]


def test_its_children_are_known_and_can_be_sent_to_before_it_starts(probe: Probe) -> None:
    gate = Gate()
    first = worker(probe, "first", start=lambda _: gate.hold())
    with tree(first, brokers(probe, depends_on=("first",)), probe=probe, wait=False) as grove:
        grove.gates.append(gate)
        gate.wait_entered()
        assert list(grove.directory.children()) == ["first", "brokers", "one", "two"]
        assert grove["one"].tell(Note("early"))

        gate.open()
        until(grove, "one", Status.RUNNING)

        assert grove["one"].ask(Note("later"), WAIT_S) == "later"
        assert Noted("one", "early") in probe.pending()


def test_it_is_up_when_its_children_are(probe: Probe) -> None:
    gate = Gate()
    spec = brokers(probe, worker(probe, "one", start=lambda _: gate.hold()))
    with tree(spec, worker(probe, "after", depends_on=("brokers",)), probe=probe, wait=False) as grove:
        grove.gates.append(gate)
        gate.wait_entered()
        assert grove.child("brokers").status is Status.STARTING
        assert grove.child("after").status is Status.WAITING

        gate.open()
        grove.until_status("after", Status.RUNNING)


def test_a_child_that_cannot_start_stops_everything_with_the_code_that_it_names(probe: Probe) -> None:
    refused = raising(StartRefused("schema is old", exit_code=78))
    spec = brokers(probe, worker(probe, "one", start=refused))
    with tree(worker(probe, "root"), spec, probe=probe, wait=False) as grove:
        assert grove.wait_down() == ("brokers did not start: one did not start: schema is old", 78)


def test_everything_stops_in_reverse(probe: Probe) -> None:
    inner = nested("inner", [worker(probe, "leaf")], backoff=STEADY)
    outer = nested("outer", [worker(probe, "branch"), inner], Flags(in_sequence=True), depends_on=("root",))
    with tree(worker(probe, "root"), outer, probe=probe) as grove:
        probe.expect_all(Up("root"), Up("branch"), Up("leaf"))
        assert grove.stop() == ("stopped by the test", 0)

    probe.expect_all(Down("leaf"), Down("branch"), Down("root"))


class TestNames:
    def test_one_that_another_supervisor_uses_is_refused_before_anything_starts(self, probe: Probe) -> None:
        with (
            pytest.raises(SpecError, match="child one: the name is taken by a child of brokers"),
            tree(brokers(probe), worker(probe, "one"), probe=probe),
        ):
            raise AssertionError("it started")

    def test_a_new_child_may_not_take_it_either(self, probe: Probe) -> None:
        with tree(worker(probe, "root"), brokers(probe), probe=probe) as grove:
            with pytest.raises(ChildRefused) as caught:
                grove["brokers"].ask(StartChild(worker(probe, "root")), WAIT_S)

            assert caught.value.outcome is Outcome.ALREADY_STARTED
            assert grove["root"].ask(Run(lambda one: one.context.generation), WAIT_S) == 1
