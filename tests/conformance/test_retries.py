"""Cases 41 to 44: a child that does not come up again is tried again, and its supervisor serves others meanwhile."""

from __future__ import annotations

import pytest

from actors.runtime.child import Backoff
from actors.runtime.events import Outcome, Reason
from actors.runtime.flags import Flags, Strategy
from actors.runtime.tree import ChildCount, Status
from tests.conformance.cases import case
from tests.conformance.stage import SLOW, Stage, Start, in_list_order


def loop(stage: Stage, name: str) -> None:
    """Have the child crash and fail to start from now on; it is between two attempts."""
    stage.starts(name, then=Start.FAIL)
    stage.crash(name)
    stage.advance(1)
    assert stage.status(name) is Status.RESTARTING


@case(41, "hanging_restart_loop")
@pytest.mark.parametrize("strategy", Strategy)
def test_requests_are_served_while_a_child_fails_to_restart(stage: Stage, strategy: Strategy) -> None:
    spec = stage.child("a", backoff=SLOW)
    stage.start(spec, flags=in_list_order(strategy=strategy, intensity=8, period_s=10))
    loop(stage, "a")

    assert stage.add(spec).outcome is Outcome.ALREADY_PRESENT
    assert stage.restart("a").outcome is Outcome.RESTARTING
    assert stage.delete("a").outcome is Outcome.RESTARTING
    assert [(name, status) for name, status, _ in stage.which()] == [("a", Status.RESTARTING)]
    assert stage.count() == ChildCount(specs=1, active=0, supervisors=0, workers=1)

    assert stage.terminate("a").outcome is Outcome.DONE
    assert stage.status("a") is Status.STOPPED
    attempts = stage.log.count("!a")
    stage.advance(5)
    assert stage.log.count("!a") == attempts

    stage.starts("a")
    assert stage.restart("a").outcome is Outcome.DONE
    assert stage.runs("a")


@case(41, "hanging_restart_loop")
@pytest.mark.parametrize("strategy", Strategy)
def test_a_supervisor_stops_although_a_child_fails_to_restart(stage: Stage, strategy: Strategy) -> None:
    specs = [stage.child("a"), stage.child("b", backoff=SLOW)]
    stage.start(*specs, flags=in_list_order(strategy=strategy, intensity=8, period_s=10))
    loop(stage, "b")

    stage.stop()

    assert stage.over() == ("asked", 0)
    stage.advance(5)
    assert stage.alive == set()


@case(41, "hanging_restart_loop")
def test_a_supervisor_stops_although_a_restart_is_under_way(stage: Stage) -> None:
    stage.start(stage.child("a"), stage.child("b"), flags=in_list_order())
    stage.starts("b", Start.HOLD)
    stage.crash("b")
    assert stage.status("b") is Status.STARTING

    stage.stop()
    assert stage.status("b") is Status.STOPPING
    stage.advance(5)

    assert stage.over() == ("asked", 0)
    assert stage.reason("b") is Reason.KILLED
    assert stage.log == ["+a", "+b", "-b", "-a"]


@case(42, "hanging_restart_loop_rest_for_one")
def test_who_comes_after_one_that_fails_to_restart_is_down_and_who_comes_before_runs_on(stage: Stage) -> None:
    specs = [stage.child(name, backoff=SLOW) for name in "abc"]
    stage.start(*specs, flags=in_list_order(strategy=Strategy.REST_FOR_ONE, intensity=8, period_s=10))
    loop(stage, "b")

    assert stage.add(specs[1]).outcome is Outcome.ALREADY_PRESENT
    assert stage.restart("b").outcome is Outcome.RESTARTING
    assert stage.delete("b").outcome is Outcome.RESTARTING
    assert [(name, status) for name, status, _ in stage.which()] == [
        ("c", Status.WAITING),
        ("b", Status.RESTARTING),
        ("a", Status.RUNNING),
    ]
    assert stage.count() == ChildCount(specs=3, active=1, supervisors=0, workers=3)

    assert stage.terminate("b").outcome is Outcome.DONE
    assert [status for _, status, _ in stage.which()] == [Status.STOPPED, Status.STOPPED, Status.RUNNING]
    assert stage.lives("a") == (1,)

    stage.starts("b")
    assert stage.restart("b").outcome is Outcome.DONE
    assert stage.restart("c").outcome is Outcome.DONE
    assert stage.runs("a", "b", "c")

    loop(stage, "b")
    stage.stop()
    assert stage.over() == ("asked", 0)


@case(42, "hanging_restart_loop_rest_for_one")
@pytest.mark.parametrize("crashed", ["a", "b", "c"])
def test_the_rest_comes_back_with_the_one_that_failed_to_restart(stage: Stage, crashed: str) -> None:
    specs = [stage.child(name, backoff=SLOW) for name in "abc"]
    stage.start(*specs, flags=in_list_order(strategy=Strategy.REST_FOR_ONE, intensity=8, period_s=10))
    loop(stage, crashed)

    stage.starts(crashed)
    stage.advance(1)

    assert stage.runs("a", "b", "c")
    before = [name for name in "abc" if name < crashed]
    assert stage.lives(*before) == (1,) * len(before)


@case(42, "hanging_restart_loop_rest_for_one")
@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
def test_a_sibling_that_was_stopped_and_is_asked_for_comes_up_with_the_others_and_once(
    stage: Stage, strategy: Strategy
) -> None:
    """OTP starts it at once, and then again with the others."""
    specs = [stage.child(name, backoff=SLOW) for name in "ab"]
    stage.start(*specs, flags=in_list_order(strategy=strategy, intensity=8, period_s=10))
    loop(stage, "a")
    stage.terminate("b")
    assert stage.status("b") is Status.STOPPED

    request = stage.restart("b")
    unanswered = request.outcome
    stage.log.clear()
    stage.starts("a")
    stage.advance(1)

    assert unanswered is None
    assert request.outcome is Outcome.DONE
    assert stage.log == ["+a", "+b"]


@case(42, "hanging_restart_loop_rest_for_one")
@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("given_up", [False, True])
def test_a_child_that_is_added_meanwhile_comes_up_whether_or_not_the_other_does(
    stage: Stage, strategy: Strategy, given_up: bool
) -> None:
    """OTP starts it at once: here it waits for those before it."""
    stage.start(stage.child("a", backoff=SLOW), flags=in_list_order(strategy=strategy, intensity=8, period_s=10))
    loop(stage, "a")

    request = stage.add(stage.child("b"))
    if given_up:
        stage.terminate("a")
    else:
        stage.starts("a")
        stage.advance(1)

    assert request.outcome is Outcome.DONE
    assert stage.status("a") is (Status.STOPPED if given_up else Status.RUNNING)
    assert stage.lives("b") == (1,)


@case(43, "child is restarted when trying again")
def test_a_second_attempt_that_works_leaves_one_child_and_two_restarts_counted(stage: Stage) -> None:
    stage.start(flags=Flags(dynamic=True, intensity=2))
    stage.add(stage.child("a"))
    stage.starts("a", Start.FAIL)

    stage.crash("a")

    assert stage.which() == [("a", Status.RUNNING, 3)]
    assert len(stage.trees["supervisor"].restarts) == 2
    assert stage.count() == ChildCount(specs=1, active=1, supervisors=0, workers=1)


@case(44, "child triggers maximum intensity when trying again")
def test_attempts_alone_exhaust_the_intensity(stage: Stage) -> None:
    stage.start(flags=Flags(dynamic=True, intensity=10))
    stage.add(stage.child("a"))
    stage.starts("a", then=Start.FAIL)

    stage.crash("a")

    assert str(stage.over()).startswith("('a exceeded 10 restarts")
    assert stage.log == ["+a", "-a", *["!a"] * 10]


@case(44, "child triggers maximum intensity when trying again")
def test_a_backoff_spreads_the_attempts_and_does_not_forgive_them(stage: Stage) -> None:
    backoff = Backoff(first_s=0, min_s=1, max_s=4, jitter=0)
    stage.start(stage.child("a", backoff=backoff), flags=in_list_order(intensity=4, period_s=60))
    stage.starts("a", then=Start.FAIL)
    stage.crash("a")

    attempts = []
    for _ in range(8):
        attempts.append(stage.log.count("!a"))
        stage.advance(1)

    assert attempts == [1, 2, 2, 3, 3, 3, 3, 4]
    assert stage.over() is not None
