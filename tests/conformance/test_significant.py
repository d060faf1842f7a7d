"""Cases 54 to 59: children whose end ends their supervisor."""

from __future__ import annotations

import pytest

from actors.runtime.child import Restart
from actors.runtime.events import Reason
from actors.runtime.flags import AutoShutdown, Strategy
from actors.runtime.tree import Status
from tests.conformance.cases import case
from tests.conformance.stage import Stage, in_list_order

MODES = [AutoShutdown.ANY_SIGNIFICANT, AutoShutdown.ALL_SIGNIFICANT]


@case(54, "nonsignificant_temporary")
@pytest.mark.parametrize("mode", AutoShutdown)
def test_a_temporary_child_that_is_not_significant_never_ends_its_supervisor(stage: Stage, mode: AutoShutdown) -> None:
    specs = [stage.child(name, restart=Restart.TEMPORARY) for name in "abcd"]
    stage.start(*specs, flags=in_list_order(auto_shutdown=mode))

    stage.terminate("a")
    stage.end("b")
    stage.crash("c")
    stage.kill("d")

    assert stage.which() == []
    assert stage.over() is None


@case(54, "nonsignificant_transient")
@pytest.mark.parametrize("mode", AutoShutdown)
def test_a_transient_child_that_is_not_significant_never_ends_its_supervisor(stage: Stage, mode: AutoShutdown) -> None:
    specs = [stage.child(name, restart=Restart.TRANSIENT) for name in "abcd"]
    stage.start(*specs, flags=in_list_order(auto_shutdown=mode))

    stage.terminate("a")
    stage.end("b")
    stage.end("c", Reason.SHUTDOWN)
    stage.crash("d")

    assert stage.lives("a", "b", "c", "d") == (1, 1, 1, 2)
    assert stage.over() is None


@case(55, "significant_temporary")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("ended", ["kill", "crash", "normal", "shutdown"])
def test_a_significant_temporary_child_ends_its_supervisor_however_it_ends(
    stage: Stage, mode: AutoShutdown, ended: str
) -> None:
    specs = [stage.child("a", restart=Restart.TEMPORARY, significant=True), stage.child("b")]
    stage.start(*specs, flags=in_list_order(auto_shutdown=mode, intensity=0))

    match ended:
        case "kill":
            stage.kill("a")
        case "crash":
            stage.crash("a")
        case _:
            stage.end("a", Reason(ended))

    assert stage.over() == ("a ended", 0)
    assert stage.log == ["+a", "+b", "-a", "-b"]


@case(55, "significant_temporary")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("restart", [Restart.TEMPORARY, Restart.TRANSIENT])
def test_a_significant_child_that_is_terminated_does_not_end_its_supervisor(
    stage: Stage, mode: AutoShutdown, restart: Restart
) -> None:
    specs = [stage.child("a", restart=restart, significant=True), stage.child("b")]
    stage.start(*specs, flags=in_list_order(auto_shutdown=mode))

    stage.terminate("a")

    assert stage.over() is None
    assert stage.runs("b")


@case(56, "significant_transient")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("reason", [Reason.NORMAL, Reason.SHUTDOWN])
def test_a_significant_transient_child_ends_its_supervisor_when_it_ends_without_a_crash(
    stage: Stage, mode: AutoShutdown, reason: Reason
) -> None:
    specs = [stage.child("a", restart=Restart.TRANSIENT, significant=True), stage.child("b")]
    stage.start(*specs, flags=in_list_order(auto_shutdown=mode))

    stage.crash("a")
    stage.kill("a")
    assert stage.lives("a", "b") == (3, 1)
    assert stage.over() is None
    stage.end("a", reason)

    assert stage.over() == ("a ended", 0)


@case(57, "significant_temporary")
@case(57, "significant_transient")
@pytest.mark.parametrize("restart", [Restart.TEMPORARY, Restart.TRANSIENT])
@pytest.mark.parametrize("order", ["abc", "acb", "bac", "bca", "cab", "cba"])
def test_with_all_significant_only_the_end_of_the_last_one_counts(stage: Stage, restart: Restart, order: str) -> None:
    specs = [stage.child(name, restart=restart, significant=True) for name in "abc"]
    stage.start(*specs, stage.child("d"), flags=in_list_order(auto_shutdown=AutoShutdown.ALL_SIGNIFICANT))

    for name in order:
        assert stage.over() is None
        stage.end(name)

    assert stage.over() == (f"{order[-1]} ended", 0)


@case(57, "significant_transient")
def test_with_all_significant_one_that_was_terminated_is_no_longer_waited_for(stage: Stage) -> None:
    specs = [stage.child(name, restart=Restart.TRANSIENT, significant=True) for name in "ab"]
    stage.start(*specs, flags=in_list_order(auto_shutdown=AutoShutdown.ALL_SIGNIFICANT))

    stage.terminate("a")
    assert stage.over() is None
    stage.end("b")

    assert stage.over() == ("b ended", 0)


@case(58, "significant_bystander")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("restart", [Restart.TEMPORARY, Restart.TRANSIENT])
def test_a_significant_child_that_is_stopped_for_a_siblings_sake_does_not_end_its_supervisor(
    stage: Stage, mode: AutoShutdown, strategy: Strategy, restart: Restart
) -> None:
    specs = [stage.child("a"), stage.child("b", restart=restart, significant=True)]
    stage.start(*specs, flags=in_list_order(auto_shutdown=mode, strategy=strategy))

    stage.crash("a")

    assert stage.over() is None
    assert stage.lives("a") == (2,)
    if strategy is Strategy.ONE_FOR_ONE:
        assert stage.lives("b") == (1,)
    else:
        assert stage.status("b") is (None if restart is Restart.TEMPORARY else Status.RUNNING)


@case(59, "significant_escalation")
@pytest.mark.parametrize("significant", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_the_end_of_an_inner_supervisor_ends_the_outer_one_only_if_it_is_significant(
    stage: Stage, mode: AutoShutdown, significant: bool
) -> None:
    worker = stage.child("a", restart=Restart.TRANSIENT, significant=True)
    inner = stage.nested(
        "inner", worker, flags=in_list_order(auto_shutdown=mode), restart=Restart.TRANSIENT, significant=significant
    )
    stage.start(inner, stage.child("b"), flags=in_list_order(auto_shutdown=mode))

    stage.end("a")

    assert stage.over() == (("inner ended", 0) if significant else None)
    if not significant:
        assert stage.status("inner") is Status.STOPPED
        assert stage.runs("b")


@case(59, "significant_escalation")
def test_a_permanent_inner_supervisor_that_ended_itself_is_started_again(stage: Stage) -> None:
    worker = stage.child("a", restart=Restart.TRANSIENT, significant=True)
    inner = stage.nested("inner", worker, flags=in_list_order(auto_shutdown=AutoShutdown.ANY_SIGNIFICANT))
    stage.start(inner, flags=in_list_order())

    stage.end("a")

    assert stage.lives("inner", "a") == (2, 2)
    assert stage.runs("inner", "a")
