"""Cases 15 to 20: what may be asked of a supervisor about its children."""

from __future__ import annotations

import pytest

from actors.runtime.child import Restart
from actors.runtime.events import Outcome, Reason
from actors.runtime.flags import Flags
from actors.runtime.tree import ChildCount, Status
from tests.conformance.cases import case
from tests.conformance.stage import SLOW, Stage, Start, in_list_order


@case(15, "child_adm")
def test_the_life_of_a_child_by_requests(stage: Stage) -> None:
    stage.start(flags=in_list_order())
    spec = stage.child("a")

    assert stage.add(spec).outcome is Outcome.DONE
    assert stage.add(spec).outcome is Outcome.ALREADY_STARTED
    assert stage.restart("a").outcome is Outcome.RUNNING
    assert stage.delete("a").outcome is Outcome.RUNNING
    assert stage.count() == ChildCount(specs=1, active=1, supervisors=0, workers=1)

    assert stage.terminate("a").outcome is Outcome.DONE
    assert stage.reason("a") is Reason.SHUTDOWN
    assert stage.which() == [("a", Status.STOPPED, 1)]
    assert stage.terminate("a").outcome is Outcome.DONE
    assert stage.add(spec).outcome is Outcome.ALREADY_PRESENT
    assert stage.count() == ChildCount(specs=1, active=0, supervisors=0, workers=1)

    assert stage.restart("a").outcome is Outcome.DONE
    assert stage.which() == [("a", Status.RUNNING, 2)]
    assert stage.delete("a").outcome is Outcome.RUNNING

    assert stage.terminate("a").outcome is Outcome.DONE
    assert stage.delete("a").outcome is Outcome.DONE
    assert stage.which() == []
    for ask in (stage.restart, stage.terminate, stage.delete):
        assert ask("a").outcome is Outcome.NOT_FOUND
    assert stage.log == ["+a", "-a", "+a", "-a"]


@case(15, "child_adm")
def test_a_name_that_was_deleted_can_be_used_again_by_a_later_incarnation(stage: Stage) -> None:
    stage.start(stage.child("a"), flags=in_list_order())
    stage.terminate("a")
    stage.delete("a")

    assert stage.add(stage.child("a")).outcome is Outcome.DONE

    assert stage.runs("a")
    stage.crash("a")
    assert stage.runs("a")


@case(16, "child_adm")
def test_a_request_about_anything_that_is_no_childs_name_is_refused(stage: Stage) -> None:
    """OTP: a process id is no child id. Here: what an incarnation is called elsewhere is no child's name."""
    stage.start(stage.nested("inner", stage.child("a"), flags=in_list_order()), flags=in_list_order())
    (life,) = stage.lives("a")

    for name in (f"a#{life}", "inner.a", "a"):
        assert stage.terminate(name).outcome is Outcome.NOT_FOUND

    assert stage.lives("a") == (life,)
    assert stage.runs("a", "inner")


@case(17, "extra_return")
def test_what_a_start_tells_reaches_whoever_asked_for_it_unchanged(stage: Stage) -> None:
    stage.start(flags=in_list_order())
    told = {"port": 4711}
    stage.informs("a", told)

    assert stage.add(stage.child("a")).info is told
    stage.terminate("a")
    assert stage.restart("a").info is told

    stage.crash("a")
    assert stage.runs("a")


@case(17, "extra_return")
def test_what_a_first_start_tells_is_of_no_interest_to_the_supervisor(stage: Stage) -> None:
    stage.informs("a", object())
    stage.start(stage.child("a"), stage.child("b"), flags=in_list_order())

    assert stage.runs("a", "b")


@case(18, "which_children")
def test_children_are_shown_newest_first_and_stopped_ones_as_such(stage: Stage) -> None:
    """OTP's `which_child` of an unknown name is `not_found`: here it is not among them."""
    stage.start(stage.child("a"), stage.child("b"), flags=in_list_order())
    stage.add(stage.child("c"))
    stage.terminate("b")

    assert stage.which() == [("c", Status.RUNNING, 1), ("b", Status.STOPPED, 1), ("a", Status.RUNNING, 1)]
    assert stage.status("d") is None


@case(19, "count_children")
@pytest.mark.parametrize("dynamic", [False, True])
def test_counts_are_right_for_many_and_when_all_are_gone(stage: Stage, dynamic: bool) -> None:
    """OTP counts 1,000 and 2,000; so does the pure stage, while that with threads has fewer."""
    many = stage.crowd
    stage.start(flags=Flags(dynamic=True) if dynamic else in_list_order())
    names = [f"w{number}" for number in range(2 * many)]
    specs = [stage.child(name, restart=Restart.TEMPORARY) for name in names]

    stage.add_all(*specs[:many])
    assert stage.count() == ChildCount(specs=many, active=many, supervisors=0, workers=many)
    stage.add_all(*specs[many:])
    assert stage.count() == ChildCount(specs=2 * many, active=2 * many, supervisors=0, workers=2 * many)

    stage.crash_all(*names)

    assert stage.count() == ChildCount(specs=0, active=0, supervisors=0, workers=0)
    assert stage.over() is None


@case(19, "count_children_supervisor")
def test_supervisors_and_workers_are_counted_apart(stage: Stage) -> None:
    inner = [stage.nested(f"s{number}", flags=in_list_order()) for number in range(20)]
    workers = [stage.child(f"w{number}") for number in range(30)]
    stage.start(*inner, *workers, flags=in_list_order())
    assert stage.count() == ChildCount(specs=50, active=50, supervisors=20, workers=30)

    for spec in (*inner, *workers):
        stage.terminate(spec.name)

    assert stage.count() == ChildCount(specs=50, active=0, supervisors=20, workers=30)


@case(20, "count_restarting_children")
def test_children_that_do_not_come_back_are_not_active_until_they_do(stage: Stage) -> None:
    specs = [stage.child(name, backoff=SLOW) for name in "abc"]
    stage.start(*specs, flags=in_list_order(intensity=10, period_s=10))
    for name in "ab":
        stage.starts(name, then=Start.FAIL)
        stage.crash(name)
    assert stage.status("a") is stage.status("b") is Status.RESTARTING
    assert stage.count() == ChildCount(specs=3, active=1, supervisors=0, workers=3)

    stage.advance(1)
    assert stage.count() == ChildCount(specs=3, active=1, supervisors=0, workers=3)

    stage.starts("a")
    stage.starts("b")
    stage.advance(1)
    assert stage.count() == ChildCount(specs=3, active=3, supervisors=0, workers=3)
