"""Cases 47 to 53: how children are stopped, and how long that takes."""

from __future__ import annotations

import pytest

from actors.runtime.child import INFINITY, Restart
from actors.runtime.events import Outcome, Reason
from actors.runtime.flags import Flags, Strategy
from actors.runtime.tree import Status
from tests.conformance.cases import case
from tests.conformance.stage import Stage, Start, Stop, in_list_order


@case(47, "sup_stop_infinity")
def test_children_with_all_the_time_they_want_are_waited_for(stage: Stage) -> None:
    specs = [stage.child(name, shutdown_s=INFINITY) for name in "ab"]
    stage.start(*specs, flags=in_list_order())
    stage.stops("b", Stop.HOLD)

    stage.stop()
    stage.advance(600)
    assert stage.status("b") is Status.STOPPING
    assert stage.status("a") is Status.RUNNING
    stage.release("b")

    assert stage.over() is not None
    assert stage.reason("a") is stage.reason("b") is Reason.SHUTDOWN


@case(48, "sup_stop_timeout")
def test_a_child_that_takes_longer_than_its_time_is_abandoned_and_the_others_stop_in_order(stage: Stage) -> None:
    specs = [stage.child("a", shutdown_s=1), stage.child("b", shutdown_s=1), stage.child("c", shutdown_s=1)]
    stage.start(*specs, flags=in_list_order())
    stage.stops("b", Stop.HOLD)

    stage.stop()
    stage.advance(0.75)
    assert stage.over() is None
    stage.advance(0.25)

    assert stage.over() == ("asked", 0)
    assert [stage.reason(name) for name in "abc"] == [Reason.SHUTDOWN, Reason.KILLED, Reason.SHUTDOWN]
    assert stage.log[-3:] == ["-c", "-b", "-a"]


@case(48, "sup_stop_timeout")
def test_the_times_of_children_that_stop_one_after_the_other_add_up(stage: Stage) -> None:
    stage.start(*(stage.child(name, shutdown_s=2) for name in "abc"), flags=in_list_order())
    for name in "abc":
        stage.stops(name, Stop.HOLD)
    began = stage.now

    stage.stop()
    while stage.over() is None:
        stage.advance(0.5)

    assert stage.now - began == 6.0


@case(48, "sup_stop_timeout")
def test_a_supervisor_that_is_abandoned_takes_its_children_with_it(stage: Stage) -> None:
    inner = stage.nested("inner", stage.child("a"), stage.child("b"), flags=in_list_order(), shutdown_s=1)
    stage.start(inner, flags=in_list_order())
    stage.stops("b", Stop.HOLD)

    stage.terminate("inner")
    stage.advance(1)

    assert stage.reason("inner") is Reason.KILLED
    assert stage.alive == set()


@case(49, "sup_stop_brutal_kill")
def test_a_child_without_any_time_is_abandoned_at_once(stage: Stage) -> None:
    stage.start(stage.child("a"), stage.child("b", shutdown_s=0), flags=in_list_order())
    stage.stops("b", Stop.HOLD)

    stage.stop()

    assert stage.over() == ("asked", 0)
    assert [stage.reason(name) for name in "ab"] == [Reason.SHUTDOWN, Reason.KILLED]
    assert stage.log == ["+a", "+b", "-b", "-a"]


@case(49, "sup_stop_brutal_kill")
def test_children_without_any_time_are_restarted_as_a_group_all_the_same(stage: Stage) -> None:
    """More of them than there may be zombies: an abandoned thread that ends soon is none."""
    names = "abcdefghij"
    specs = [stage.child(name, shutdown_s=0) for name in names]
    stage.start(*specs, flags=in_list_order(strategy=Strategy.ONE_FOR_ALL))
    for name in names[1:]:
        stage.stops(name, Stop.LINGER)

    stage.crash("a")
    assert stage.over() is None
    stage.release_all()
    stage.advance(2)

    assert stage.over() is None
    assert stage.lives(*names) == (2,) * len(names)
    assert stage.runs(*names)


@case(50, "sup_stop_race")
@pytest.mark.parametrize("restart", Restart)
def test_children_that_end_by_themselves_during_a_shutdown_do_not_disturb_it(stage: Stage, restart: Restart) -> None:
    stage.start(*(stage.child(name, restart=restart) for name in "abcdef"), flags=in_list_order())
    stage.stops("f", Stop.HOLD)
    stage.stops("e", Stop.CRASH)

    stage.stop()
    stage.crash("a")
    stage.end("b", Reason.NORMAL)
    stage.end("c", Reason.SHUTDOWN)
    assert stage.over() is None
    stage.release("f")

    assert stage.over() == ("asked", 0)
    expected = [Reason.CRASH, Reason.NORMAL, Reason.SHUTDOWN, Reason.SHUTDOWN, Reason.CRASH, Reason.SHUTDOWN]
    assert [stage.reason(name) for name in "abcdef"] == expected
    assert stage.log[6:] == ["-a", "-b", "-c", "-f", "-e", "-d"]


@case(50, "sup_stop_race")
def test_a_child_that_crashes_while_it_is_told_to_stop_is_stopped(stage: Stage) -> None:
    stage.start(stage.child("a"), stage.child("b"), flags=in_list_order(intensity=0))
    stage.stops("a", Stop.CRASH)

    stage.terminate("a")

    assert stage.status("a") is Status.STOPPED
    assert stage.reason("a") is Reason.CRASH
    assert stage.runs("b")
    assert stage.over() is None


@case(51, "child_unlink")
def test_a_child_whose_thread_ended_without_a_report_is_found_out(stage: Stage) -> None:
    """OTP: a child drops its link to the supervisor. There are none here: its thread ends, and tells nobody."""
    stage.start(stage.child("a"), flags=in_list_order())

    stage.vanish("a")
    assert stage.status("a") is Status.RUNNING
    stage.advance(2)

    assert stage.which() == [("a", Status.RUNNING, 2)]


@case(51, "child_unlink")
@pytest.mark.parametrize("shutdown_s", [5.0, INFINITY])
def test_a_supervisor_does_not_wait_for_ever_for_a_child_that_ends_without_a_report(
    stage: Stage, shutdown_s: float
) -> None:
    stage.start(stage.child("a"), stage.child("b", shutdown_s=shutdown_s), flags=in_list_order())
    stage.stops("b", Stop.VANISH)

    stage.stop()
    assert stage.status("b") is Status.STOPPING
    stage.advance(2)

    assert stage.over() == ("asked", 0)
    assert stage.alive == set()


@case(52, "simple_one_for_one_shutdown")
def test_dynamic_children_stop_all_at_once(stage: Stage) -> None:
    stage.start(flags=Flags(dynamic=True))
    for name in "abc":
        stage.add(stage.child(name, shutdown_s=5))
        stage.stops(name, Stop.HOLD)
    began = stage.now

    stage.stop()
    assert {stage.status(name) for name in "abc"} == {Status.STOPPING}
    for name in "abc":
        stage.advance(1)
        stage.release(name)

    assert stage.over() is not None
    assert stage.now - began == 3.0
    assert {stage.reason(name) for name in "abc"} == {Reason.SHUTDOWN}


@case(53, "terminates children with expired integer shutdown")
def test_dynamic_children_that_take_too_long_are_abandoned_each_at_its_time(stage: Stage) -> None:
    stage.start(flags=Flags(dynamic=True))
    for name, shutdown_s in (("a", 1), ("b", 2), ("c", 3)):
        stage.add(stage.child(name, shutdown_s=shutdown_s))
        stage.stops(name, Stop.HOLD)
    began = stage.now

    stage.stop()
    stage.advance(2.5)
    assert [stage.reason(name) for name in "abc"] == [Reason.KILLED, Reason.KILLED, None]
    while stage.over() is None:
        stage.advance(0.25)

    assert stage.now - began == 3.0
    assert stage.reason("c") is Reason.KILLED


@case(53, "with mixed children")
def test_each_dynamic_child_is_stopped_in_its_own_way(stage: Stage) -> None:
    stage.start(flags=Flags(dynamic=True))
    stage.add(stage.child("brutal", shutdown_s=0))
    stage.add(stage.child("slow", shutdown_s=1))
    stage.add(stage.child("patient", shutdown_s=INFINITY))
    stage.add(stage.child("quick", shutdown_s=1))
    stage.add(stage.child("crashing", shutdown_s=1))
    for name, act in (("brutal", Stop.HOLD), ("slow", Stop.HOLD), ("patient", Stop.HOLD), ("crashing", Stop.CRASH)):
        stage.stops(name, act)

    stage.stop()
    stage.advance(10)
    assert stage.over() is None
    stage.release("patient")

    assert stage.over() == ("asked", 0)
    reasons = {name: stage.reason(name) for name in ("brutal", "slow", "patient", "quick", "crashing")}
    assert reasons == {
        "brutal": Reason.KILLED,
        "slow": Reason.KILLED,
        "patient": Reason.SHUTDOWN,
        "quick": Reason.SHUTDOWN,
        "crashing": Reason.CRASH,
    }


@case(53, "with mixed children")
def test_a_dynamic_child_that_has_not_come_up_is_stopped_too(stage: Stage) -> None:
    stage.start(flags=Flags(dynamic=True))
    stage.starts("a", Start.HOLD)
    request = stage.add(stage.child("a", shutdown_s=1))
    unanswered = request.outcome

    stage.stop()
    stage.advance(1)

    assert unanswered is None
    assert stage.over() is not None
    assert request.outcome is Outcome.ENDED
    assert stage.log == []
