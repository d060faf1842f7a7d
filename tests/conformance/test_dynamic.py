"""Cases 60 to 64: children that come and go."""

from __future__ import annotations

import time

import pytest

from actors.runtime.child import Restart
from actors.runtime.events import Outcome, Reason
from actors.runtime.flags import Flags
from actors.runtime.tree import ChildCount, Status
from tests.conformance.cases import case
from tests.conformance.stage import SLOW, Stage, Start
from tests.conformance.test_restart_types import ABNORMAL, ORDERLY, REASONS, finish


@case(60, "with max_children")
@pytest.mark.parametrize("limit", [0, 1, 3])
def test_there_are_no_more_children_than_there_may_be(stage: Stage, limit: int) -> None:
    stage.start(flags=Flags(dynamic=True, max_children=limit))
    for number in range(limit):
        assert stage.add(stage.child(f"w{number}")).outcome is Outcome.DONE

    assert stage.add(stage.child("more")).outcome is Outcome.MAX_CHILDREN

    assert stage.count() == ChildCount(specs=limit, active=limit, supervisors=0, workers=limit)
    if limit:
        stage.terminate("w0")
        assert stage.add(stage.child("more")).outcome is Outcome.DONE


@case(60, "restarting on init children counted in max_children")
@case(60, "restarting on exit children counted in max_children")
@pytest.mark.parametrize("reason", ABNORMAL)
def test_one_that_is_being_restarted_counts_as_one_there_is(stage: Stage, reason: Reason) -> None:
    stage.start(flags=Flags(dynamic=True, max_children=1, intensity=100))
    stage.add(stage.child("a", backoff=SLOW))
    stage.starts("a", then=Start.FAIL)

    finish(stage, "a", reason)

    assert stage.status("a") is Status.RESTARTING
    assert stage.add(stage.child("b")).outcome is Outcome.MAX_CHILDREN
    assert stage.count() == ChildCount(specs=1, active=0, supervisors=0, workers=1)


@case(60, "restarting on init children counted in max_children")
def test_one_that_has_not_come_up_yet_counts_as_one_there_is(stage: Stage) -> None:
    stage.start(flags=Flags(dynamic=True, max_children=1))
    stage.starts("a", Start.HOLD)
    first = stage.add(stage.child("a"))
    assert first.outcome is None

    assert stage.add(stage.child("b")).outcome is Outcome.MAX_CHILDREN

    stage.release("a")
    assert first.outcome is Outcome.DONE


@case(61, "temporary child is not restarted regardless of reason")
@case(61, "permanent child is restarted regardless of reason")
@case(61, "transient child is restarted unless normal/shutdown/{shutdown, _}")
@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("restart", Restart)
def test_a_dynamic_child_is_restarted_as_any_other_and_otherwise_forgotten(
    stage: Stage, restart: Restart, reason: Reason
) -> None:
    stage.start(flags=Flags(dynamic=True))
    stage.add(stage.child("a", restart=restart))

    finish(stage, "a", reason)

    again = {Restart.PERMANENT: True, Restart.TEMPORARY: False, Restart.TRANSIENT: reason not in ORDERLY}[restart]
    assert stage.which() == ([("a", Status.RUNNING, 2)] if again else [])
    assert stage.count().active == int(again)
    assert stage.over() is None


@case(62, "terminates restarting child")
def test_a_child_that_is_being_restarted_can_be_terminated_and_is_gone(stage: Stage) -> None:
    stage.start(flags=Flags(dynamic=True, intensity=100))
    stage.add(stage.child("a", backoff=SLOW))
    stage.starts("a", then=Start.FAIL)
    stage.crash("a")
    assert stage.status("a") is Status.RESTARTING

    assert stage.terminate("a").outcome is Outcome.DONE

    assert stage.terminate("a").outcome is Outcome.NOT_FOUND
    assert stage.count() == ChildCount(specs=0, active=0, supervisors=0, workers=0)
    stage.starts("a")
    stage.advance(5)
    assert stage.log == ["+a", "-a", "!a"]


@case(62, "terminates restarting child")
def test_a_dynamic_child_is_neither_restarted_nor_deleted_by_request(stage: Stage) -> None:
    stage.start(flags=Flags(dynamic=True))
    stage.add(stage.child("a"))

    assert stage.restart("a").outcome is Outcome.DYNAMIC
    assert stage.delete("a").outcome is Outcome.DYNAMIC

    assert stage.lives("a") == (1,)


@case(63, "simple_one_for_one_restart_ignore")
@pytest.mark.parametrize("restart", [Restart.PERMANENT, Restart.TRANSIENT])
def test_a_dynamic_child_that_has_nothing_to_do_any_more_is_forgotten(stage: Stage, restart: Restart) -> None:
    stage.start(flags=Flags(dynamic=True))
    stage.add(stage.child("a", restart=restart))
    stage.starts("a", Start.IGNORE)

    stage.crash("a")

    assert stage.which() == []
    assert stage.log == ["+a", "-a", "~a"]
    assert stage.over() is None


@case(64, "scale_start_stop_many_children")
@pytest.mark.parametrize("dynamic", [False, True])
def test_ten_times_the_children_cost_about_ten_times_as_much(stage: Stage, dynamic: bool) -> None:
    """OTP goes up to 100,000; a thread each sets a lower limit here. A cost of n squared would be a hundred times."""

    def seconds(children: int) -> float:
        fresh = type(stage)()
        names = [f"w{number}" for number in range(children)]
        specs = [fresh.child(name) for name in names]
        began = time.process_time()
        if dynamic:
            fresh.start(flags=Flags(dynamic=True, intensity=children))
            fresh.add_all(*specs)
        else:
            fresh.start(*specs, flags=Flags(intensity=children))
        fresh.crash_all(*names)
        fresh.stop()
        assert fresh.over() == ("asked", 0)
        return time.process_time() - began

    few, many = (min(seconds(children) for _ in range(3)) for children in (stage.crowd // 10, stage.crowd))

    assert many < 40 * few
