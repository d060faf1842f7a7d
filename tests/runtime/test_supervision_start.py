"""The restart algebra, first part: starting, failing to start, and stopping; no thread, no clock."""

from __future__ import annotations

import pytest

from actors.runtime.child import GiveUp
from actors.runtime.events import (
    Abandon,
    BackoffElapsed,
    Exited,
    Halt,
    Launch,
    Retire,
    Started,
    StartFailed,
    TreeDown,
    TreeUp,
)
from actors.runtime.tree import Phase, Status
from tests.runtime.machine import Machine, schedule, spec


class TestStart:
    def test_an_empty_tree_is_up_at_once(self) -> None:
        assert Machine().begin() == [TreeUp()]

    def test_the_children_of_a_level_start_together_in_the_order_of_the_table(self) -> None:
        machine = Machine(spec("c"), spec("a"), spec("b", "a"))

        assert machine.begin() == [Launch("c", 1), Launch("a", 1)]

    def test_a_level_waits_for_every_acknowledgement_of_the_one_before(self) -> None:
        machine = Machine(spec("a"), spec("b"), spec("c", "a"))
        machine.begin()

        assert machine.started("a") == []
        assert machine.started("b") == [Launch("c", 1)]
        assert machine.started("c") == [TreeUp()]
        assert machine.tree.phase is Phase.RUNNING

    def test_a_child_that_crashes_meanwhile_holds_the_next_level_back(self) -> None:
        machine = Machine(spec("a"), spec("b", "a"), spec("c", "b"))
        machine.begin()
        machine.started("a")

        machine.crashed("a")

        assert machine.started("b") == []
        machine.backoff_elapsed("a")
        assert machine.started("a") == [Launch("c", 1)]

    def test_an_acknowledgement_of_an_older_generation_counts_for_nothing(self) -> None:
        machine = Machine(spec("a"))
        machine.begin()

        assert machine.feed(Started("a", 0)) == []
        assert machine.status("a") is Status.STARTING


class TestStartFailure:
    def test_the_tree_stops_with_the_code_that_the_child_names(self) -> None:
        machine = Machine(spec("a"), spec("b", "a"), spec("c", "b"))
        machine.begin()
        machine.started("a")

        assert machine.start_failed("b", "schema is old", 78) == [Halt("a", 1)]
        assert machine.exited("a") == [TreeDown("b did not start: schema is old", 78)]
        assert machine.status("c") is Status.STOPPED

    def test_a_sibling_that_is_still_starting_is_stopped_too(self) -> None:
        machine = Machine(spec("a"), spec("b"))
        machine.begin()

        assert machine.start_failed("a") == [Halt("b", 1)]
        assert machine.started("b") == []
        assert machine.exited("b") == [TreeDown("a did not start: no", 70)]

    def test_a_sibling_that_then_fails_to_start_is_as_good_as_stopped(self) -> None:
        machine = Machine(spec("a"), spec("b"))
        machine.begin()
        machine.start_failed("a", exit_code=78)

        assert machine.start_failed("b", "me too", 69) == [TreeDown("a did not start: no", 78)]

    def test_a_child_that_may_be_missing_is_parked_and_the_rest_starts(self) -> None:
        machine = Machine(spec("a", start_failure=GiveUp.PARK), spec("b", "a"))
        machine.begin()

        assert machine.start_failed("a", "no session") == [Retire("a"), Launch("b", 1)]
        assert machine.started("b") == [TreeUp()]
        assert machine.statuses() == {"a": Status.PARKED, "b": Status.RUNNING}
        assert machine.child("a").last_error == "no session"

    def test_a_start_that_takes_too_long_is_abandoned_and_has_failed(self) -> None:
        machine = Machine(spec("a", start_timeout_s=3))
        machine.begin()

        effects = machine.overdue("a", "start")

        assert effects == [Abandon("a", 1), TreeDown("a did not start: start exceeded 3 s", 69)]

    def test_a_start_that_was_acknowledged_in_time_is_not_overdue(self) -> None:
        machine = Machine.up(spec("a"))

        assert machine.overdue("a", "start") == []

    def test_a_passing_reason_is_tried_again_until_the_deadline(self) -> None:
        machine = Machine(spec("a", start_retry_s=10))
        machine.begin()

        assert machine.start_failed("a", retryable=True) == [schedule("a", 0.05)]
        assert machine.backoff_elapsed("a") == [Launch("a", 2)]
        machine.now += 9.9
        assert machine.start_failed("a", retryable=True) == [schedule("a", 0.1, 2)]
        machine.backoff_elapsed("a")
        machine.now += 0.2
        assert machine.start_failed("a", "away", 69, retryable=True) == [TreeDown("a did not start: away", 69)]

    def test_a_reason_that_does_not_pass_is_not_tried_again(self) -> None:
        machine = Machine(spec("a", start_retry_s=10))
        machine.begin()

        assert machine.start_failed("a", "schema is old", 78) == [TreeDown("a did not start: schema is old", 78)]

    def test_retries_of_the_start_do_not_count_as_restarts(self) -> None:
        machine = Machine(spec("a", start_retry_s=10, intensity=0))
        machine.begin()

        machine.start_failed("a", retryable=True)
        machine.backoff_elapsed("a")
        machine.started("a")

        assert machine.child("a").restarts == ()
        assert machine.child("a").total_restarts == 0

    def test_a_restart_that_fails_for_a_passing_reason_is_tried_again_without_counting(self) -> None:
        machine = Machine.up(spec("a", start_retry_s=10, intensity=1))
        machine.crashed("a")

        for _ in range(5):
            machine.backoff_elapsed("a")
            machine.start_failed("a", retryable=True)
            machine.now += 1

        assert machine.status("a") is Status.RESTARTING
        assert len(machine.child("a").restarts) == 1
        machine.now += 10
        machine.backoff_elapsed("a")
        machine.start_failed("a", "away", retryable=True)
        assert machine.tree.exit_code == 70

    def test_each_series_of_attempts_has_a_deadline_of_its_own(self) -> None:
        machine = Machine.up(spec("a", start_retry_s=10))
        machine.now += 1000

        machine.crashed("a")
        machine.backoff_elapsed("a")

        assert machine.start_failed("a", retryable=True) == [schedule("a", 0.1, 2)]
        assert len(machine.child("a").restarts) == 1


class TestStop:
    def test_it_is_the_exact_reverse_of_the_start(self) -> None:
        machine = Machine.up(spec("a"), spec("b", "a"), spec("c", "a"), spec("d", "b", "c"))

        assert machine.stop() == [Halt("d", 1)]
        assert machine.exited("d") == [Halt("b", 1), Halt("c", 1)]
        assert machine.exited("c") == []
        assert machine.exited("b") == [Halt("a", 1)]
        assert machine.exited("a") == [TreeDown("asked", 0)]
        assert machine.tree.phase is Phase.STOPPED

    def test_one_that_crashes_on_the_way_down_is_not_restarted(self) -> None:
        machine = Machine.up(spec("a"), spec("b", "a"))
        machine.stop()

        assert machine.crashed("a") == []
        assert machine.crashed("b") == [TreeDown("asked", 0)]

    def test_one_that_does_not_stop_is_abandoned_and_the_rest_goes_on(self) -> None:
        machine = Machine.up(spec("a"), spec("b", "a"))
        machine.stop()

        assert machine.overdue("b", "stop") == [Abandon("b", 1), Halt("a", 1)]

    def test_a_restart_under_way_is_called_off(self) -> None:
        machine = Machine.up(spec("a"))
        machine.crashed("a")

        assert machine.stop() == [TreeDown("asked", 0)]
        assert machine.backoff_elapsed("a") == []

    def test_a_start_under_way_is_stopped_and_the_next_level_never_begins(self) -> None:
        machine = Machine(spec("a"), spec("b", "a"))
        machine.begin()

        assert machine.stop() == [Halt("a", 1)]
        assert machine.started("a") == []
        assert machine.exited("a") == [TreeDown("asked", 0)]

    def test_an_operators_restart_under_way_ends_in_the_stop(self) -> None:
        machine = Machine.up(spec("a"))
        machine.restart("a")

        assert machine.stop() == []
        assert machine.exited("a") == [TreeDown("asked", 0)]

    def test_a_second_stop_changes_neither_reason_nor_code(self) -> None:
        machine = Machine(spec("a"), spec("b"))
        machine.begin()
        machine.start_failed("a", "no key", 78)

        assert machine.stop() == []
        assert machine.exited("b") == [TreeDown("a did not start: no key", 78)]

    @pytest.mark.parametrize("late", [Exited("a", 1, "late"), StartFailed("a", 1, "late"), BackoffElapsed("a", 1)])
    def test_nothing_rises_from_a_tree_that_is_down(self, late: Exited | StartFailed | BackoffElapsed) -> None:
        machine = Machine.up(spec("a"))
        machine.stop()
        machine.overdue("a", "stop")
        before = machine.tree

        assert machine.feed(late) == []
        assert machine.stop() == []
        assert machine.restart("a") == []
        assert machine.tree == before
