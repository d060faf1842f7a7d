"""A handler that does not return: its thread cannot be killed, so it is left behind and can disturb nobody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from actors.errors import ActorCrashed
from actors.runtime.child import Backoff, GiveUp
from actors.runtime.letter import Answer, Letter
from actors.runtime.mailbox import Abandoned
from actors.runtime.tree import Status
from actors.runtime.zombies import GRACE_S
from actors.runtime.zombies import LIMIT as ZOMBIE_LIMIT
from tests.runtime.kit import STEADY, WAIT_S, Fail, Gate, Grove, Note, Noted, Probe, Run, Up, Worker, tree, worker

BUDGET_S = 30.0


@dataclass(frozen=True, slots=True)
class Picture:
    """A snapshot for the status."""

    by: int

    def as_status(self, _: float, /) -> dict[str, Any]:
        return {"by": self.by}


@contextmanager
def stuck(probe: Probe, *others: Any, message: Any = None, **fields: Any) -> Iterator[tuple[Grove, Gate]]:
    """A tree whose child `a` is held by a gate; further messages wait behind it."""
    spec = worker(probe, "a", **{"handler_budget_s": BUDGET_S, "backoff": STEADY, **fields})
    with tree(spec, *others, probe=probe) as grove:
        gate = grove.gate()
        grove["a"].tell(gate if message is None else message(gate))
        gate.wait_entered()
        probe.expect_all(Up("a"))
        yield grove, gate


def abandon(grove: Grove) -> None:
    """Let the handler exceed its budget and its successor come up."""
    grove.advance(BUDGET_S + 1)
    grove.until_status("a", Status.RESTARTING)
    grove.advance(0.05)
    grove.until_status("a", Status.RUNNING, 2)


def test_within_its_budget_a_handler_is_left_alone(probe: Probe) -> None:
    with stuck(probe) as (grove, _):
        grove.advance(BUDGET_S - 1)

        assert grove.child("a").status is Status.RUNNING


def test_beyond_its_budget_it_is_abandoned_and_succeeded(probe: Probe) -> None:
    with stuck(probe) as (grove, _):
        abandon(grove)

        probe.expect_all(Up("a", 2))
        assert grove.child("a").last_error == "handler exceeded 30 s"
        assert grove.zombies.count() == 1


def test_what_was_taken_with_it_is_served_by_the_successor_first_and_in_order(probe: Probe) -> None:
    def first(gate: Gate) -> Any:
        return Run(lambda _: gate.hold())

    with stuck(probe, message=first) as (grove, _):
        for number in range(200):
            grove["a"].tell(Note(number))
        abandon(grove)
        grove["a"].tell(Note(200))

        probe.expect_all(Up("a", 2), *(Noted("a", number, 2) for number in range(201)))


def test_messages_of_the_batch_in_hand_are_not_lost(probe: Probe) -> None:
    """The gate and what follows it come out of the mailbox in one take."""
    with tree(worker(probe, "a", handler_budget_s=BUDGET_S, backoff=STEADY), probe=probe) as grove:
        first, second = grove.gate(), grove.gate()
        grove["a"].tell(first)
        first.wait_entered()
        grove["a"].tell_all([second, *(Note(number) for number in range(10))])
        first.open()
        second.wait_entered()
        assert grove["a"].mailbox.depth() == 10

        abandon(grove)
        second.open()

        probe.expect_all(Up("a"), Up("a", 2), *(Noted("a", number, 2) for number in range(10)))
        grove["a"].ask(Note("last"), WAIT_S)
        probe.expect_all(Noted("a", "last", 2))
        assert probe.pending() == []


def test_the_successor_is_not_taken_for_stuck_on_account_of_its_predecessor(probe: Probe) -> None:
    with stuck(probe) as (grove, _):
        abandon(grove)

        for _ in range(100):
            grove.advance(1)

        assert (grove.child("a").generation, grove.zombies.count()) == (2, 1)


def test_a_thread_that_ends_after_all_is_no_zombie_any_more(probe: Probe) -> None:
    with stuck(probe) as (grove, gate):
        abandon(grove)
        old = grove.threads_named("a")[0]

        gate.open()
        old.join(WAIT_S)
        grove.advance(1)

        assert grove.zombies.count() == 0


@pytest.mark.parametrize("end", [None, ValueError("late"), SystemExit(1)])
def test_however_it_ends_its_successor_is_left_in_peace(probe: Probe, end: BaseException | None) -> None:
    def hold_and_end(gate: Gate) -> Any:
        def act(_: Worker) -> None:
            gate.hold()
            if end is not None:
                raise end

        return Run(act)

    with stuck(probe, message=hold_and_end) as (grove, gate):
        abandon(grove)
        old = grove.threads_named("a")[0]

        gate.open()
        old.join(WAIT_S)
        grove.settle()

        assert not old.is_alive()
        assert (grove.child("a").status, grove.child("a").generation) == (Status.RUNNING, 2)
        assert len(grove.child("a").restarts) == 1
        assert grove["a"].ask(Note(1), WAIT_S) == 1


def test_late_it_can_neither_suspend_the_mailbox_nor_push_back_nor_publish_nor_set_timers(probe: Probe) -> None:
    attempts: list[Any] = []

    def meddle(gate: Gate) -> Any:
        def act(actor: Worker) -> None:
            gate.hold()
            actor.context.publish(Picture(1))
            actor.context.after(1, Note("from the past"))
            for attempt in (
                lambda: actor.context.mailbox.suspend(1),
                lambda: actor.context.mailbox.push_back([Letter(Note("from the past"))], 1),
                lambda: actor.context.mailbox.take(1, 1),
            ):
                with pytest.raises(Abandoned):
                    attempt()
                attempts.append(attempt)

        return Run(act)

    with stuck(probe, message=meddle) as (grove, gate):
        abandon(grove)
        grove["a"].ask(Run(lambda one: one.context.publish(Picture(2))), WAIT_S)
        old = grove.threads_named("a")[0]
        gate.open()
        old.join(WAIT_S)
        grove.advance(5)

        assert len(attempts) == 3
        assert grove["a"].telemetry.snapshot == Picture(2)
        grove["a"].tell(Note(1))
        probe.expect_all(Up("a", 2), Noted("a", 1, 2))


def test_its_asker_may_still_get_the_late_answer(probe: Probe) -> None:
    answer = Answer()

    with stuck(probe) as (grove, gate):
        other = grove.gate()
        grove["a"].post(other, answer)
        gate.open()
        other.wait_entered()
        abandon(grove)
        other.open()

        assert answer.get(WAIT_S) is None


def test_its_counters_go_on_with_the_successor(probe: Probe) -> None:
    with tree(worker(probe, "a", handler_budget_s=BUDGET_S, backoff=STEADY), probe=probe) as grove:
        for number in range(3):
            grove["a"].ask(Note(number), WAIT_S)
        with pytest.raises(ActorCrashed):
            grove["a"].ask(Fail(ValueError()), WAIT_S)
        grove.until_status("a", Status.RESTARTING)
        grove.advance(0.05)
        grove.until_status("a", Status.RUNNING, 2)
        grove["a"].ask(Note(4), WAIT_S)
        grove["a"].ask(Note(5), WAIT_S)

        telemetry = grove["a"].telemetry
        assert (telemetry.handled >= 4, telemetry.failed, grove["a"].dead_letters) == (True, 1, 1)


def test_a_parked_one_shows_what_it_is_stuck_in(probe: Probe) -> None:
    with stuck(probe, intensity=0, give_up=GiveUp.PARK) as (grove, _):
        grove.advance(BUDGET_S + 1)
        grove.until_status("a", Status.PARKED)

        assert grove["a"].telemetry.doing == "Gate"


def test_more_of_them_than_the_limit_end_the_process_with_70(probe: Probe) -> None:
    spec = worker(
        probe, "a", handler_budget_s=BUDGET_S, intensity=100, period_s=1, backoff=Backoff(0.05, 0.05, 0.05, 0.0)
    )

    with tree(spec, probe=probe) as grove:
        for generation in range(1, ZOMBIE_LIMIT + 2):
            gate = grove.gate()
            grove["a"].tell(gate)
            gate.wait_entered()
            grove.advance(BUDGET_S + 1)
            grove.advance(0.1)
            grove.until_status("a", Status.RUNNING, generation + 1)
        assert grove.zombies.count() == ZOMBIE_LIMIT + 1
        grove.advance(GRACE_S)

        assert grove.wait_down() == (f"more than {ZOMBIE_LIMIT} threads do not end", 70)


def test_the_other_children_notice_nothing(probe: Probe) -> None:
    with stuck(probe, worker(probe, "b", depends_on=("a",))) as (grove, _):
        abandon(grove)

        assert grove["b"].ask(Note(1), WAIT_S) == 1
        assert grove.child("b").generation == 1
