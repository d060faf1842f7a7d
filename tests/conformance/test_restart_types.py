"""Cases 21 to 31: which ends are followed by a restart, and of whom nothing is kept."""

from __future__ import annotations

import pytest

from actors.runtime.child import Restart
from actors.runtime.events import Outcome, Reason
from actors.runtime.flags import Strategy
from actors.runtime.tree import Status
from tests.conformance.cases import case
from tests.conformance.stage import Stage, in_list_order

REASONS = [Reason.NORMAL, Reason.SHUTDOWN, Reason.CRASH, Reason.KILLED]
ABNORMAL = [Reason.CRASH, Reason.KILLED]
ORDERLY = [Reason.NORMAL, Reason.SHUTDOWN]


def finish(stage: Stage, name: str, reason: Reason) -> None:
    """End the child so; a kill takes a second."""
    match reason:
        case Reason.CRASH:
            stage.crash(name)
        case Reason.KILLED:
            stage.kill(name)
        case _:
            stage.end(name, reason)


@case(21, "permanent_normal")
@case(22, "permanent_shutdown")
@case(23, "permanent_abnormal")
@pytest.mark.parametrize("reason", REASONS)
def test_a_permanent_child_is_restarted_whatever_ended_it(stage: Stage, reason: Reason) -> None:
    stage.start(stage.child("a"), flags=in_list_order())

    finish(stage, "a", reason)

    assert stage.which() == [("a", Status.RUNNING, 2)]
    assert stage.reason("a") is reason
    assert stage.log == ["+a", "-a", "+a"]


@case(24, "transient_normal")
@case(25, "transient_shutdown")
@pytest.mark.parametrize("reason", ORDERLY)
def test_a_transient_child_that_ended_in_order_stays_down_and_is_kept(stage: Stage, reason: Reason) -> None:
    stage.start(stage.child("a", restart=Restart.TRANSIENT), flags=in_list_order(intensity=0))

    finish(stage, "a", reason)

    assert stage.which() == [("a", Status.STOPPED, 1)]
    assert stage.reason("a") is reason
    assert (stage.count().specs, stage.count().active) == (1, 0)
    assert stage.over() is None


@case(26, "transient_abnormal")
@pytest.mark.parametrize("reason", ABNORMAL)
def test_a_transient_child_that_crashed_is_restarted(stage: Stage, reason: Reason) -> None:
    stage.start(stage.child("a", restart=Restart.TRANSIENT), flags=in_list_order())

    finish(stage, "a", reason)

    assert stage.which() == [("a", Status.RUNNING, 2)]


@case(27, "temporary_normal")
@case(28, "temporary_shutdown")
@case(29, "temporary_abnormal")
@pytest.mark.parametrize("reason", REASONS)
def test_a_temporary_child_that_ended_is_forgotten(stage: Stage, reason: Reason) -> None:
    stage.start(stage.child("a", restart=Restart.TEMPORARY), flags=in_list_order(intensity=0))

    finish(stage, "a", reason)

    assert stage.which() == []
    assert stage.count().specs == 0
    assert stage.over() is None


@case(30, "temporary_bystander")
@pytest.mark.parametrize("shutdown_s", [5, 0])
@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
def test_a_temporary_sibling_that_is_stopped_by_a_restart_is_not_restarted(
    stage: Stage, strategy: Strategy, shutdown_s: float
) -> None:
    specs = [stage.child("a"), stage.child("b", restart=Restart.TEMPORARY, shutdown_s=shutdown_s)]
    stage.start(*specs, flags=in_list_order(strategy=strategy))

    stage.crash("a")

    assert stage.which() == [("a", Status.RUNNING, 2)]
    assert stage.log == ["+a", "+b", "-a", "-b", "+a"]
    assert stage.over() is None


@case(31, "do_not_save_child_specs_for_temporary_children")
@pytest.mark.parametrize("ended", ["kill", "normal", "crash", "terminate"])
@pytest.mark.parametrize("strategy", Strategy)
def test_only_the_specification_of_a_temporary_child_is_not_kept(stage: Stage, strategy: Strategy, ended: str) -> None:
    stage.start(flags=in_list_order(strategy=strategy, intensity=10))
    specs = {restart: stage.child(restart.value, restart=restart) for restart in Restart}
    for spec in specs.values():
        assert stage.add(spec).outcome is Outcome.DONE

    for spec in specs.values():
        match ended:
            case "kill":
                stage.kill(spec.name)
            case "normal":
                stage.end(spec.name)
            case "crash":
                stage.crash(spec.name)
            case "terminate":
                stage.terminate(spec.name)
        if spec.restart is not Restart.TEMPORARY and stage.status("temporary") is None:
            assert stage.add(specs[Restart.TEMPORARY]).outcome is Outcome.DONE

    kept = {Outcome.ALREADY_PRESENT, Outcome.ALREADY_STARTED}
    assert stage.add(specs[Restart.PERMANENT]).outcome in kept
    assert stage.add(specs[Restart.TRANSIENT]).outcome in kept
    assert stage.add(specs[Restart.TEMPORARY]).outcome is Outcome.DONE
