"""Cases 32 to 40: who is restarted because of whom, and when a supervisor gives up."""

from __future__ import annotations

import pytest

from actors.runtime.events import Reason
from actors.runtime.flags import Strategy
from actors.runtime.passage import ALIVE
from actors.runtime.tree import Status
from tests.conformance.cases import case
from tests.conformance.stage import Stage, Start, in_list_order


def gave_up(stage: Stage) -> str:
    """Why the outermost supervisor gave up; every child is down then."""
    why, exit_code = stage.over() or ("", 0)
    assert exit_code == 70
    assert stage.alive == set()
    assert not any(child.status in ALIVE for child in stage.children().values())
    return why


@case(32, "one_for_one")
def test_one_for_one_leaves_siblings_alone_and_gives_up_at_one_restart_too_many(stage: Stage) -> None:
    stage.start(stage.child("a"), stage.child("b"), flags=in_list_order(intensity=2, period_s=3600))
    stage.crash("a")
    assert stage.lives("a", "b") == (2, 1)
    stage.crash("a")
    assert stage.lives("a", "b") == (3, 1)

    stage.crash("a")

    assert gave_up(stage).startswith("a exceeded 2 restarts in 3600 s: ")
    assert stage.reason("b") is Reason.SHUTDOWN


@case(32, "one_for_one")
def test_siblings_share_one_intensity(stage: Stage) -> None:
    stage.start(stage.child("a"), stage.child("b"), flags=in_list_order(intensity=2, period_s=3600))
    stage.crash("a")
    stage.crash("b")
    assert stage.lives("a", "b") == (2, 2)

    stage.crash("a")

    assert gave_up(stage).startswith("a exceeded 2 restarts")


@case(32, "one_for_one")
def test_an_intensity_of_zero_allows_no_restart(stage: Stage) -> None:
    stage.start(stage.child("a"), flags=in_list_order(intensity=0))

    stage.crash("a")

    gave_up(stage)
    assert stage.log == ["+a", "-a"]


@case(33, "multiple_restarts")
def test_restarts_that_are_older_than_the_period_do_not_count(stage: Stage) -> None:
    stage.start(stage.child("a"), flags=in_list_order(intensity=1, period_s=1))

    for _ in range(3):
        stage.crash("a")
        stage.advance(2.1)

    assert stage.which() == [("a", Status.RUNNING, 4)]


@case(33, "multiple_restarts")
def test_one_that_is_exactly_as_old_as_the_period_still_counts(stage: Stage) -> None:
    stage.start(stage.child("a"), flags=in_list_order(intensity=1, period_s=2))
    stage.crash("a")
    stage.advance(2)

    stage.crash("a")

    gave_up(stage)


@case(34, "one_for_one_escalation")
def test_one_for_one_gives_up_on_a_child_that_cannot_be_started_again(stage: Stage) -> None:
    stage.start(stage.child("a"), stage.child("b"), flags=in_list_order(intensity=4))
    stage.starts("a", then=Start.FAIL)

    stage.crash("a")

    assert gave_up(stage).endswith("RuntimeError: a cannot start")
    assert stage.log == ["+a", "+b", "-a", "!a", "!a", "!a", "!a", "-b"]


@case(35, "one_for_all")
@pytest.mark.parametrize("crashed", ["a", "b", "c"])
def test_one_for_all_gives_every_child_a_new_life(stage: Stage, crashed: str) -> None:
    flags = in_list_order(strategy=Strategy.ONE_FOR_ALL, intensity=2, period_s=3600)
    stage.start(*(stage.child(name) for name in "abc"), flags=flags)
    stage.log.clear()

    stage.crash(crashed)

    others = [f"-{name}" for name in "cba" if name != crashed]
    assert stage.log == [f"-{crashed}", *others, "+a", "+b", "+c"]
    assert stage.lives("a", "b", "c") == (2, 2, 2)
    stage.crash("a")
    assert stage.lives("a", "b", "c") == (3, 3, 3)
    stage.crash(crashed)
    gave_up(stage)


@case(35, "one_for_all")
def test_one_for_all_starts_also_those_that_had_been_stopped(stage: Stage) -> None:
    flags = in_list_order(strategy=Strategy.ONE_FOR_ALL)
    stage.start(*(stage.child(name) for name in "abc"), flags=flags)
    stage.terminate("b")

    stage.crash("c")

    assert stage.lives("a", "b", "c") == (2, 2, 2)
    assert stage.runs("a", "b", "c")


@case(36, "one_for_all_escalation")
def test_one_for_all_gives_up_when_a_sibling_cannot_be_started_again(stage: Stage) -> None:
    flags = in_list_order(strategy=Strategy.ONE_FOR_ALL, intensity=4)
    stage.start(stage.child("a"), stage.child("b"), flags=flags)
    stage.starts("b", then=Start.FAIL)
    stage.log.clear()

    stage.crash("a")

    assert gave_up(stage).startswith("b exceeded 4 restarts")
    assert stage.log == ["-a", "-b", *["+a", "!b", "-a"] * 4]


@case(37, "one_for_all_other_child_fails_restart")
def test_one_for_all_stops_again_who_had_come_up_before_one_that_did_not(stage: Stage) -> None:
    flags = in_list_order(strategy=Strategy.ONE_FOR_ALL, intensity=3)
    stage.start(stage.child("a"), stage.child("b"), flags=flags)
    stage.starts("b", Start.FAIL)
    stage.log.clear()

    stage.crash("a")

    assert stage.log == ["-a", "-b", "+a", "!b", "-a", "+a", "+b"]
    assert stage.reason("a") is Reason.SHUTDOWN
    assert stage.runs("a", "b")


@case(38, "rest_for_one")
def test_rest_for_one_restarts_those_that_start_after_it(stage: Stage) -> None:
    flags = in_list_order(strategy=Strategy.REST_FOR_ONE, intensity=2, period_s=3600)
    stage.start(*(stage.child(name) for name in "abc"), flags=flags)
    stage.log.clear()

    stage.crash("b")

    assert stage.log == ["-b", "-c", "+b", "+c"]
    assert stage.lives("a", "b", "c") == (1, 2, 2)
    stage.crash("b")
    assert stage.lives("a", "b", "c") == (1, 3, 3)
    stage.crash("b")
    gave_up(stage)


@case(38, "rest_for_one")
def test_rest_for_one_counts_a_restart_of_several_once(stage: Stage) -> None:
    flags = in_list_order(strategy=Strategy.REST_FOR_ONE, intensity=1, period_s=3600)
    stage.start(*(stage.child(name) for name in "abc"), flags=flags)

    stage.crash("a")

    assert stage.lives("a", "b", "c") == (2, 2, 2)
    assert stage.over() is None


@case(39, "rest_for_one_escalation")
def test_rest_for_one_gives_up_when_a_later_sibling_cannot_be_started_again(stage: Stage) -> None:
    flags = in_list_order(strategy=Strategy.REST_FOR_ONE, intensity=4)
    stage.start(stage.child("a"), stage.child("b"), flags=flags)
    stage.starts("b", then=Start.FAIL)
    stage.log.clear()

    stage.crash("a")

    assert gave_up(stage).startswith("b exceeded 4 restarts")
    assert stage.log == ["-a", "-b", "+a", "!b", "!b", "!b", "!b", "-a"]


@case(40, "rest_for_one_other_child_fails_restart")
def test_rest_for_one_tries_again_only_with_the_one_that_did_not_come_up(stage: Stage) -> None:
    flags = in_list_order(strategy=Strategy.REST_FOR_ONE, intensity=3)
    stage.start(stage.child("a"), stage.child("b"), flags=flags)
    stage.starts("b", Start.FAIL)
    stage.log.clear()

    stage.crash("a")

    assert stage.log == ["-a", "-b", "+a", "!b", "+b"]
    assert stage.lives("a", "b") == (2, 3)
