"""Cases 7 to 14: the first start of a list of children, and its failures."""

from __future__ import annotations

import pytest

from actors.runtime.child import Restart
from actors.runtime.events import Outcome, Reason
from actors.runtime.flags import Flags, Strategy
from actors.runtime.tree import ChildCount, Status
from tests.conformance.cases import case
from tests.conformance.stage import Stage, Start, in_list_order


@case(7, "sup_start_normal")
def test_a_supervisor_without_children_starts_and_stops(stage: Stage) -> None:
    stage.start(flags=in_list_order())
    assert stage.over() is None

    stage.stop()

    assert stage.over() == ("asked", 0)


@case(7, "sup_start_normal")
def test_one_without_children_that_is_itself_a_child_ends_by_a_shutdown(stage: Stage) -> None:
    stage.start(stage.nested("inner", flags=in_list_order()), flags=in_list_order())
    assert stage.runs("inner")

    stage.terminate("inner")

    assert stage.reason("inner") is Reason.SHUTDOWN


@case(8, "sup_start_ignore_child")
def test_a_permanent_child_with_nothing_to_do_is_kept_and_does_not_run(stage: Stage) -> None:
    stage.starts("a", Start.IGNORE)
    stage.start(stage.child("a"), stage.child("b"), flags=in_list_order())

    assert stage.which() == [("b", Status.RUNNING, 1), ("a", Status.STOPPED, 1)]
    assert stage.count() == ChildCount(specs=2, active=1, supervisors=0, workers=2)


@case(9, "sup_start_ignore_temporary_child")
def test_a_temporary_child_with_nothing_to_do_is_not_kept(stage: Stage) -> None:
    stage.starts("a", Start.IGNORE)
    stage.start(stage.child("a", restart=Restart.TEMPORARY), stage.child("b"), flags=in_list_order())

    assert stage.which() == [("b", Status.RUNNING, 1)]
    assert stage.count() == ChildCount(specs=1, active=1, supervisors=0, workers=1)


@case(9, "sup_start_ignore_temporary_child_start_child")
@pytest.mark.parametrize("restart", Restart)
def test_a_child_with_nothing_to_do_that_is_asked_for_is_kept_unless_it_is_temporary(
    stage: Stage, restart: Restart
) -> None:
    stage.start(flags=in_list_order())
    stage.starts("a", Start.IGNORE)

    assert stage.add(stage.child("a", restart=restart)).outcome is Outcome.IGNORED

    kept = [] if restart is Restart.TEMPORARY else ["a"]
    assert [name for name, _, _ in stage.which()] == kept
    assert stage.count().active == 0


@case(10, "faulty_application_shutdown")
def test_a_first_start_that_fails_stops_the_earlier_children_in_reverse_and_the_supervisor_never_was(
    stage: Stage,
) -> None:
    stage.starts("c", Start.FAIL)
    stage.start(*(stage.child(name) for name in "abcd"), flags=in_list_order())

    assert stage.over() == ("c did not start: RuntimeError: c cannot start", 70)
    assert stage.log == ["+a", "+b", "!c", "-b", "-a"]


@case(10, "faulty_application_shutdown")
def test_an_inner_supervisor_with_a_child_that_does_not_start_has_not_started_itself(stage: Stage) -> None:
    stage.starts("b", Start.FAIL)
    inner = stage.nested("inner", stage.child("a"), stage.child("b"), flags=in_list_order())
    stage.start(stage.child("before"), inner, stage.child("after"), flags=in_list_order())

    assert stage.over() == ("inner did not start: b did not start: RuntimeError: b cannot start", 70)
    assert stage.log == ["+before", "+a", "!b", "-a", "-before"]


@case(11, "sup_start_child_returns_error")
@pytest.mark.parametrize("flags", [in_list_order(), Flags(dynamic=True)], ids=["listed", "dynamic"])
def test_a_child_that_is_asked_for_and_does_not_start_is_discarded(stage: Stage, flags: Flags) -> None:
    stage.start(flags=flags)
    stage.starts("a", Start.FAIL)

    request = stage.add(stage.child("a"))

    assert request.outcome is Outcome.START_FAILED
    assert "a cannot start" in request.info
    assert stage.which() == []
    assert stage.over() is None


@case(12, "sup_start_restart_child_returns_error")
def test_a_restart_by_request_that_fails_leaves_the_child_stopped(stage: Stage) -> None:
    stage.start(stage.child("a"), flags=in_list_order(intensity=0))
    stage.terminate("a")
    stage.starts("a", Start.FAIL)

    assert stage.restart("a").outcome is Outcome.START_FAILED

    assert stage.status("a") is Status.STOPPED
    assert stage.count() == ChildCount(specs=1, active=0, supervisors=0, workers=1)
    assert stage.restart("a").outcome is Outcome.DONE


@case(13, "already_started_outside_supervisor")
def test_a_name_that_another_supervisor_uses_is_taken_and_its_owner_never_notices(stage: Stage) -> None:
    """The machine knows its own children alone: on the pure stage it is the world that says who else has the name."""
    inner = stage.nested("inner", stage.child("theirs"), flags=in_list_order())
    stage.start(inner, flags=in_list_order())
    lives = stage.lives("inner", "theirs")

    assert stage.add(stage.child("theirs")).outcome is Outcome.ALREADY_STARTED

    assert stage.lives("inner", "theirs") == lives
    assert stage.runs("inner", "theirs")
    assert [name for name, _, _ in stage.which()] == ["inner"]
    assert stage.log == ["+theirs"]


@case(14, "order_of_children")
def test_children_start_as_listed_restart_in_that_order_and_stop_in_reverse(stage: Stage) -> None:
    names = ["ebba", "anders", "gustav", "bo", "cilla"]
    stage.start(*(stage.child(name) for name in names), flags=in_list_order(strategy=Strategy.REST_FOR_ONE))
    assert stage.log == [f"+{name}" for name in names]
    stage.log.clear()

    stage.crash("gustav")

    assert stage.log == ["-gustav", "-cilla", "-bo", "+gustav", "+bo", "+cilla"]
    stage.log.clear()

    stage.stop()

    assert stage.log == [f"-{name}" for name in reversed(names)]


@case(14, "order_of_children")
def test_order_follows_the_list_also_where_one_depends_on_another(stage: Stage) -> None:
    specs = [stage.child("c"), stage.child("b", depends_on=("c",)), stage.child("a", depends_on=("b", "c"))]
    stage.start(*specs, flags=Flags())
    assert stage.log == ["+c", "+b", "+a"]
    stage.log.clear()

    stage.stop()

    assert stage.log == ["-a", "-b", "-c"]
