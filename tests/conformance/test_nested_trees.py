"""Cases 45 and 46: supervisors below supervisors."""

from __future__ import annotations

from actors.runtime.child import Restart
from actors.runtime.events import Outcome, Reason
from actors.runtime.flags import Strategy
from actors.runtime.tree import Status
from tests.conformance.cases import case
from tests.conformance.stage import Stage, in_list_order


def grow(stage: Stage) -> None:
    """Three levels: a one_for_all supervisor over two more, the first with two workers, the second with none."""
    first = stage.nested("first", stage.child("a"), stage.child("b"), flags=in_list_order(intensity=4, period_s=3600))
    second = stage.nested("second", flags=in_list_order(intensity=4, period_s=3600))
    middle = stage.nested(
        "middle", first, second, flags=in_list_order(strategy=Strategy.ONE_FOR_ALL, intensity=4, period_s=3600)
    )
    stage.start(middle, flags=in_list_order())


@case(45, "tree")
def test_a_fault_is_dealt_with_by_the_smallest_part_of_the_tree_that_can(stage: Stage) -> None:
    grow(stage)
    assert stage.add(stage.child("c"), to="second").outcome is Outcome.DONE
    assert stage.runs("middle", "first", "second", "a", "b", "c")

    stage.crash("a")
    assert stage.lives("a", "b", "first", "second", "c", "middle") == (2, 1, 1, 1, 1, 1)

    stage.crash("c")
    assert stage.lives("a", "b", "first", "second", "c", "middle") == (2, 1, 1, 1, 2, 1)

    assert stage.terminate("second", of="middle").outcome is Outcome.DONE
    assert stage.status("second") is Status.STOPPED

    for _ in range(4):
        stage.crash("a")

    assert stage.runs("middle", "first", "second", "a", "b")
    assert stage.status("c") is None
    assert stage.which("second") == []
    assert stage.lives("first", "second", "middle") == (2, 2, 1)
    stage.crash("b")
    assert stage.lives("first") == (2,)
    assert stage.runs("a", "b")


@case(45, "tree")
def test_what_an_inner_supervisor_had_was_stopped_before_it_starts_anew(stage: Stage) -> None:
    grow(stage)
    stage.add(stage.child("c"), to="second")
    stage.log.clear()

    for _ in range(5):
        stage.crash("a")

    assert stage.log == [*["-a", "+a"] * 4, "-a", "-b", "-c", "+a", "+b"]


@case(45, "tree")
def test_a_supervisor_that_gave_up_ended_by_a_shutdown_after_which_a_transient_one_stays_down(stage: Stage) -> None:
    permanent = stage.nested("permanent", stage.child("a"), flags=in_list_order(intensity=0))
    transient = stage.nested("transient", stage.child("b"), flags=in_list_order(intensity=0), restart=Restart.TRANSIENT)
    stage.start(permanent, transient, flags=in_list_order())

    stage.crash("a")
    stage.crash("b")

    assert stage.reason("permanent") is stage.reason("transient") is Reason.SHUTDOWN
    assert stage.runs("permanent", "a")
    assert stage.status("transient") is Status.STOPPED
    assert stage.over() is None


@case(46, "simple_global_supervisor")
def test_an_inner_supervisor_that_crashed_comes_back_with_its_worker_under_the_same_names(stage: Stage) -> None:
    inner = stage.nested("inner", stage.child("a"), stage.child("b"), flags=in_list_order())
    stage.start(inner, stage.child("sibling"), flags=in_list_order())
    before = stage.lives("inner", "a", "b")

    stage.crash("inner")

    assert stage.runs("inner", "a", "b", "sibling")
    assert all(new > old for new, old in zip(stage.lives("inner", "a", "b"), before, strict=True))
    assert stage.lives("sibling") == (1,)
    assert stage.log == ["+a", "+b", "+sibling", "-b", "-a", "+a", "+b"]
    stage.crash("a")
    assert stage.runs("a")
