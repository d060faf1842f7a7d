"""The restart algebra, second part: restarts, their limits and delays; no thread, no clock."""

from __future__ import annotations

import pytest

from actors.runtime.child import Backoff, GiveUp, Restart
from actors.runtime.events import (
    Abandon,
    BackoffElapsed,
    Exited,
    Forget,
    Halt,
    Launch,
    Reason,
    Retire,
    Schedule,
    Started,
    StartFailed,
    TreeDown,
)
from actors.runtime.tree import Phase, Status
from tests.runtime.machine import Machine, schedule, spec


class TestRestart:
    @pytest.mark.parametrize("error", [None, "ValueError: boom"])
    def test_a_permanent_child_is_always_restarted(self, error: str | None) -> None:
        machine = Machine.up(spec("a"))

        assert machine.exited("a", error) == [schedule("a", 0.0)]
        assert machine.backoff_elapsed("a") == [Launch("a", 2)]

    def test_a_transient_child_is_restarted_after_a_crash(self) -> None:
        machine = Machine.up(spec("a", restart=Restart.TRANSIENT))

        assert machine.crashed("a") == [schedule("a", 0.0)]

    def test_a_transient_child_that_ended_by_itself_stays_down(self) -> None:
        machine = Machine.up(spec("a", restart=Restart.TRANSIENT))

        assert machine.exited("a") == [Retire("a")]
        assert machine.status("a") is Status.STOPPED

    @pytest.mark.parametrize("error", [None, "ValueError: boom"])
    def test_a_temporary_child_is_never_restarted(self, error: str | None) -> None:
        machine = Machine.up(spec("a", restart=Restart.TEMPORARY))

        assert machine.exited("a", error) == [Forget("a")]

    def test_nobody_else_is_restarted(self) -> None:
        machine = Machine.up(spec("a"), spec("b", "a"), spec("c", "b"))

        machine.crash_and_return("b")

        assert {name: child.generation for name, child in machine.tree.children.items()} == {"a": 1, "b": 2, "c": 1}

    def test_a_restart_that_fails_to_start_counts_as_another(self) -> None:
        machine = Machine.up(spec("a", intensity=2))
        machine.crashed("a")
        machine.backoff_elapsed("a")

        assert machine.start_failed("a") == [schedule("a", 0.05, 2)]
        machine.backoff_elapsed("a")
        assert machine.start_failed("a", "still no") == [
            TreeDown("a exceeded 2 restarts in 30 s: still no", 70),
        ]


class TestIntensity:
    @pytest.mark.parametrize("intensity", [0, 1, 5])
    def test_as_many_restarts_are_allowed_and_not_one_more(self, intensity: int) -> None:
        machine = Machine.up(spec("a", intensity=intensity), spec("b"))
        for _ in range(intensity):
            machine.crash_and_return("a")

        assert machine.crashed("a") == [Halt("b", 1)]
        (down,) = machine.exited("b")
        assert isinstance(down, TreeDown)
        assert (down.exit_code, down.why.split(":")[0]) == (70, f"a exceeded {intensity} restarts in 30 s")

    def test_a_child_that_may_be_missing_is_parked_and_the_rest_runs_on(self) -> None:
        machine = Machine.up(spec("a", intensity=0, give_up=GiveUp.PARK), spec("b"))

        assert machine.crashed("a") == [Retire("a")]
        assert machine.statuses() == {"a": Status.PARKED, "b": Status.RUNNING}
        assert machine.tree.phase is Phase.RUNNING

    def test_the_window_slides(self) -> None:
        machine = Machine.up(spec("a", intensity=1, period_s=10))

        for _ in range(5):
            machine.crash_and_return("a")
            machine.now += 10.1

        assert machine.status("a") is Status.RUNNING

    def test_a_restart_exactly_a_period_ago_still_counts(self) -> None:
        machine = Machine.up(spec("a", intensity=1, period_s=10, give_up=GiveUp.PARK))
        machine.crash_and_return("a")
        machine.now += 10

        assert machine.crashed("a") == [Retire("a")]

    def test_every_child_has_a_window_of_its_own(self) -> None:
        machine = Machine.up(spec("a", intensity=1), spec("b", intensity=1))

        machine.crash_and_return("a")
        machine.crash_and_return("b")

        assert machine.tree.phase is Phase.RUNNING


class TestBackoff:
    def test_it_doubles_and_is_capped(self) -> None:
        machine = Machine.up(spec("a", intensity=100, backoff=Backoff(min_s=1, jitter=0.0, reset_after_s=60)))

        assert [machine.crash_and_return("a") for _ in range(6)] == [0, 1, 2, 4, 8, 10]

    def test_it_begins_anew_after_a_quiet_time(self) -> None:
        machine = Machine.up(spec("a", intensity=100, backoff=Backoff(min_s=1, jitter=0.0, reset_after_s=60)))
        assert [machine.crash_and_return("a") for _ in range(3)] == [0, 1, 2]

        machine.now += 60.1

        assert [machine.crash_and_return("a") for _ in range(2)] == [0, 1]

    def test_it_goes_on_while_it_is_not_quiet_for_long_enough(self) -> None:
        machine = Machine.up(spec("a", intensity=100, backoff=Backoff(min_s=1, jitter=0.0, reset_after_s=60)))
        machine.crash_and_return("a")

        machine.now += 60

        assert machine.crash_and_return("a") == 1

    def test_a_streak_of_a_thousand_is_no_overflow(self) -> None:
        machine = Machine.up(spec("a", intensity=10_000, backoff=Backoff(min_s=1, jitter=0.0, reset_after_s=60)))

        assert [machine.crash_and_return("a") for _ in range(1100)][-1] == 10

    def test_its_jitter_travels_with_it(self) -> None:
        machine = Machine.up(spec("a", backoff=Backoff(jitter=0.3)))

        assert machine.crashed("a") == [Schedule(0.0, BackoffElapsed("a", 1), 0.3)]


class TestOperator:
    def test_a_running_child_is_stopped_and_started_again(self) -> None:
        machine = Machine.up(spec("a"))

        assert machine.restart("a") == [Halt("a", 1)]
        assert machine.exited("a") == [Launch("a", 2)]
        assert machine.started("a") == []
        assert (machine.status("a"), machine.child("a").restarts) == (Status.RUNNING, ())

    def test_it_takes_no_matter_how_the_child_ends(self) -> None:
        machine = Machine.up(spec("a", restart=Restart.TEMPORARY))
        machine.restart("a")

        assert machine.crashed("a") == [Launch("a", 2)]

    def test_a_parked_child_starts_with_a_clean_slate(self) -> None:
        machine = Machine.up(spec("a", intensity=1, give_up=GiveUp.PARK))
        machine.crash_and_return("a")
        machine.crashed("a")

        assert machine.restart("a") == [Launch("a", 3)]
        assert machine.started("a") == []
        assert machine.crash_and_return("a") == 0

    def test_one_that_waits_for_its_backoff_starts_now_and_only_once(self) -> None:
        machine = Machine.up(spec("a"))
        machine.crashed("a")

        assert machine.restart("a") == [Launch("a", 2)]
        assert machine.feed(BackoffElapsed("a", 1)) == []

    def test_one_that_does_not_stop_is_abandoned_and_succeeded(self) -> None:
        machine = Machine.up(spec("a", shutdown_s=2))
        machine.restart("a")

        assert machine.overdue("a", "stop") == [Abandon("a", 1), Launch("a", 2)]
        assert machine.child("a").last_error == "stop exceeded 2 s"

    @pytest.mark.parametrize("stage", ["starting", "stopping"])
    def test_one_that_is_on_its_way_is_left_alone(self, stage: str) -> None:
        machine = Machine(spec("a"))
        machine.begin()
        if stage == "stopping":
            machine.started("a")
            machine.restart("a")

        assert machine.restart("a") == []

    def test_a_tree_that_stops_restarts_nothing(self) -> None:
        machine = Machine.up(spec("a", give_up=GiveUp.PARK, intensity=0), spec("b"))
        machine.crashed("a")
        machine.stop()

        assert machine.restart("a") == []


class TestStuck:
    def test_a_handler_over_its_budget_is_abandoned_and_counts_as_a_crash(self) -> None:
        machine = Machine.up(spec("a", handler_budget_s=60))

        assert machine.overdue("a", "handler") == [Abandon("a", 1), schedule("a", 0.0)]
        assert machine.child("a").last_error == "handler exceeded 60 s"

    def test_one_that_flaps_so_is_parked(self) -> None:
        machine = Machine.up(spec("a", intensity=0, give_up=GiveUp.PARK))

        assert machine.overdue("a", "handler") == [Abandon("a", 1), Retire("a")]

    @pytest.mark.parametrize(
        "late", [Exited("a", 1), Exited("a", 1, Reason.CRASH, "late"), Started("a", 1), StartFailed("a", 1, "late")]
    )
    @pytest.mark.parametrize("give_up", list(GiveUp))
    def test_what_an_abandoned_one_says_later_changes_nothing(
        self, late: Exited | Started | StartFailed, give_up: GiveUp
    ) -> None:
        machine = Machine.up(spec("a", intensity=0, give_up=give_up), spec("b"))
        machine.overdue("a", "handler")
        before = machine.tree

        assert machine.feed(late) == []
        assert machine.tree == before

    def test_an_abandoned_start_that_fails_later_is_not_counted_again(self) -> None:
        machine = Machine.up(spec("a", intensity=5))
        machine.crashed("a")
        machine.backoff_elapsed("a")
        machine.overdue("a", "start")

        assert machine.start_failed("a", "late") == []
        assert len(machine.child("a").restarts) == 2
